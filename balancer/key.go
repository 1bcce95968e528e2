package balancer

import "slices"

// A Key gives a Policy a place of its own on every Endpoint, for state that
// must survive changes of the set. Make one with [NewKey] in a package
// variable; T is usually a struct of atomics.
type Key[T any] struct{ _ byte } // not empty: keys are told apart by address

// NewKey returns a key that is different from all others.
func NewKey[T any]() *Key[T] { return new(Key[T]) }

// Of returns the key's value on e: always the same pointer, to a zero T the
// first time. That first time takes a lock and allocates; a policy gets it
// over with when it builds its picker.
func (k *Key[T]) Of(e *Endpoint) *T {
	if v := k.find(e); v != nil {
		return v
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if v := k.find(e); v != nil {
		return v
	}
	v := new(T)
	var values []value
	if p := e.values.Load(); p != nil {
		values = slices.Clone(*p)
	}
	values = append(values, value{k, v})
	e.values.Store(&values)
	return v
}

func (k *Key[T]) find(e *Endpoint) *T {
	if values := e.values.Load(); values != nil {
		for _, v := range *values {
			if v.key == k {
				return v.value.(*T)
			}
		}
	}
	return nil
}
