package report

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters"
	"latlab/exporters/report/reporttest"
	"latlab/sampler"
)

func collect(t testing.TB, st bench.Reader, sweeps []bench.Sweep, costs []Cost, o Options) *Data {
	t.Helper()
	d, err := Collect(context.Background(), st, sweeps, costs, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTally(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 60, Seed: 1, InvalidEvery: 10, FailEvery: 7, PlannedEvery: 11})
	s := collect(t, st, []bench.Sweep{m}, nil, Options{}).Sweeps[0]
	got := s.Tally
	if got.NoiseCV == nil || *got.NoiseCV < 0.01 {
		t.Errorf("noise is %v, blocks differ by more than 1 %%", got.NoiseCV)
	}
	if got.HottestC == nil || *got.HottestC < 30 || *got.HottestC > 45 {
		t.Errorf("hottest is %v", got.HottestC)
	}
	for _, c := range append(slices.Clone(got.Reasons), got.Warnings...) {
		if c.Words == "" || c.Example == "" {
			t.Errorf("%+v says too little", c)
		}
	}
	codes := map[string]int{}
	for _, c := range got.Reasons {
		codes[c.Code] = c.Networks
	}
	if codes[verdict.ReasonThrottled] != 6 {
		t.Errorf("reasons are %v, want 6 networks throttled", codes)
	}
	got.NoiseCV, got.HottestC, got.Reasons, got.Warnings = nil, nil, nil, nil
	want := Tally{
		Networks: 60, Measured: 47, Unfinished: 5, Failed: 8, Valid: 41, Invalid: 6, Blocks: 141, Samples: 1410,
		Failures: []Failures{{Fault: devices.FaultModel, Reason: devices.ReasonRejected, Attempts: 8, Final: 8, Example: "the tool refuses <b>this</b> model"}},
		First:    reporttest.Began(), Last: reporttest.Began().Add(179 * time.Second),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	n := &s.Networks
	if n.Len() != 60 || len(s.Shown) != 60 {
		t.Errorf("%d networks, %d shown, want 60", n.Len(), len(s.Shown))
	}
	if n.Measured(6) || !math.IsNaN(n.Seconds[6]) || !math.IsNaN(n.HalfWidth(6)) {
		t.Error("a failed network has a latency")
	}
	if n.Valid(9) || !n.Measured(9) || len(n.BlockSeconds[9]) != 3 || len(n.Reasons[9]) == 0 {
		t.Error("an INVALID network is not there with its blocks and reasons")
	}
	if hw := n.HalfWidth(0); !(hw > 0 && hw < 1) {
		t.Errorf("half-width is %v", hw)
	}
}

func TestLeaveOutInvalid(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 20, InvalidEvery: 4})
	s := collect(t, st, []bench.Sweep{m}, nil, Options{LeaveOutInvalid: true}).Sweeps[0]
	if s.Networks.Len() != 15 || s.Tally.LeftOut != 5 || s.Tally.Invalid != 5 {
		t.Errorf("%d networks, tally %+v", s.Networks.Len(), s.Tally)
	}
	if slices.Contains(s.Networks.Verdict, verdict.Invalid) {
		t.Error("an INVALID network is in the columns")
	}
	blocks := 0
	for _, m := range s.Timeline.Moments {
		if blocks += m.Blocks; m.Invalid > 0 {
			t.Errorf("blocks of INVALID networks are in the time line: %+v", m)
		}
	}
	if blocks != 45 {
		t.Errorf("the time line has %d blocks, want 3 of each of 15 networks", blocks)
	}
}

