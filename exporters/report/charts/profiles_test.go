package charts

import (
	"strings"
	"testing"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/exporters/report"
	"latlab/exporters/report/reporttest"
	"latlab/exporters/report/reporttest/cases"
)

// profiledData is a sweep with as many profiles.
func profiledData(t *testing.T, networks, every int) *report.Sweep {
	t.Helper()
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: networks, InvalidEvery: 5, FailEvery: 7, ProfileEvery: every, Kernel: "kernel"})
	return &cases.Collect(t, st, []bench.Sweep{m}, nil, report.Options{}).Sweeps[0]
}

// TestProfilesShown: the fastest, the median and the slowest of the networks profiled, and each once.
func TestProfilesShown(t *testing.T) {
	for _, c := range []struct {
		every, profiled int
		want            string
	}{{0, 0, ""}, {13, 1, "-"}, {6, 2, "fastest slowest"}, {2, 6, "fastest median slowest"}} {
		s := profiledData(t, 13, c.every)
		var which []string
		for i, p := range s.Profiles {
			if i > 0 && s.Networks.Seconds[p.Row] < s.Networks.Seconds[s.Profiles[i-1].Row] {
				t.Errorf("every %d: %s is before a slower network", c.every, p.Which)
			}
			if p.Which == "" {
				p.Which = "-"
			}
			which = append(which, p.Which)
		}
		if got := strings.Join(which, " "); got != c.want || s.Profiled != c.profiled {
			t.Errorf("every %d: %d profiled, shown %q, want %d and %q", c.every, s.Profiled, got, c.profiled, c.want)
		}
	}
}

// TestProfilesDrawn: a bar for each row, coloured alike in all frames, and a dot for each row with a rate that
// lies on or below the roof.
func TestProfilesDrawn(t *testing.T) {
	s := profiledData(t, 13, 2)
	along, roof := Along(s), Roofline(s)
	if len(along.Frames) != 3 || len(along.Legend) < 4 {
		t.Fatalf("%d frames, legend %v", len(along.Frames), along.Legend)
	}
	dots := 0
	for i, p := range s.Profiles {
		if n := len(along.Frames[i].Marks); n != len(p.Table.Rows) {
			t.Errorf("%d bars of %d rows", n, len(p.Table.Rows))
		}
		for k, r := range p.Table.Rows {
			m := along.Frames[i].Marks[k]
			if !strings.Contains(m.Tip, r.Type) || m.Y < 0 || m.X < 0 || m.X+m.W > 100 {
				t.Errorf("row %d: %+v", k, m)
			}
			if r.Rate != nil {
				dots++
			}
		}
	}
	if marks := roof.Frames[0].Marks; len(marks) != dots {
		t.Errorf("%d dots of %d rows with a rate", len(marks), dots)
	}
	line := roof.Frames[0].Over[0].Lines[0]
	for _, m := range roof.Frames[0].Marks {
		if m.X < 0 || m.X > 100 || m.Y < 0 || m.Y > 100 || m.Y < line[len(line)-1].Y-1e-9 {
			t.Errorf("the dot %+v is outside or above the roof %v", m, line)
		}
	}
	none := profiledData(t, 3, 0)
	if c := Roofline(none); len(c.Frames) > 0 {
		t.Error("a roofline of nothing")
	}
}
