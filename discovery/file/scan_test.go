package file

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a look costs at files that have not changed.
func BenchmarkLook(b *testing.B) {
	for _, files := range []int{1, 100} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			folder := b.TempDir()
			long := time.Now().Add(-time.Hour)
			for i := range files {
				path := filepath.Join(folder, fmt.Sprintf("%d.json", i))
				if err := os.WriteFile(path, []byte(`{"orders": ["a:1"]}`), 0o600); err != nil {
					b.Fatal(err)
				}
				if err := os.Chtimes(path, long, long); err != nil {
					b.Fatal(err)
				}
			}
			s := newScanner(folder, newConfig(nil))
			s.scan(b.Context())
			b.ReportAllocs()
			for b.Loop() {
				s.scan(b.Context())
			}
		})
	}
}
