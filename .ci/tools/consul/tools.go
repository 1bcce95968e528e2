//go:build tools

// Package tools names the program that the tests of package consul run: a
// Consul agent. Version 1.13.9 is the newest that is under the Mozilla Public
// License and that builds as a requirement of another module. It runs on
// loopback in tests, and nothing of it is shipped.
package tools

import _ "github.com/hashicorp/consul"
