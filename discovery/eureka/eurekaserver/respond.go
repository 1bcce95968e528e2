package eurekaserver

import (
	"net/http"
	"strconv"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// empty answers with a status and nothing else. Clients in Java that find text
// in the answer to a heartbeat take the server for broken and never register
// again, so every answer that is not a document goes out this way.
func empty(w http.ResponseWriter, status int) {
	if status != http.StatusNoContent && status != http.StatusNotModified {
		w.Header().Set("Content-Length", "0")
	}
	w.WriteHeader(status)
}

// respond answers with a body, and nobody to tell if the client has gone.
func respond(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// respondDocument answers with a document that is encoded once for all.
func respondDocument(w http.ResponseWriter, r *http.Request, doc *document) {
	f, ok := acceptedList(r.Header)
	if !ok {
		empty(w, http.StatusNotAcceptable)
		return
	}
	zipped := acceptsGzip(r.Header)
	body, err := doc.bytes(f, zipped)
	if err != nil {
		empty(w, http.StatusInternalServerError)
		return
	}
	vary(w, zipped)
	respond(w, http.StatusOK, contentType(f), body)
}

// respondWith answers with what marshal writes in the format that negotiate
// finds.
func respondWith(w http.ResponseWriter, r *http.Request, negotiate func(http.Header) (wire.Format, bool), marshal func(wire.Format) ([]byte, error)) {
	f, ok := negotiate(r.Header)
	if !ok {
		empty(w, http.StatusNotAcceptable)
		return
	}
	body, err := marshal(f)
	if err != nil {
		empty(w, http.StatusInternalServerError)
		return
	}
	zipped := acceptsGzip(r.Header)
	if zipped {
		body = compress(body)
	}
	vary(w, zipped)
	respond(w, http.StatusOK, contentType(f), body)
}

func vary(w http.ResponseWriter, zipped bool) {
	w.Header().Add("Vary", "Accept, Accept-Encoding, X-Eureka-Accept")
	if zipped {
		w.Header().Set("Content-Encoding", "gzip")
	}
}
