// Package transport provides the http.RoundTripper that lets a service call
// another by its name.
package transport
