package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"latlab/bench"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters"
)

const defaultShown = 1000

// Collect reads sweeps and compares cost models with them. Sweeps are read row by row; what
// stays in memory is about 1 kB a network, however many samples it has. A cost model belongs
// to the sweeps of its device, kind, precision and space; one that belongs to none is shown
// alone.
func Collect(ctx context.Context, st bench.Reader, sweeps []bench.Sweep, costs []Cost, o Options) (*Data, error) {
	if o.MaxShown == 0 {
		o.MaxShown = defaultShown
	}
	d := &Data{Made: o.Now}
	for _, m := range sweeps {
		s, err := collectSweep(ctx, st, m, o)
		if err != nil {
			return nil, fmt.Errorf("sweep %s: %w", m.ID, err)
		}
		d.Sweeps = append(d.Sweeps, s)
	}
	var err error
	if d.Runs, err = collectRuns(ctx, st, d.Sweeps); err != nil {
		return nil, fmt.Errorf("compare runs: %w", err)
	}
	for _, c := range costs {
		f, err := collectFit(c, d.Sweeps)
		if err != nil {
			return nil, fmt.Errorf("cost model %s: %w", c.File, err)
		}
		d.Fits = append(d.Fits, f)
	}
	for i := range d.Sweeps {
		d.Sweeps[i].Shown = d.shown(i, o.MaxShown)
	}
	return d, nil
}

// Belongs is nil if a cost model has a sweep's device, kind, precision and space, otherwise
// an error that says what differs. If runtime, settings or estimator differ, the model still
// belongs to the sweep but is not compared: Fit.Apart.
func Belongs(c Cost, m bench.Sweep) error {
	for _, f := range []struct{ what, cost, sweep string }{
		{"kind", string(c.Model.Kind), string(m.Device.Kind)},
		{"device", c.Model.Device, m.Device.Name},
		{"space", c.Model.Space, m.Space},
		{"precision", string(c.Model.Precision), string(m.Precision)},
	} {
		if f.cost != f.sweep {
			return fmt.Errorf("its %s is %q, that of sweep %s is %q", f.what, f.cost, m.ID, f.sweep)
		}
	}
	return nil
}

func collectSweep(ctx context.Context, st bench.Reader, m bench.Sweep, o Options) (Sweep, error) {
	c := &collector{
		sweep: Sweep{Manifest: m}, options: o, line: newTimeline(m), counts: bench.NewTally(),
		reasons: map[string]*Count{}, warnings: map[string]*Count{},
	}
	for row, err := range exporters.Rows(ctx, st, m) {
		if err != nil {
			return Sweep{}, err
		}
		c.add(row)
	}
	failures, err := countFailures(ctx, st, m.ID)
	if err != nil {
		return Sweep{}, err
	}
	s := c.sweep
	if s.Refused, err = bench.RefusedOf(ctx, st, m.ID); err != nil {
		return Sweep{}, err
	}
	s.Tally.Failures = failures
	s.Tally.DisturbedBlocks, s.Tally.UndisturbedShare, s.Tally.Clock = c.counts.DisturbedBlocks, c.counts.UndisturbedShare, c.counts.Clock
	s.Tally.Levels = c.counts.Levels
	s.Tally.Reasons, s.Tally.Warnings = sortCounts(c.reasons), sortCounts(c.warnings)
	s.Timeline = c.line.timeline()
	s.Bands, s.Front = bands(&s.Networks), front(&s.Networks)
	return s, s.collectProfiles(ctx, st)
}

type collector struct {
	sweep             Sweep
	options           Options
	line              *timeline
	counts            bench.Tally
	reasons, warnings map[string]*Count
}

