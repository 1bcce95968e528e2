// Package identity makes TLS configs for clients and servers that know each
// other by certificate: who is called, and who calls. Certificates and the
// authorities that are believed may change while the program runs, without a
// dropped call.
//
//	source := identity.NewFiles(identity.FilesConfig{Cert: "tls.crt", Key: "tls.key", Roots: "ca.crt"})
//
//	cfg, err := identity.Client(source, identity.SPIFFE("spiffe://example.org/orders"))
//	t := transport.New(registry, transport.ForService("orders", transport.WithTLS(cfg)))
//
//	cfg, err := identity.Server(source, identity.TrustDomain("example.org"))
//	server := &http.Server{TLSConfig: cfg, Handler: handler}
//
// The host of a URL says which service is meant, the registry where its copies
// are. Neither proves who answers there: addresses are given to other programs
// before registries hear of it. The certificate does, and a client that gets
// the wrong one has sent nothing yet, so that a call of any method can go on to
// another copy.
//
// # What is checked, and what for
//
// All of it is checked by both sides, for every connection, by VerifyConnection
// in the config:
//
//	the chain of signatures, up to the   a certificate that anybody made
//	source's roots of today
//	the system's roots never step in     one that some public authority made
//	a SPIFFE ID against the roots of     another trust domain's authority, in a
//	its own trust domain                 federation, that makes IDs in ours
//	the times of all certificates        a stolen key, once its time is over
//	the extended key usage: server       a caller's certificate that poses as a
//	or client                            server, and the other way around
//	the ID or the name: [Allow]          another service, sound in itself: an
//	                                     address that was given away, a caller
//	                                     that has no business here
//	one URI, if it is a SPIFFE ID; not   an identity that two programs read
//	an authority's; it may not sign      differently; one that makes others
//	certificates, but must sign TLS's
//	the characters of a SPIFFE ID        two ways to write one ID: /a/../b, %61
//	no DNS names beside a SPIFFE ID      a workload that takes a name that its
//	                                     trust domain does not own
//	resumed sessions too, which are      somebody who was allowed yesterday
//	off by default
//	nothing that is missing passes: no   a mistake in a deployment that makes
//	roots, no Allow, no certificate      everybody welcome
//	TLS 1.2 or later, 1.3 if both can    what is broken in older versions
//
// What is not checked: whether a certificate was revoked. Short lives take the
// place of that, and rotation makes them bearable.
//
// # Who is allowed
//
// [SPIFFE] lists IDs, [TrustDomain] allows a domain whole, [DNS] lists names,
// [Called] asks for the name in the URL, as HTTPS does, [Func] asks a function of
// yours, and [AnyOf] takes what one of several allows. A certificate has one kind
// of identity: with a SPIFFE ID its DNS names count for nothing.
//
// Give each service that is called a config of its own, with ForService in
// package transport. One list for all of them would let each pose as any other.
//
// On the server, [From] tells a handler who calls. It reads the certificate, and
// relies on the server's config for having verified it.
//
// # Rotation
//
// A [Source] is asked at each handshake, so that a new certificate, and new
// roots, count from the next connection on. [Files] reads files again when they
// change; a file that cannot be used never takes the place of one that can.
// Connections that are open stay as they are: bound their life with the MaxAge of
// transport.PoolConfig, well below the time that certificates overlap, or close
// the idle ones when FilesConfig.OnReload says that something changed. To replace
// an authority, first add the new one to the roots of everybody, then issue from
// it, and take the old one away last.
//
// Sessions are not resumed, although it would make handshakes cheaper, because a
// resumed session shows no certificate: the peer goes on with the one it saw
// first.
//
// # Client certificates in TLS 1.3
//
// With TLS 1.3, a client's handshake is over before the server has looked at the
// client's certificate. If the server refuses it, or there is none, the client
// learns that only when it reads the response to its first request: as "remote
// error: tls: bad certificate" or "certificate required", and sometimes as a
// broken connection, although the server has processed nothing. Opening a
// connection therefore does not show whether a caller is welcome. Health checks
// must send a request. This is also why an own certificate that has expired is not
// shown at all: the handshake fails here, with an error that says so. The server's
// ErrorLog has the reason for each refusal.
//
// # Errors
//
// A refusal is an [*Error] within a *tls.CertificateVerificationError. It says who
// was expected and who came, and never shows keys. It matches [ErrNotAllowed] if
// the certificate is sound, and whose it is is not allowed.
package identity
