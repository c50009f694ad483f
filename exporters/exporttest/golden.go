package exporttest

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Golden wants a text to be what a file holds, or writes it there: what a test's -update asks for.
func Golden(t testing.TB, file, got string, update bool) {
	t.Helper()
	if update {
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); -update writes it:\n%s", file, diff)
	}
}