func TestSweepsThatHoldLittle(t *testing.T) {
	for _, c := range []struct {
		name string
		spec reporttest.Spec
	}{
		{"empty", reporttest.Spec{}},
		{"listed", reporttest.Spec{Listed: true, Networks: 3}},
		{"invalid only", reporttest.Spec{Networks: 5, InvalidEvery: 1}},
		{"failed only", reporttest.Spec{Networks: 5, FailEvery: 1}},
		{"no sensor", reporttest.Spec{Networks: 5, NoSensor: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := memory.New()
			s := collect(t, st, []bench.Sweep{reporttest.Add(t, st, c.spec)}, nil, Options{}).Sweeps[0]
			if n := s.Networks.Len(); n != c.spec.Networks || len(s.Shown) != n {
				t.Errorf("%d networks, %d shown, want %d", n, len(s.Shown), c.spec.Networks)
			}
			if c.name != "no sensor" && len(s.Bands)+len(s.Front) != 0 {
				t.Errorf("budgets of networks that are not VALID or have no MACs: %v, %v", s.Bands, s.Front)
			}
			for _, m := range s.Timeline.Moments {
				if (m.MeanC == nil) != c.spec.NoSensor {
					t.Errorf("a moment's temperature is %v", m.MeanC)
				}
			}
		})
	}
}

func TestBudgets(t *testing.T) {
	nan := math.NaN()
	n := &Networks{
		Index:   []int{0, 1, 2, 3, 4, 5},
		Verdict: []verdict.Verdict{verdict.Valid, verdict.Valid, verdict.Valid, verdict.Invalid, verdict.Valid, verdict.Valid},
		Seconds: []float64{3, 1, 2, 0.1, 0.2, 4},
		MACs:    []float64{100, 20, 90, 100, nan, 95},
	}
	want := []Band{
		{LowMACs: 10, HighMACs: 20, Networks: 1, Fastest: []int{1}},
		{LowMACs: 80, HighMACs: 90, Networks: 1, Fastest: []int{2}},
		{LowMACs: 90, HighMACs: 100, Networks: 2, Fastest: []int{0, 5}},
	}
	if diff := cmp.Diff(want, bands(n)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1, 2, 0}, front(n)); diff != "" {
		t.Error(diff)
	}
}

func TestTimeline(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 1000, InvalidEvery: 50})
	s := collect(t, st, []bench.Sweep{m}, nil, Options{MaxShown: 100}).Sweeps[0]
	blocks, invalid, throttled := 0, 0, 0
	last := time.Time{}
	for _, m := range s.Timeline.Moments {
		blocks, invalid, throttled = blocks+m.Blocks, invalid+m.Invalid, throttled+m.Throttled
		if !m.Start.After(last) || m.MinRatio > m.MeanRatio || m.MeanRatio > m.MaxRatio || *m.CoolestC > *m.MeanC || *m.MeanC > *m.MaxC {
			t.Errorf("moment %+v after %v", m, last)
		}
		last = m.Start
	}
	if n := len(s.Timeline.Moments); n < maxMoments/4 || n > maxMoments || blocks != 3000 || invalid != 60 || throttled != 20*3 {
		t.Errorf("%d moments, %d blocks, %d INVALID, %d throttled", n, blocks, invalid, throttled)
	}
	if len(s.Shown) != 100 || !slices.IsSorted(s.Shown) {
		t.Errorf("%d networks shown", len(s.Shown))
	}
	notable := []int{s.Front[0], s.Front[len(s.Front)-1]}
	for _, b := range s.Bands {
		notable = append(notable, b.Fastest...)
	}
	for _, r := range notable {
		if !slices.Contains(s.Shown, r) {
			t.Errorf("row %d is on the front or the fastest at a budget, and not shown", r)
		}
	}
}

