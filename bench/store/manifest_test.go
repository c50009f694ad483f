package store

import (
	"path/filepath"
	"strings"
	"testing"

	"latlab/bench"
)

// FuzzManifest: no manifest that a damaged or foreign store holds crashes a reader. Errors are one
// line.
func FuzzManifest(f *testing.F) {
	path := filepath.Join(f.TempDir(), "l.db")
	s, err := Open(f.Context(), path, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	fill(f, s, "s1", 3)
	for _, text := range []string{
		"", "null", "{}", "[]", `{"device":null}`, `{"networks":-1}`, `{"protocol":{"blocks":1e9}}`, `{"id":"other"}`, `{"space_file":"space: x"}`,
		`{"device":{"threads":-1,"precisions":[1]}}`, `{"created":"yesterday"}`, "{\"id\":\"\xff\"}", `{"seed":18446744073709551616}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, manifest string) {
		if _, err := s.db.ExecContext(t.Context(), "UPDATE sweeps SET manifest = ?", manifest); err != nil {
			t.Fatal(err)
		}
		check := func(err error) {
			if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%q: error of several lines: %q", manifest, err)
			}
		}
		_, err := s.Sweeps(t.Context())
		check(err)
		m, err := s.Sweep(t.Context(), "s1")
		check(err)
		if err == nil {
			_, err = m.LoadSpace()
			check(err)
		}
		for _, err := range bench.Estimates(t.Context(), s, "s1") {
			check(err)
		}
	})
}