func (c *collector) add(r exporters.Row) {
	c.tally(r)
	if c.options.LeaveOutInvalid && r.M != nil && r.M.Verdict == verdict.Invalid {
		c.sweep.Tally.LeftOut++
		return
	}
	c.line.add(r)
	n := &c.sweep.Networks
	n.Index = append(n.Index, r.Network.Index)
	n.Name = append(n.Name, r.Network.Name)
	n.Indices = append(n.Indices, r.Network.Indices)
	n.ID = append(n.ID, r.ID)
	n.Status = append(n.Status, r.Network.Status)
	n.MACs = append(n.MACs, exporters.OrNaN(r.MACs))
	m := r.M
	if m == nil {
		m = &verdict.Measurement{Seconds: math.NaN()}
	}
	n.Verdict = append(n.Verdict, m.Verdict)
	n.Seconds = append(n.Seconds, m.Seconds)
	n.Low, n.High = append(n.Low, exporters.OrNaN(m.Low)), append(n.High, exporters.OrNaN(m.High))
	n.HottestC = append(n.HottestC, exporters.OrNaN(m.TemperatureC))
	n.Samples = append(n.Samples, m.Samples)
	n.BlockSeconds = append(n.BlockSeconds, m.BlockSeconds)
	n.Reasons, n.Warnings = append(n.Reasons, m.Reasons), append(n.Warnings, m.Warnings)
}

func (c *collector) tally(r exporters.Row) {
	t := &c.sweep.Tally
	c.counts.Add(r.Estimate)
	t.Networks++
	t.Blocks += len(r.Blocks)
	for i := range r.Blocks {
		start := r.Blocks[i].Started
		if t.First.IsZero() || start.Before(t.First) {
			t.First = start
		}
		if start.After(t.Last) {
			t.Last = start
		}
	}
	if r.M != nil {
		t.Samples += r.M.Samples
		t.NoiseCV = r.M.NoiseCV
		if r.M.Verdict != verdict.Invalid { // see bench.Estimator
			c.sweep.Estimator = r.M.Estimator
		}
		t.HottestC = exporters.Higher(t.HottestC, r.M.TemperatureC)
	}
	switch {
	case r.Network.Status == bench.Failed:
		t.Failed++
	case r.M == nil || r.Network.Status != bench.Measured:
		t.Unfinished++
	default:
		t.Measured++
		c.judged(r.M)
	}
}

func (c *collector) judged(m *verdict.Measurement) {
	switch m.Verdict {
	case verdict.Invalid:
		c.sweep.Tally.Invalid++
		countDoubts(c.reasons, m.Reasons)
	case verdict.Imprecise:
		c.sweep.Tally.Imprecise++
	default:
		c.sweep.Tally.Valid++
	}
	countDoubts(c.warnings, m.Warnings)
}

// countDoubts counts a code once per network.
func countDoubts(counts map[string]*Count, doubts []verdict.Doubt) {
	seen := map[string]bool{}
	for _, d := range doubts {
		if seen[d.Code] {
			continue
		}
		seen[d.Code] = true
		if counts[d.Code] == nil {
			counts[d.Code] = &Count{Code: d.Code, Words: doubtWords(d.Code), Example: d.Text}
		}
		counts[d.Code].Networks++
	}
}

func sortCounts(counts map[string]*Count) []Count {
	return sorted(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Networks, a.Networks), cmp.Compare(a.Code, b.Code))
	})
}

func sorted[K comparable, V any](values map[K]*V, compare func(a, b V) int) (all []V) {
	for _, v := range values {
		all = append(all, *v)
	}
	slices.SortFunc(all, compare)
	return all
}

func countFailures(ctx context.Context, st bench.Reader, sweep string) ([]Failures, error) {
	type key struct {
		fault  devices.Fault
		reason string
	}
	counts := map[key]*Failures{}
	for f, err := range st.Failures(ctx, sweep) {
		if err != nil {
			return nil, err
		}
		k := key{f.Fault, f.Reason}
		if counts[k] == nil {
			counts[k] = &Failures{Fault: f.Fault, Reason: f.Reason, Example: f.Message}
		}
		counts[k].Attempts++
		if f.Final {
			counts[k].Final++
		}
	}
	return sorted(counts, func(a, b Failures) int {
		return cmp.Or(cmp.Compare(b.Attempts, a.Attempts), cmp.Compare(a.Fault, b.Fault), cmp.Compare(a.Reason, b.Reason))
	}), nil
}

