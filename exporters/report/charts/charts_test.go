package charts

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/exporters/report"
	"latlab/internal/ui"
)

// TestScale: places are within the frame, and from is the inverse of at; ticks are few, in
// ascending order and on the axis.
func TestScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := rapid.Bool().Draw(t, "log")
		values := rapid.SliceOfN(rapid.Float64Range(1e-6, 1e4), 0, 20).Draw(t, "values")
		s := newScale(log, values)
		for _, v := range values {
			if at := s.at(v); at < 0 || at > 1 || math.Abs(s.from(at)/v-1) > 1e-6 {
				t.Fatalf("%v lies at %v, which is %v", v, at, s.from(at))
			}
		}
		ticks := s.round(6, 1e3)
		if len(ticks) > 14 {
			t.Fatalf("%d ticks on %+v", len(ticks), s)
		}
		for i, v := range ticks {
			if at := s.at(v / 1e3); at < -1e-6 || at > 1+1e-6 || i > 0 && v <= ticks[i-1] {
				t.Fatalf("tick %v of %v lies at %v", v, ticks, at)
			}
		}
	})
}

// TestHeatOfLargeSpaces: a table with more entries than a page can show is cut, and the page says so.
func TestHeatOfLargeSpaces(t *testing.T) {
	h := report.Heat{Position: "p", Choices: make([]string, 20), Columns: make([]report.HeatColumn, 100)}
	for range h.Choices {
		h.Seconds = append(h.Seconds, make([]float64, 100))
	}
	f := report.Fit{}
	for range 30 {
		f.Heat = append(f.Heat, h)
	}
	charts, _, more := CostTable(&f)
	if len(charts) != maxCells/2000 || more != 30-len(charts) {
		t.Errorf("%d maps and %d left out", len(charts), more)
	}
	// A table of zeros and one value below zero.
	f.Heat[0].Seconds[0][0] = -1e-3
	if got := heatChart(&f.Heat[0], 0, ui.SecondsScale()).Frames[0].Marks; got[0].Class != "neg" || got[1].Class != "h0" {
		t.Errorf("classes are %s and %s", got[0].Class, got[1].Class)
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		s    scale
		want []float64
	}{
		{scale{0, 10, false}, []float64{0, 2, 4, 6, 8, 10}},
		{scale{-0.011, 0.011, false}, []float64{-0.01, -0.005, 0, 0.005, 0.01}},
		{scale{9.3, 21, true}, []float64{10, 12, 14, 16, 18, 20}},
		{scale{4, 900, true}, []float64{5, 10, 20, 50, 100, 200, 500}},
		{scale{1e-3, 1e3, true}, []float64{1e-3, 1e-2, 1e-1, 1, 10, 100, 1e3}},
	} {
		got := c.s.round(6, 1)
		if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); diff != "" {
			t.Errorf("%+v: %s", c.s, diff)
		}
	}
}

// TestKeys: a legend lists what its picture has, drawn as in the picture.
func TestKeys(t *testing.T) {
	all := []Legend{{"dot", "network"}, {"bad", "INVALID"}, {"line", "target"}, {"h1", "few"}}
	dot, box := Mark{Class: "dot"}, Mark{Class: "dot", W: 1}
	for _, c := range []struct {
		name  string
		marks []Mark
		want  string
	}{
		{"nothing", nil, "line h1"},
		{"boxes", []Mark{box, {Class: "bad", W: 1}}, "dot bad line h1"},
		{"dots", []Mark{dot, {Class: "bad"}}, "dot:circle bad:outline line h1"},
		{"all of them VALID", []Mark{dot}, "dot:circle line h1"},
	} {
		var got []string
		for _, k := range (Chart{Legend: all, Frames: []Frame{{Marks: c.marks}}}).Keys() {
			word := k.Class
			switch {
			case k.Shape() != "":
				word += ":outline"
			case k.Dot:
				word += ":circle"
			}
			got = append(got, word)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestFitting: a name that may be too wide is clipped.
func TestFitting(t *testing.T) {
	for name, want := range map[string]string{"wwwwwwwwwwwwwwwwwwwwwwww": "wwww..wwwww", "tucker_k3_25_75": "tucker_k3_25_75"} {
		if got := fitting(name, 126, 11); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