// TestSlowedDown: a clock that fell counts where the verdict says so, on that block alone.
func TestSlowedDown(t *testing.T) {
	clock := func(hz float64) devices.State {
		return devices.State{FrequenciesHz: map[string]*float64{"cpu0": new(hz), "cpu1": nil}}
	}
	r := exporters.Row{Estimate: bench.Estimate{M: &verdict.Measurement{}, Blocks: []devices.Block{
		{Before: clock(2e9), After: clock(2e9)}, {Before: clock(2e9), After: clock(1e9)}, {Before: clock(1e9), After: devices.State{ThermalStatus: new(2)}},
	}}}
	line := newTimeline(bench.Sweep{Protocol: protocol.Protocol{FrequencyLimit: 0.7}})
	if diff := cmp.Diff([]bool{false, false, true}, line.slowedDown(r)); diff != "" {
		t.Error(diff)
	}
	r.M.Reasons = []verdict.Doubt{{Code: verdict.ReasonThrottled}}
	if diff := cmp.Diff([]bool{false, true, true}, line.slowedDown(r)); diff != "" {
		t.Error(diff)
	}
}

// TestTimelineOfAClockThatJumps: every block is in it, in the order of the clock, and the resolution stays.
func TestTimelineOfAClockThatJumps(t *testing.T) {
	line := newTimeline(bench.Sweep{})
	const blocks = 900
	at := reporttest.Began()
	for i := range blocks {
		switch i {
		case 300:
			at = at.AddDate(10, 0, 0)
		case 600:
			at = at.AddDate(-56, 0, 0)
		}
		at = at.Add(time.Second)
		line.add(exporters.Row{Estimate: bench.Estimate{M: &verdict.Measurement{Seconds: 0.01}, Blocks: []devices.Block{{Started: at, Samples: []float64{0.01}}}}})
	}
	all := line.timeline().Moments
	n := 0
	for i, m := range all {
		n += m.Blocks
		if i > 0 && !m.Start.After(all[i-1].Start) {
			t.Errorf("moment %d is at %v, after one at %v", i, m.Start, all[i-1].Start)
		}
	}
	if n != blocks || len(all) < maxMoments/3 || line.width > 8*time.Second {
		t.Errorf("%d of %d blocks in %d moments of %v", n, blocks, len(all), line.width)
	}
}

// TestTimelineOfPercentiles: a block's latency is that of the sweep's rule, as the network's is.
func TestTimelineOfPercentiles(t *testing.T) {
	line := newTimeline(bench.Sweep{Protocol: protocol.Protocol{Percentile: 0.9}})
	b := devices.Block{Started: reporttest.Began()}
	for i := range 40 {
		b.Samples = append(b.Samples, float64(100+i))
	}
	line.add(exporters.Row{Estimate: bench.Estimate{M: &verdict.Measurement{Seconds: 136}, Blocks: []devices.Block{b}}})
	if m := line.timeline().Moments; len(m) != 1 || m[0].MeanRatio != 1 {
		t.Errorf("%+v", m)
	}
}

func fitted(t testing.TB, networks int) (*memory.Store, bench.Sweep, Cost) {
	t.Helper()
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: networks, Seed: 2, InvalidEvery: 20})
	s := reporttest.Tiny(t)
	return st, m, Cost{File: "cost.json", Model: reporttest.Fit(t, st, m, s), Space: s}
}

func TestFit(t *testing.T) {
	st, m, cost := fitted(t, 60)
	d := collect(t, st, []bench.Sweep{m}, []Cost{cost}, Options{})
	if len(d.Fits) != 1 || len(d.Fits[0].On) != 1 {
		t.Fatalf("fits are %+v", d.Fits)
	}
	f := d.Fits[0]
	on := f.On[0]
	if on.Training != Trained || on.Networks != 57 || on.MeanAbsolute > 0.03 {
		t.Errorf("on its own sweep: %s, %d networks, error %v", on.Training, on.Networks, on.MeanAbsolute)
	}
	all := on.Residuals[0]
	if all.Stage != "" || all.Type != sampler.Conv || all.Networks != 57 || math.Abs(all.Mean-on.Mean) > 1e-12 {
		t.Errorf("every network has one stem: %+v, mean %v", all, on.Mean)
	}
	reachable, unreachable, seen := 0, 0, 0
	for _, h := range f.Heat {
		reachable += len(h.Choices) * len(h.Columns)
		unreachable += h.Unreachable
		for _, row := range h.Seen {
			for _, n := range row {
				seen += n
			}
		}
	}
	slots, want := cost.Space.Slots()
	if reachable != want || unreachable != slots-want || seen != 57*len(cost.Space.Positions()) {
		t.Errorf("%d entries reachable, %d not, seen %d times", reachable, unreachable, seen)
	}
	for _, x := range f.Fixtures {
		if x.Why == "" || !strings.Contains(x.Why, "space") {
			t.Errorf("%s is no point of the tiny space, why is %q", x.Name, x.Why)
		}
	}
}

