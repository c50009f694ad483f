package devices_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"latlab/devices"
)

// What a tool or an estimator may answer, beside the agent (TestImpossibleAnswersAreGarbage there).
func TestPossible(t *testing.T) {
	plan := devices.Plan{MinRuns: 2, MaxRuns: 4, Timeout: time.Minute, MinUndisturbed: 3, LimitSeconds: 0.05}
	for name, tt := range map[string]struct {
		change func(i *devices.Info, b *devices.Block)
		want   string // empty: possible
	}{
		"a tool that computed its times": {func(*devices.Info, *devices.Block) {}, ""},
		"an estimate of a slow network": {func(i *devices.Info, b *devices.Block) {
			i.Kind, i.Deterministic, b.Samples = devices.Estimated, true, []float64{1000}
		}, ""},
		"an agent's clock and ours": {func(i *devices.Info, b *devices.Block) {
			i.Harness, b.Elapsed, b.Delegation = devices.AgentHarness, 0.0199, devices.Delegation{Name: "npu", Nodes: 1}
		}, ""},
		"a library with threads of its own": {func(_ *devices.Info, b *devices.Block) {
			b.CPUSamples, b.CPUs = []float64{.06, .06}, []int{0, 1, 2, 3, 4, 5}
		}, ""},
		"seconds for years":   {func(_ *devices.Info, b *devices.Block) { b.Samples[0] = 1e300 }, "1e+300"},
		"infinite":            {func(_ *devices.Info, b *devices.Block) { b.Samples[0] = math.Inf(1) }, "+Inf"},
		"no number":           {func(_ *devices.Info, b *devices.Block) { b.Samples[0] = math.NaN() }, "NaN"},
		"an infinite mean":    {func(_ *devices.Info, b *devices.Block) { b.Summary = &devices.Summary{Count: 2, Mean: math.Inf(1)} }, "+Inf"},
		"a mean over nothing": {func(_ *devices.Info, b *devices.Block) { b.Summary = &devices.Summary{Mean: 1} }, "over 0 invokes"},
		"a mean of an hour":   {func(_ *devices.Info, b *devices.Block) { b.Summary = &devices.Summary{Count: 2, Mean: 3600} }, "sum to 7200 s, and the block's timeout is 60 s"},
		"a negative median": {func(_ *devices.Info, b *devices.Block) {
			b.Summary = &devices.Summary{Count: 2, Mean: 1, Median: new(-1.0)}
		}, "-1 s"},
		"a counter":        {func(_ *devices.Info, b *devices.Block) { b.Counters = map[string]float64{"fill_bytes": math.NaN()} }, "fill_bytes"},
		"a layer":          {func(_ *devices.Info, b *devices.Block) { b.Layers = []devices.Layer{{Name: "l", Seconds: math.Inf(1)}} }, `"l"`},
		"bounds":           {func(_ *devices.Info, b *devices.Block) { b.Bounds = &devices.Bounds{Low: 2, High: 1} }, "bounds"},
		"a delegate":       {func(_ *devices.Info, b *devices.Block) { b.Delegation.Name = "cpu" }, `"cpu" ran, not "npu"`},
		"nodes":            {func(_ *devices.Info, b *devices.Block) { b.Delegation.Nodes = -1 }, "-1 nodes"},
		"too many samples": {func(_ *devices.Info, b *devices.Block) { b.Samples = []float64{.02, .02, .02, .01, .01} }, "at most 4"},
		"more samples, until some are undisturbed": {func(_ *devices.Info, b *devices.Block) {
			b.Samples = []float64{.01, .01, .01, .01, .02}
		}, ""},
		"more samples of two threads": {func(i *devices.Info, b *devices.Block) {
			i.Threads, b.Samples = 2, []float64{.01, .01, .01, .01, .01}
		}, "at most 4"},
		"a clock that stands":   {func(_ *devices.Info, b *devices.Block) { b.Clock = []devices.Clock{{Hz: 0}} }, "0 Hz"},
		"a clock after the end": {func(_ *devices.Info, b *devices.Block) { b.Clock = []devices.Clock{{Hz: 1e9, Samples: 3}} }, "sample 3 of 2"},
	} {
		t.Run(name, func(t *testing.T) {
			i := devices.Info{Kind: devices.Measured, Harness: "tool", Delegate: "npu", Threads: 1}
			b := &devices.Block{Samples: []float64{.01, .01}, Elapsed: 1e-4}
			tt.change(&i, b)
			err := devices.Garbage("time it", i, plan, b)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestPossibleProfile(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(p *devices.Profile)
		want   string // empty: possible
	}{
		"a usual one":             {func(*devices.Profile) {}, ""},
		"an inference unknown":    {func(p *devices.Profile) { p.WholeSeconds = nil }, ""},
		"no rows":                 {func(p *devices.Profile) { p.Layers = nil }, "0 rows"},
		"no inference":            {func(p *devices.Profile) { p.Runs = 0 }, "0 inferences"},
		"steps of no number":      {func(p *devices.Profile) { p.ResolutionSeconds = math.NaN() }, "NaN"},
		"a negative row":          {func(p *devices.Profile) { p.Layers[0].Seconds = -1 }, `"a" takes -1 s`},
		"a row of NaN":            {func(p *devices.Profile) { p.Layers[1].Seconds = math.NaN() }, `"b" takes NaN s`},
		"a row for years":         {func(p *devices.Profile) { p.Layers[1].Seconds = 1e300 }, `"b" takes 1e+300 s`},
		"no row takes time":       {func(p *devices.Profile) { p.Layers[0].Seconds, p.Layers[1].Seconds = 0, 0 }, "of all rows are 0"},
		"rows twice the whole":    {func(p *devices.Profile) { p.Layers[1].Seconds = .015 }, "its rows sum to 0.02 s"},
		"a negative operator":     {func(p *devices.Profile) { p.Layers[1].Nodes = []int{0, -1} }, "operators [0 -1]"},
		"an inference in no time": {func(p *devices.Profile) { *p.WholeSeconds = 0 }, "takes 0 s"},
		"a plain one for ever":    {func(p *devices.Profile) { p.PlainSeconds = new(math.Inf(1)) }, "takes +Inf s"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &devices.Profile{
				Layers: []devices.Layer{{Name: "a", Op: "ADD", Seconds: .005, Nodes: []int{0}}, {Name: "b", Op: "MUL", Seconds: .0049}},
				Runs:   3, WholeSeconds: new(.01),
			}
			tt.change(p)
			err := devices.GarbageProfile("profile it", devices.Info{Harness: "tool"}, p)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
