// Package discovery says who runs where.
package discovery
