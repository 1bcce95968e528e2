package eurekaserver

import (
	"bytes"
	"compress/gzip"
	"sync"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A document is one state of the registry, or a part of it, which is put
// together at most once in each format, when it is first asked for. It is
// immutable.
type document struct {
	sections func() []section // by name
	plain    [wire.Formats]func() ([]byte, error)
	zipped   [wire.Formats]func() ([]byte, error)
}

// newDocument returns a document. It calls sections at most once, and never
// under a lock.
func newDocument(version, hash string, sections func() []section) *document {
	d := &document{sections: sync.OnceValue(sections)}
	join := func(f wire.Format, write func([]byte)) error {
		parts, err := encode(d.sections(), f)
		if err == nil {
			wire.JoinApplications(version, hash, parts, f, write)
		}
		return err
	}
	for f := range wire.Formats {
		d.plain[f] = sync.OnceValues(func() ([]byte, error) { return collect(f, join) })
		d.zipped[f] = sync.OnceValues(func() ([]byte, error) { return collectZipped(f, join) })
	}
	return d
}

func (d *document) bytes(f wire.Format, zipped bool) ([]byte, error) {
	if zipped {
		return d.zipped[f]()
	}
	return d.plain[f]()
}

// encode returns the sections with their instances encoded.
func encode(sections []section, f wire.Format) ([]wire.Part, error) {
	parts := make([]wire.Part, 0, len(sections))
	for _, s := range sections {
		part := wire.Part{Name: s.name, Instances: make([][]byte, len(s.records))}
		for i, rec := range s.records {
			data, err := rec.bytes(f)
			if err != nil {
				return nil, err
			}
			part.Instances[i] = data
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// bytes returns one application as a document.
func (s section) bytes(f wire.Format) ([]byte, error) {
	parts, err := encode([]section{s}, f)
	if err != nil {
		return nil, err
	}
	return collect(f, func(f wire.Format, write func([]byte)) error {
		wire.JoinApplication(parts[0], f, write)
		return nil
	})
}

// A joiner writes a document, piece by piece. It may be called twice.
type joiner func(f wire.Format, write func([]byte)) error

func collect(f wire.Format, join joiner) ([]byte, error) {
	size := 0
	if err := join(f, func(piece []byte) { size += len(piece) }); err != nil {
		return nil, err
	}
	data := make([]byte, 0, size)
	err := join(f, func(piece []byte) { data = append(data, piece...) })
	return data, err
}

// zippers are reused, as each has tables of about a megabyte.
var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a valid one
	return z
}}

// collectZipped makes one gzip stream of it all, since not every client reads
// several in a row.
func collectZipped(f wire.Format, join joiner) ([]byte, error) {
	var b bytes.Buffer
	z := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(&b)
	// A bytes.Buffer takes everything.
	err := join(f, func(piece []byte) { _, _ = z.Write(piece) })
	_ = z.Close()
	return bytes.Clone(b.Bytes()), err
}

func compress(data []byte) []byte {
	zipped, _ := collectZipped(0, func(_ wire.Format, write func([]byte)) error {
		write(data)
		return nil
	})
	return zipped
}
