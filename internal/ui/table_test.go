package ui

import (
	"bytes"
	"strings"
	"testing"
)

// TestFittingTable: what has no room is left out, the least important first, and so is what is empty.
func TestFittingTable(t *testing.T) {
	columns := []Column{
		{"NAME", []string{"a", "b"}, 0}, {"LONG", []string{"a long cell", ""}, 2}, {"NONE", []string{"", ""}, 9},
		{"X", []string{"1", "2"}, 1}, {"Y", []string{"3", "4"}, 3},
	}
	for width, want := range map[int]string{
		80: "NAME LONG X Y", 23: "NAME LONG X Y", 22: "NAME LONG Y", 19: "NAME X Y", 8: "NAME Y", 3: "NAME",
	} {
		var b bytes.Buffer
		if err := FittingTable(&b, width, columns); err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(b.String(), "\n")
		if got := strings.Join(strings.Fields(head), " "); got != want {
			t.Errorf("%d columns show %q, want %q", width, got, want)
		}
	}
}
