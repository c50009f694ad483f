package report

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/exporters/report/reporttest"
)

// FuzzNames: whatever devices and networks are called, the page has its own two scripts and
// no other, no style or image of theirs, and its data can be read.
func FuzzNames(f *testing.F) {
	for i := range 11 {
		f.Add(hostile(i), hostile(10-i))
	}
	f.Add(`\u003c/script>`, "\xff\xfe")
	f.Fuzz(func(t *testing.T, device, network string) {
		st := memory.New()
		m := reporttest.Add(t, st, reporttest.Spec{Networks: 2, Device: device, Listed: true, Name: func(int) string { return network }})
		var b bytes.Buffer
		if err := HTML(&b, collect(t, st, []bench.Sweep{m}, nil, Options{}), PageOptions{Store: network}); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		for tag, want := range map[string]int{"<script": 2, "</script": 2, "<style": 1, "</style": 1, "<img": 0, "<!--": 0, "<iframe": 0} {
			if n := strings.Count(strings.ToLower(page), tag); n != want {
				t.Errorf("%d times %s, want %d", n, tag, want)
			}
		}
		_, data, _ := strings.Cut(page, `id="data">`)
		data, _, _ = strings.Cut(data, "</script>")
		var read struct {
			SchemaVersion int `json:"schema_version"`
			Sweeps        []struct {
				Label   []string   `json:"label"`
				Seconds []*float64 `json:"latency_seconds"`
			} `json:"sweeps"`
		}
		if err := json.Unmarshal([]byte(data), &read); err != nil {
			t.Fatal(err)
		}
		want := string([]rune(network)) // a byte that is no text is one replacement each
		if read.SchemaVersion != 1 || len(read.Sweeps) != 1 || len(read.Sweeps[0].Seconds) != 2 || read.Sweeps[0].Label[0] != want {
			t.Errorf("data are %+v, want label %q", read, want)
		}
	})
}

// TestScale: places are within the frame, and from is the inverse of at; ticks are few, rise
// and lie on the axis.
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

// TestHeatOfLargeSpaces: a space with more entries than a page can hold is cut, and said to be.
func TestHeatOfLargeSpaces(t *testing.T) {
	h := Heat{Position: "p", Choices: make([]string, 20), Columns: make([]HeatColumn, 100)}
	for range h.Choices {
		h.Seconds = append(h.Seconds, make([]float64, 100))
	}
	f := Fit{}
	for range 30 {
		f.Heat = append(f.Heat, h)
	}
	charts, _, more := heatCharts(&f)
	if len(charts) != maxCells/2000 || more != 30-len(charts) {
		t.Errorf("%d maps and %d left out", len(charts), more)
	}
	// A table of nothing but 0 and one below it.
	f.Heat[0].Seconds[0][0] = -1e-3
	if got := heatChart(&f.Heat[0], 0).Frames[0].Marks; got[0].Class != "neg" || got[1].Class != "h0" {
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

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{millis(0.0123456), "12.35"}, {millis(0.0054), "5.400"}, {millis(0.0099999), "10.00"}, {millis(12.3456), "12350"}, {millis(0), "0"}, {duration(7.4876e-7), "0.7488 µs"}, {duration(0.0019), "1.900 ms"}, {plainPercent(0.95), "95 %"}, {percent(41.714), "4,171 %"}, {millis(math.NaN()), "–"}, {percent(0.0149), "1.5 %"}, {signed(-0.0001), "0.0 %"},
		{signed(0.021), "+2.1 %"}, {percent(math.Inf(1)), "–"}, {thousands(1234567), "1,234,567"}, {thousands(-999), "-999"},
		{millions(4.62e9), "4620"}, {figure(nil, percent), NotComputed}, {count(1, "block"), "1 block"},
		{quoted("lab.db"), "lab.db"}, {quoted(""), "''"}, {quoted("my lab.db"), "'my lab.db'"}, {quoted("it's"), `'it'\''s'`},
		{quoted("$(rm x)"), "'$(rm x)'"}, {clipped("mobiledet", 5), "mobi…"}, {fitting("wwwwwwwwwwwwwwwwwwwwwwww", 126, 11), "wwwwwwwwww…"},
		{fitting("tucker_k3_25_75", 126, 11), "tucker_k3_25_75"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// TestKeys: a legend names what its picture has, drawn as the picture draws it.
func TestKeys(t *testing.T) {
	all := []legend{{"dot", "network"}, {"bad", "INVALID"}, {"line", "target"}, {"h1", "few"}}
	dot, box := mark{Class: "dot"}, mark{Class: "dot", W: "1"}
	for _, c := range []struct {
		name  string
		marks []mark
		want  string
	}{
		{"nothing", nil, "line h1"},
		{"boxes", []mark{box, {Class: "bad", W: "1"}}, "dot bad line h1"},
		{"dots", []mark{dot, {Class: "bad"}}, "dot:circle bad:outline line h1"},
		{"all of them VALID", []mark{dot}, "dot:circle line h1"},
	} {
		var got []string
		for _, k := range (chart{Legend: all, Frames: []frame{{Marks: c.marks}}}).keys() {
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
