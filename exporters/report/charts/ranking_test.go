package charts

import (
	"math"
	"strings"
	"testing"

	"latlab/bench/verdict"
	"latlab/exporters/report"
	"latlab/internal/ui"
)

// TestRankedFrame: the fastest is at the top, an overlapping interval is marked, a network without a
// latency has no row.
func TestRankedFrame(t *testing.T) {
	nan := math.NaN()
	d := &report.Data{Sweeps: []report.Sweep{{Networks: report.Networks{
		Index: []int{0, 1, 2, 3}, Name: []string{"slow", "fast", "planned", "close"}, ID: make([]string, 4),
		Verdict: []verdict.Verdict{verdict.Valid, verdict.Valid, "", verdict.Invalid},
		Seconds: []float64{0.03, 0.01, nan, 0.0101}, Low: []float64{0.029, 0.0099, nan, 0.0098}, High: []float64{0.031, 0.0101, nan, 0.0104},
	}}}}
	f := rankedFrame(d, 0, newScale(true, []float64{0.01, 0.03}), ui.SecondsScale(0.01, 0.03))
	var names []string
	for i, tick := range f.Y.Ticks {
		names = append(names, tick.Text)
		if i > 0 && (tick.At <= f.Y.Ticks[i-1].At || f.Marks[i].X < f.Marks[i-1].X) {
			t.Errorf("row %d is at %v, its dot at %v", i, tick.At, f.Marks[i].X)
		}
	}
	if len(names) != 3 || names[0] != "fast" || names[1] != "≈ close" || names[2] != "slow" {
		t.Errorf("rows %q", names)
	}
	if f.Marks[1].Class != "bad" || f.Marks[1].Tip != "close: 10.10 ms, 1.01 times the fastest" || len(f.Paths[0].Lines) != 3 {
		t.Errorf("%+v", f)
	}
	if !isRanked(&d.Sweeps[0]) || isRanked(&report.Sweep{}) {
		t.Error("few networks are ranked, none are not")
	}
}

// TestRankingAxes: sweeps share an axis unless one would leave the other a corner of it, and names of files that differ
// in their middle stay apart.
func TestRankingAxes(t *testing.T) {
	sweep := func(seconds float64) report.Sweep {
		return report.Sweep{Networks: report.Networks{
			Index: []int{0, 1}, Name: []string{"own/mobilenet_v3_large_ssdlite-int8.tflite", "own/mobilenet_v3_small_ssdlite-int8.tflite"}, ID: make([]string, 2),
			Verdict: []verdict.Verdict{verdict.Valid, verdict.Valid}, Seconds: []float64{seconds, 2 * seconds}, Low: []float64{seconds, 2 * seconds}, High: []float64{seconds, 2 * seconds},
		}}
	}
	for factor, shared := range map[float64]bool{2: true, 50: false} {
		d := &report.Data{Sweeps: []report.Sweep{sweep(0.01), sweep(0.01 * factor)}}
		x := newScale(true, d.Sweeps[0].Networks.Seconds, d.Sweeps[1].Networks.Seconds)
		c := ranking(d, []int{0, 1}, x, ui.SecondsScale(0.01), "SIMULATED")
		same := c.Frames[0].X.Ticks[0] == c.Frames[1].X.Ticks[0]
		if same != shared || strings.Contains(c.Note, "share one axis") != shared || c.Frames[0].X.Label == "" {
			t.Errorf("%v times as slow: shared %v, %q", factor, same, c.Note)
		}
		if names := c.Frames[0].Y.Ticks; names[0].Text == names[1].Text || names[0].Full != "mobilenet_v3_large_ssdlite" || !c.Named() {
			t.Errorf("names %+v", names)
		}
	}
}