func TestFitOfOtherData(t *testing.T) {
	st, m, cost := fitted(t, 60)
	more := reporttest.Add(t, st, reporttest.Spec{Networks: 70, Seed: 3})
	other := reporttest.Add(t, st, reporttest.Spec{Networks: 5, Seed: 2, Device: "another"})
	listed := reporttest.Add(t, st, reporttest.Spec{Networks: 5, Seed: 2, Listed: true})
	d := collect(t, st, []bench.Sweep{m, other, more, listed}, []Cost{cost}, Options{})
	var on []int
	for _, o := range d.Fits[0].On {
		on = append(on, o.Sweep)
	}
	if diff := cmp.Diff([]int{0, 2}, on); diff != "" {
		t.Error(diff)
	}
	if got := d.Fits[0].On[1].Training; got != Unsure {
		t.Errorf("on another sweep: %s", got)
	}
	for want, m := range map[string]bench.Sweep{"device": other, "space": listed} {
		if err := Belongs(cost, m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestApart: the same device with another runtime, or with values of another rule, is not
// compared.
func TestApart(t *testing.T) {
	st, m, cost := fitted(t, 60)
	for _, c := range []struct {
		name, want string
		change     func()
	}{
		{"runtime", `its fingerprint soc is "another", the sweep's "one of the tests'"`, func() { cost.Model.Fingerprint["soc"] = "another" }},
		{"estimator", `its estimator is "median of block means v1", the sweep's "median of block medians v1"`, func() { cost.Model.Estimator = stats.MedianOfMeans }},
	} {
		t.Run(c.name, func(t *testing.T) {
			was := *cost.Model
			was.Fingerprint = map[string]string{}
			for k, v := range cost.Model.Fingerprint {
				was.Fingerprint[k] = v
			}
			c.change()
			f := collect(t, st, []bench.Sweep{m}, []Cost{cost}, Options{}).Fits[0]
			if diff := cmp.Diff([]Apart{{Why: c.want}}, f.Apart); diff != "" || len(f.On) != 0 {
				t.Errorf("%d sweeps compared, %s", len(f.On), diff)
			}
			*cost.Model = was
		})
	}
}

func TestFixturesOfASpace(t *testing.T) {
	s, err := sampler.Builtin("mobiledet_edgetpu_tucker")
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Space: s, Networks: 30})
	d := collect(t, st, []bench.Sweep{m}, []Cost{{File: "c.json", Model: reporttest.Fit(t, st, m, s), Space: s}}, Options{})
	points := 0
	for _, f := range d.Fits[0].Fixtures {
		if f.Why != "" {
			continue
		}
		points++
		sum := f.Bias
		for i, l := range f.Layers {
			sum += l.Seconds
			if i > 0 && l.Seconds > f.Layers[i-1].Seconds {
				t.Errorf("%s: layers are not sorted", f.Name)
			}
		}
		if math.Abs(sum/f.Seconds-1) > 1e-9 || len(f.Layers) != len(s.Positions()) {
			t.Errorf("%s: %d layers sum to %v of %v", f.Name, len(f.Layers), sum, f.Seconds)
		}
	}
	if points == 0 {
		t.Error("mobiledet_edgetpu is a point of its space")
	}
}
