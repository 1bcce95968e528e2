package identity

import (
	"crypto/x509"
	"fmt"
)

// svidOf returns the SPIFFE ID of a leaf certificate, or the zero ID if it
// does not claim one. Whatever claims one must keep to the rules for
// X.509-SVIDs, or it is refused; nobody falls back from a bad ID to a DNS name.
//
// See https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md,
// sections 2, 3.1, 4.3 and 5.2.
func svidOf(leaf *x509.Certificate) (ID, error) {
	claims := false
	for _, uri := range leaf.URIs {
		claims = claims || uri.Scheme == "spiffe"
	}
	if !claims {
		return ID{}, nil
	}
	if n := len(leaf.URIs); n != 1 {
		return ID{}, fmt.Errorf("%d URIs in a certificate with a SPIFFE ID, which has one", n)
	}
	id, err := ParseID(leaf.URIs[0].String())
	switch {
	case err != nil:
		return ID{}, err
	case id.path == "":
		return ID{}, fmt.Errorf("%s names a trust domain and no workload", id)
	case leaf.IsCA:
		return ID{}, fmt.Errorf("%s is in the certificate of an authority", id)
	case leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return ID{}, fmt.Errorf("%s is in a certificate that may sign others", id)
	case leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return ID{}, fmt.Errorf("%s is in a certificate not meant for signatures", id)
	}
	return id, nil
}
