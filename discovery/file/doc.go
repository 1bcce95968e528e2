// Package file follows services that are listed in a file, or in the files of
// a folder: the registry of those whose addresses come from configuration
// management, a mounted ConfigMap, or an editor.
//
//	registry := file.New("/etc/orders/services.json")
//
// A [Watcher] is a [discovery.Watcher]. It looks at the files every second
// ([WithInterval]), reads those that may have changed, and yields the sets that
// have. It needs no notifications from the operating system, which network
// file systems and containers do not give.
//
// # Format
//
// A file is one JSON object, with a member for each service. Its value is the
// list of the service's copies:
//
//	{
//	  "orders": [
//	    {"addr": "10.0.0.7:8080", "id": "orders-1", "zone": "eu-1a", "weight": 2},
//	    {"addr": "10.0.0.8:8080", "id": "orders-2", "zone": "eu-1b", "metadata": {"version": "1.4"}}
//	  ],
//	  "payments": ["10.0.0.9:8443", "10.0.0.10:8443"],
//	  "billing": []
//	}
//
// A copy is an object with these members, of which only addr is required:
//
//	addr      string   host:port; an IPv6 address in brackets
//	id        string   tells the copy from others of its service; addr if absent
//	scheme    string   "http" or "https"
//	zone      string   where the copy runs
//	weight    number   a whole number from 0 to 4294967295; 0 means 1
//	priority  number   likewise; lower is preferred
//	metadata  object   anything else, as strings
//
// They mean what the fields of [discovery.Instance] of the same name do. A
// string in place of the object is an addr alone. An empty list is an empty
// set: the service has no copies now. Services are found by their exact names.
//
// Nothing else is allowed: no other member, no member twice, no service twice
// in a file, no null, no comments, nothing after the object, no bytes that are
// not UTF-8. Other formats are read with [WithDecoder].
//
// # Folders
//
// In a folder, the files whose names end in ".json" are read, in the order of
// their names; those that begin with a dot, and folders, are not. A service
// may be listed in several of them, and its set is all that they list. Of
// copies with the same key, the first in that order is used, and an error
// names the others.
//
// Kubernetes replaces the files of a mounted ConfigMap or Secret all at once,
// by a symbolic link. A set is never made of files from before and files from
// after, unless the volume is replaced three times while it is being read.
//
// # Replacing a file
//
// Write another file beside it and rename that: it is then seen before or
// after, and never half. A file that is written in place may be read when half
// of it is there. That does no harm, as half an object is not valid; it is
// an error until the next look.
//
// A file is read again when its time, its size or its identity has changed,
// when its time is so recent that another change might not have changed that,
// and once a minute in any case.
//
// # Errors
//
// A file that cannot be read, or makes no sense, keeps what it last said, and
// every watch of a service that it listed yields an error that says where it is
// wrong, by file, line and column:
//
//	file: /etc/orders/services.json:3:34: unknown member "wieght"
//
// Until it is mended, it is not known whether it lists other services too, so
// that a service listed nowhere else yields that error, and not
// [discovery.ErrUnknownService]. A file that could never be read since the
// watch began is an error to all.
//
// A copy that cannot be called, such as one whose addr has no port, is left
// out, and an error that names its place follows the set.
//
// A file that is gone from a folder keeps what it last said of services that
// no other file lists, and those yield an error. So a service may move from one
// file to another, and one that has ended is taken out by an empty list. A path
// that is gone, or a folder without any files, such as where a volume is not
// mounted, keeps everything.
//
// A service that no file lists yields an error that wraps
// [discovery.ErrUnknownService].
//
// # Bounds
//
// A file may have 16 MiB, and a folder 1000 files and 10,000 entries. What is
// larger is an error. A file system that hangs holds up the end of the last
// watch until it answers.
//
// # Security
//
// Whoever can write to the files decides where calls go.
package file
