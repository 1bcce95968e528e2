package eurekaserver

import (
	"bytes"
	"compress/gzip"
	"sync"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A document is one state of the registry, or a part of it, which is encoded
// at most once in each format, when it is first asked for. It is immutable.
type document struct {
	content wire.Applications
	plain   [wire.Formats]func() ([]byte, error)
	zipped  [wire.Formats]func() ([]byte, error)
}

func newDocument(content wire.Applications) *document {
	d := &document{content: content}
	for f := range wire.Formats {
		d.plain[f] = sync.OnceValues(func() ([]byte, error) { return wire.MarshalApplications(content, f) })
		d.zipped[f] = sync.OnceValues(func() ([]byte, error) {
			data, err := d.plain[f]()
			if err != nil {
				return nil, err
			}
			return compress(data), nil
		})
	}
	return d
}

func (d *document) bytes(f wire.Format, zipped bool) ([]byte, error) {
	if zipped {
		return d.zipped[f]()
	}
	return d.plain[f]()
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	// A bytes.Buffer takes everything.
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}
