package file

import (
	"bytes"
	"fmt"
	"testing"
)

// A file of 10,000 copies, as a program writes it.
func BenchmarkParse(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(`{"orders": [`)
	for i := range 10_000 {
		if i > 0 {
			text.WriteString(",\n")
		}
		fmt.Fprintf(&text, `{"addr": "10.0.%d.%d:8080", "id": "orders-%d", "zone": "eu-1a", "weight": 2, "metadata": {"version": "1.4"}}`, i/250, i%250, i)
	}
	text.WriteString(`]}`)
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseJSON("a.json", text.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
