package wire

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func FuzzElements(f *testing.F) {
	for _, seed := range []string{`[]`, ` [ ] `, `[1]`, `[1 , "a,]\"\\",[2,3],{"b":[4]} ]`, `{}`, `{"a":1, "b,":{"c":[5,6]}}`, `null`, `"[1,2]"`, `3`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		got := slices.Collect(Elements(data))
		var list []json.RawMessage
		if json.Unmarshal(data, &list) == nil {
			assert.Len(t, got, len(list))
			for i := range list {
				assert.Equal(t, string(list[i]), string(got[i]))
			}
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(data, &members) == nil {
			assert.GreaterOrEqual(t, len(got), len(members), "one may be there twice")
		}
		for range Elements(data) {
			break
		}
	})
}
