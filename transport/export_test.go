package transport

// For tests of what cannot be seen from outside.
var (
	ServiceName     = serviceName
	ParseRetryAfter = parseRetryAfter
	Sendable        = sendable
	AskURL          = askURL
)

// StopComparing stops the timer after which a service's endpoints are compared,
// and reports whether any is, and whether it ran.
func StopComparing(s *Service) (on, ran bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	on = s.outliers != nil
	for _, e := range s.endpoints {
		on = on || links.Of(e).standing != nil
	}
	return on, on && s.outliers.timer != nil && s.outliers.timer.Stop()
}

// A Service is what a Transport knows about one name.
type Service = service

// ServiceOf returns that.
func ServiceOf(t *Transport, name string) *Service { return (*t.services.Load())[name] }
