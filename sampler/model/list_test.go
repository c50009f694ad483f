package model

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler"
)

func TestReadList(t *testing.T) {
	text := strings.Join([]string{
		`{"path": "a.tflite"}`,
		``,
		`{"path": "b/c.tflite", "features": {"depth": 3, "width": 1.5}}`,
		`{"path": "d.tflite", "feautres": {}}`,
		`{"path": ""}`,
		`{"path": 7}`,
		`{"path": "e", "features": {"depth": "3"}}`,
		`{"path": "e", "features": {"depth": 1e999}}`,
		`{"path": "e"} {"path": "f"}`,
		`["a"]`,
		`{"path": "last", "features": null}`,
	}, "\n")
	var got []Entry
	var bad []string
	for e, err := range ReadList(strings.NewReader(text), "l.jsonl") {
		var line *sampler.LineError
		switch {
		case errors.As(err, &line):
			bad = append(bad, err.Error())
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, e)
		}
	}
	want := []Entry{
		{Path: "a.tflite", Line: 1}, {Path: "b/c.tflite", Line: 3, Features: map[string]float64{"depth": 3, "width": 1.5}},
		{Path: "last", Line: 11},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	wantBad := []string{
		`l.jsonl:4: "feautres" is not known; a line has "path" and "features"`,
		`l.jsonl:5: "path" is missing`,
		`l.jsonl:6: "path" is a JSON number`,
		`l.jsonl:7: feature depth is "3", want a finite number`,
		`l.jsonl:8: feature depth is 1e999, want a finite number`,
		`l.jsonl:9: not a model in JSON: unexpected text after the object`,
		`l.jsonl:10: not a model in JSON: a line is an object, not a JSON array`,
	}
	if diff := cmp.Diff(wantBad, bad); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// FuzzReadList: whatever a file holds, an entry has a path and finite features, and an
// error names a line of it.
func FuzzReadList(f *testing.F) {
	f.Add(`{"path": "a.tflite", "features": {"x": 1}}` + "\n" + `{"path": 3}`)
	f.Add("\ufeff{\"path\":\"a\"}\r\n\n{}")
	f.Fuzz(func(t *testing.T, text string) {
		for e, err := range ReadList(strings.NewReader(text), "l") {
			var line *sampler.LineError
			if err != nil {
				if !errors.As(err, &line) || line.Line < 1 || line.Line > 1+strings.Count(text, "\n") {
					t.Fatalf("error %v names no line", err)
				}
				continue
			}
			if e.Path == "" {
				t.Fatal("an entry without a path")
			}
			for _, x := range e.Features {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					t.Fatalf("feature %v", x)
				}
			}
		}
	})
}
