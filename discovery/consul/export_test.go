package consul

import "github.com/namesake-go/namesake/discovery"

// Parse reads an answer as a watch with default options does.
func Parse(body []byte) ([]discovery.Instance, error) {
	c := newConfig(nil)
	return c.parse(body)
}
