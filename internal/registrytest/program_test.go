package registrytest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNewest(t *testing.T) {
	assert.Equal(t, "/bin/a-v1.13.9", newest([]string{"/bin/a-v1.9.17", "/bin/a-v1.13.9", "/bin/a-v1.13.2"}))
	assert.Equal(t, "/bin/a-v/a-v10.0.0", newest([]string{"/bin/a-v/a-v10.0.0", "/bin/a-v/a-v9.1.0"}))
}
