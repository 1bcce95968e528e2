package serve_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/transport/serve"
)

// TestSteps shows when a copy is ready; here is what is answered if not.
func TestHealthOfNothing(t *testing.T) {
	var health serve.Health
	for _, test := range []struct {
		handler http.Handler
		status  int
		text    string
	}{
		{health.Live(), http.StatusOK, "alive\n"},
		{health.Ready(), http.StatusServiceUnavailable, "not ready\n"},
	} {
		w := httptest.NewRecorder()
		test.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		assert.Equal(t, test.status, w.Code)
		assert.Equal(t, test.text, w.Body.String())
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
}