// doubtWords explains bench's codes; other codes come from devices.
func doubtWords(code string) string {
	if w, ok := map[string]string{
		verdict.ReasonFewBlocks:  "fewer blocks than the protocol asks for",
		verdict.ReasonDisturbed:  "too few blocks that other work did not disturb",
		verdict.ReasonDelegation: "part of the network ran on the CPU instead of the accelerator",
		verdict.ReasonPrecision:  "the interval is wider than the protocol's target",
		verdict.ReasonStep:       "one block is far from the others",
		verdict.ReasonDrift:      "latency drifts within a block or over the blocks, or blocks ran at an unusual level",
		verdict.ReasonThrottled:  "the device throttled",
		verdict.ReasonCore:       "blocks ran on cores of different kinds",
		verdict.ReasonCPUTime:    "the process waited for a CPU",
		verdict.ReasonAffinity:   "it did not run on the requested CPUs",
		verdict.WarnDelegation:   "the delegate did not take the whole network",
		verdict.WarnDisturbed:    "other work disturbed samples, which are left out",
		verdict.WarnSlow:         "blocks at a low clock are left out",
		verdict.WarnOff:          "blocks during which all networks were slower or faster are left out",
		verdict.WarnQuota:        "a CPU quota stopped processes",
		verdict.WarnSensor:       "no temperature sensor could be read",
		verdict.WarnLoad:         "another process was running",
		verdict.WarnSteal:        "the hypervisor took time away",
		verdict.WarnTurbo:        "turbo is on: the clock may exceed its nominal frequency",
		verdict.WarnBattery:      "the device ran on its battery",
		verdict.WarnBatteryLow:   "the battery was low",
		verdict.WarnBatteryFake:  "the battery's state was set by hand",
		verdict.WarnThermal:      "the device reports that it is warm",
		verdict.WarnCooling:      "the kernel lowered a CPU's clock to cool it",
		verdict.WarnFrequency:    "the clock was below its highest",
		verdict.WarnBimodal:      "bimodal samples",
		verdict.WarnTail:         "the median is far above the fastest run",
		verdict.WarnSpread:       "blocks spread more than those of other networks",
		verdict.WarnUnits:        "blocks were run by twins",
		verdict.WarnMixed:        "blocks differ in runtime or in the bytes of the model",
		verdict.WarnCPUBlock:     "one block waited for a CPU",
		verdict.WarnUnreachable:  "too few blocks for the requested confidence",
		verdict.WarnNoise:        "too few blocks to know the noise well",
		verdict.WarnPooled:       "other networks' noise makes the interval wide",
		verdict.WarnDevice:       "reported by the device itself",
	}[code]; ok {
		return w
	}
	return "reported by the device: " + code
}

// shown are the rows with raw rows of their own: all where there is room, else the front, the
// fastest at each budget and the worst predicted, and of the others each k-th, so that what
// is left is still a fair picture of the sweep.
func (d *Data) shown(sweep, limit int) []int {
	s := &d.Sweeps[sweep]
	n := s.Networks.Len()
	if n <= limit {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	}
	chosen := map[int]bool{}
	add := func(rows []int) {
		for _, r := range rows {
			if len(chosen) < limit {
				chosen[r] = true
			}
		}
	}
	for _, b := range s.Bands {
		add(b.Fastest)
	}
	add(spread(s.Front, limit/2))
	for i := range d.Fits {
		for _, on := range d.Fits[i].On {
			if on.Sweep == sweep {
				add(worst(&s.Networks, on.Predicted, limit/10))
			}
		}
	}
	for i, left := 0, limit-len(chosen); i < left; i++ {
		chosen[i*n/left] = true
	}
	return slices.Sorted(maps.Keys(chosen))
}

// spread is about limit of the rows, evenly, both ends among them.
func spread(rows []int, limit int) []int {
	if len(rows) <= limit || limit < 2 {
		return rows
	}
	var some []int
	for i := range limit {
		some = append(some, rows[i*(len(rows)-1)/(limit-1)])
	}
	return some
}

// worst are the rows of the largest relative errors.
func worst(n *Networks, predicted []float64, limit int) []int {
	var rows []int
	for r := range n.Len() {
		if e := n.RelativeError(predicted, r); !math.IsNaN(e) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b int) int {
		return cmp.Compare(math.Abs(n.RelativeError(predicted, b)), math.Abs(n.RelativeError(predicted, a)))
	})
	return rows[:min(limit, len(rows))]
}
