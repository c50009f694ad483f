package ui

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/devices"
)

// TestProgressLinesAreDocumented: docs/measuring.md has every field of a line of progress, and
// none that is not there.
func TestProgressLinesAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "measuring.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Progress\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("the page has no section on progress")
	}
	var out bytes.Buffer
	p := &lineProgress{w: &out, kind: devices.Simulated, device: "sim-pixel1-cpu"}
	p.update(bench.Progress{Networks: 40})
	want := fieldsOf(t, out.String())

	var documented []string
	name := regexp.MustCompile("`([a-z_]+)`")
	for line := range strings.Lines(section) {
		if cell, isRow := strings.CutPrefix(line, "| `"); isRow {
			cell, _, _ = strings.Cut(cell, " |")
			for _, m := range name.FindAllStringSubmatch("`"+cell, -1) {
				documented = append(documented, m[1])
			}
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("the table's fields (+) are not those of a line (-):\n%s", diff)
	}
	_, example, _ := strings.Cut(section, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	one := slices.DeleteFunc(want, func(f string) bool { return f == "device" })
	if diff := cmp.Diff(one, fieldsOf(t, example)); diff != "" {
		t.Errorf("the example's fields (+) are not those of a single device's line (-):\n%s", diff)
	}
}

// fieldsOf are the sorted names of a JSON object's fields.
func fieldsOf(t *testing.T, text string) []string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return slices.Sorted(maps.Keys(v))
}
