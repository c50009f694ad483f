package exporttest

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/exporters"
)

// Notes wants an export to have lost these things, in this order, and the side file at path to
// say as many; it returns what the file says.
func Notes(t testing.TB, path string, got exporters.Notes, want []string) exporters.Notes {
	t.Helper()
	var lost []string
	for _, l := range got.Lost {
		lost = append(lost, l.What)
	}
	if diff := cmp.Diff(want, lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file exporters.Notes
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Lost) != len(lost) {
		t.Errorf("the file has %d losses, want %d", len(file.Lost), len(lost))
	}
	return file
}
