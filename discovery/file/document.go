package file

import (
	"fmt"

	"github.com/namesake-go/namesake/discovery"
)

// A document is what a file says. It never changes: another content makes
// another document.
type document struct {
	services services // what it said when it was last good; nil if it never was
	err      error    // why it cannot be used now
	gone     bool     // the file is not there any more
}

// services are the lists of a file, by service.
type services map[string][]listing

// A listing is an instance and where it is listed.
type listing struct {
	discovery.Instance
	place place
}

// A place is where something stands in a file. Lines and columns count from 1,
// and columns in characters; a line of 0 means that only the file is known.
type place struct {
	path         string
	line, column int
}

func (p place) String() string {
	if p.line == 0 {
		return p.path
	}
	return fmt.Sprintf("%s:%d:%d", p.path, p.line, p.column)
}

// parse reads the content of a file. Errors begin with the path.
type parse func(path string, content []byte) (services, error)

// parse makes a function of the user's one like ours.
func (d Decoder) parse(path string, content []byte) (_ services, err error) {
	defer func() {
		if p := recover(); p != nil { // a bad file must not end the program
			err = fmt.Errorf("%s: the decoder panicked: %v", path, p)
		}
	}()
	lists, err := d(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	all := make(services, len(lists))
	for service, instances := range lists {
		all[service] = make([]listing, len(instances))
		for i, in := range instances {
			all[service][i] = listing{in, place{path: path}}
		}
	}
	return all, nil
}
