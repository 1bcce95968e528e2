// Package wire is the format in which Eureka servers and clients write
// instances, applications and registries: JSON and XML.
//
// Readers are tolerant, since servers and clients of a dozen origins write
// slightly different documents: numbers and booleans may be strings and the
// other way round, a list of one may be the bare element, members may be null
// or missing, and unknown ones are skipped with all that is in them. What they
// do not take is a document without the expected root, and text where a number
// has to be. An instance with such a text is an error by itself; in a list it
// does not hide the others, but is there without ports, so that nobody calls
// it. Writers are strict: they produce exactly the members and types that the
// strictest known readers ask for.
//
// Neither fills in what a registration leaves out. That is the business of
// the server.
package wire
