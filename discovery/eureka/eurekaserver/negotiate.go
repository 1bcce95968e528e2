package eurekaserver

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// accepted returns the format to answer in: JSON if the client mentions it
// anywhere, whatever the weights, and XML if it does not mind.
func accepted(h http.Header) (f wire.Format, ok bool) {
	accept := strings.ToLower(strings.Join(h.Values("Accept"), ","))
	if strings.TrimSpace(accept) == "" {
		return wire.XML, true
	}
	if strings.Contains(accept, "json") {
		return wire.JSON, true
	}
	for element := range strings.SplitSeq(accept, ",") {
		media, _, _ := strings.Cut(element, ";")
		switch strings.TrimSpace(media) {
		case "application/xml", "text/xml", "application/*", "*/*":
			return wire.XML, true
		}
	}
	return 0, false
}

// acceptedList is accepted for lists, which clients may ask for in reduced
// form.
func acceptedList(h http.Header) (f wire.Format, ok bool) {
	f, ok = accepted(h)
	if strings.EqualFold(h.Get("X-Eureka-Accept"), "compact") {
		f = f.Compact()
	}
	return f, ok
}

func contentType(f wire.Format) string {
	if f.IsXML() {
		return "application/xml"
	}
	return "application/json"
}

// acceptsGzip reports whether the client takes gzip.
func acceptsGzip(h http.Header) bool {
	for element := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		coding, params, _ := strings.Cut(element, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q=")
		if !ok {
			return true
		}
		q, err := strconv.ParseFloat(weight, 64)
		return err == nil && q > 0
	}
	return false
}

// sent returns the format of a request's body, and whether it is in Latin-1.
func sent(h http.Header) (f wire.Format, latin1, ok bool) {
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return 0, false, false
	}
	switch media {
	case "application/json":
		f = wire.JSON
	case "application/xml", "text/xml":
		f = wire.XML
	default:
		return 0, false, false
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "us-ascii":
		return f, false, true
	case "iso-8859-1":
		return f, true, true
	}
	return 0, false, false
}
