// Package dns follows services in DNS.
package dns
