// Package pagetest drives the page of eurekaserver in a real browser. It is a
// module of its own, so that what drives the browser is a requirement of
// nobody who imports the library.
//
//	go test ./... -screenshots /tmp
package pagetest
