package dns

import (
	"errors"
	"fmt"
)

// maxFaults is how many faults of an answer an error names.
const maxFaults = 10

// faults collects what is wrong with an answer.
type faults struct {
	errs   []error
	more   int
	failed bool // one of them may go away by asking again
}

// A failure is the error of a question that nobody has answered.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

func (f *faults) add(err error) {
	if err == nil {
		return
	}
	f.failed = f.failed || errors.As(err, new(*failure))
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, err)
	} else {
		f.more++
	}
}

// join returns all as one error, or nil if there are none.
func (f *faults) join() error {
	if f.more > 0 {
		return errors.Join(append(f.errs, fmt.Errorf("and %d more", f.more))...)
	}
	return errors.Join(f.errs...)
}
