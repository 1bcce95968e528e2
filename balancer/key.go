package balancer

import "slices"

// A Key gives a Policy a place of its own on every Endpoint and every Service,
// for state that must survive changes of the set. Make one with [NewKey] in a
// package variable; T is usually a struct of atomics.
//
// If *T is a [Meter], a value on an endpoint is told of every attempt there; if
// it is a [Reporter], of every report.
type Key[T any] struct{ _ byte } // not empty: keys are told apart by address

// NewKey returns a key that is different from all others.
func NewKey[T any]() *Key[T] { return new(Key[T]) }

// Of returns the key's value on e: always the same pointer, to a zero T the
// first time. That first time takes a lock and allocates; a policy gets it
// over with when it builds its picker.
func (k *Key[T]) Of(e *Endpoint) *T {
	if v := k.find(&e.attachments); v != nil {
		return v
	}
	v, added := k.attach(&e.attachments)
	if added {
		e.addListeners(v)
	}
	return v
}

// OfService returns the key's value on s, as Of does for an endpoint.
func (k *Key[T]) OfService(s *Service) *T {
	if v := k.find(&s.attachments); v != nil {
		return v
	}
	v, _ := k.attach(&s.attachments)
	return v
}

func (k *Key[T]) find(a *attachments) *T {
	if values := a.values.Load(); values != nil {
		for _, v := range *values {
			if v.key == k {
				return v.value.(*T)
			}
		}
	}
	return nil
}

func (k *Key[T]) attach(a *attachments) (v *T, added bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v := k.find(a); v != nil {
		return v, false
	}
	v = new(T)
	var values []value
	if p := a.values.Load(); p != nil {
		values = slices.Clone(*p)
	}
	values = append(values, value{k, v})
	a.values.Store(&values)
	return v, true
}
