package transport

import "net/http"

// A Fallback answers a call that has failed: with a response, whose body must
// not be nil, or with an error. Err is an *[Error] that says why it failed. The
// request's body has been closed.
type Fallback func(req *http.Request, err error) (*http.Response, error)

// WithFallback has a function answer calls that fail with an error: from a
// cache, with a default, or by another service, which it may call by this
// Transport. It is not asked about responses, whatever their status. It runs on
// the goroutine of the call, when that has ended and been told to hooks. The
// default, nil, is none.
func WithFallback(f Fallback) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.fallback = f })
}

// fallBack holds the fallback to http.RoundTripper's contract.
func (s *service) fallBack(req *http.Request, failure error) (*http.Response, error) {
	resp, err := s.cfg.fallback(req, failure)
	switch {
	case err != nil:
		drop(resp)
		return nil, err
	case resp == nil:
		return nil, failure
	}
	if resp.Request == nil {
		resp.Request = req
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, nil
}
