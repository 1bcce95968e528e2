package file

import (
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// An Option changes how a [Watcher] works. A later option overrides an earlier
// one of the same kind.
type Option interface {
	apply(*config)
}

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithInterval sets how long to wait between two looks at the files. The
// default, and zero or less, is 1 s; less than 10 ms counts as 10 ms. A look
// at a file that has not changed costs a system call or two.
func WithInterval(interval time.Duration) Option {
	return optionFunc(func(c *config) { c.interval = interval })
}

// A Decoder makes the lists of instances, by service, of the content of a file.
// It must not keep the content. What it returns is handed on, and must not be
// changed. A service with an empty list has no copies. An error is yielded to
// watches, with the path before it; it should name the line.
type Decoder func(content []byte) (map[string][]discovery.Instance, error)

// WithDecoder makes a Decoder read the files whose names end in suffix, such
// as ".yaml", in place of the built-in one or beside it: a folder may hold
// files of several formats. Several options add up; of the suffixes that fit a
// name, the longest counts. A file that is watched itself, not in a folder,
// and fits none is taken for JSON. An empty suffix fits none. A nil Decoder takes
// the suffix out.
//
// A format of which half a file is valid must be replaced by renaming, see the
// package documentation. A decoder that panics makes an error.
func WithDecoder(suffix string, decode Decoder) Option {
	return optionFunc(func(c *config) {
		delete(c.decoders, suffix)
		if decode != nil {
			c.decoders[suffix] = decode.parse
		}
	})
}

type config struct {
	interval time.Duration
	decoders map[string]parse // by suffix
}

const (
	defaultInterval = time.Second
	minInterval     = 10 * time.Millisecond
)

func newConfig(opts []Option) config {
	c := config{decoders: map[string]parse{".json": parseJSON}}
	for _, o := range opts {
		o.apply(&c)
	}
	if c.interval <= 0 {
		c.interval = defaultInterval
	}
	c.interval = max(c.interval, minInterval)
	return c
}
