package eurekaserver

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// errTooLarge says that a body is larger than allowed once it is unpacked.
var errTooLarge = errors.New("eurekaserver: body too large")

// errCoding says that a body is packed in a way that is not known here.
var errCoding = errors.New("eurekaserver: unknown content coding")

// readBody returns the body of a request, unpacked and in UTF-8, of no more
// than limit bytes, with the status to answer with if there is an error.
func readBody(w http.ResponseWriter, r *http.Request, latin1 bool, limit int64) ([]byte, int) {
	// Whoever dawdles is cut off. Writers that cannot do it belong to someone
	// who wraps them: then what the http.Server allows has to be enough.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	limited := http.MaxBytesReader(w, r.Body, limit)
	data, err := unpack(limited, r.Header.Get("Content-Encoding"), limit)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, http.StatusRequestTimeout // and so is what follows on the connection
		}
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errTooLarge) {
			return nil, http.StatusRequestEntityTooLarge
		}
		if errors.Is(err, errCoding) {
			return nil, http.StatusUnsupportedMediaType
		}
		return nil, http.StatusBadRequest
	}
	_ = control.SetReadDeadline(time.Time{})
	if latin1 {
		data = fromLatin1(data)
	}
	return data, http.StatusOK
}

func unpack(body io.Reader, coding string, limit int64) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "", "identity":
		return io.ReadAll(body)
	case "gzip", "x-gzip":
	default:
		return nil, errCoding
	}
	z, err := gzip.NewReader(body)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	return data, nil
}

func fromLatin1(data []byte) []byte {
	runes := make([]rune, len(data))
	for i, b := range data {
		runes[i] = rune(b)
	}
	return []byte(string(runes))
}

// parseError is what clients get for a body that makes no sense.
func parseError(f wire.Format) []byte {
	if f.IsXML() {
		return []byte(`<error><message>cannot parse request body</message></error>`)
	}
	return []byte(`{"error": "cannot parse request body"}`)
}
