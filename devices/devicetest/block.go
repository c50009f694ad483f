package devicetest

import (
	"encoding/hex"
	"math"
	"strings"

	"latlab/devices"
)

// maxSeconds is more than any small model takes, but less than milliseconds mistaken for seconds.
const maxSeconds = 60

// whole checks everything that must be true of any block.
func (s *subject) whole(b *devices.Block, p devices.Plan) {
	s.Helper()
	s.checkSamples(b, p)
	s.checkFigures(b)
	s.checkTimes(b)
	s.checkRows(b.Layers)
	s.checkDoubts(b)
	if b.Runtime == "" {
		s.Error("Runtime is empty")
	}
	if sum, err := hex.DecodeString(b.ModelSHA256); (err != nil || len(sum) != 32) && !s.dev.Info().NeedsGraph {
		s.Errorf("ModelSHA256 is %q: which bytes were timed?", b.ModelSHA256)
	}
}

// checkSamples: a deterministic device gives one sample, whatever the plan asks for.
func (s *subject) checkSamples(b *devices.Block, p devices.Plan) {
	s.Helper()
	switch n := len(b.Samples); {
	case b.Summary != nil:
		s.checkSummary(b)
	case s.dev.Info().Deterministic:
		if n != 1 {
			s.Errorf("%d samples of a deterministic device, which has one", n)
		}
	case n < max(p.MinRuns, 1) || p.MaxRuns > 0 && n > p.MaxRuns:
		s.Errorf("%d samples, the plan asks for %d to %d", n, p.MinRuns, p.MaxRuns)
	}
	for i, x := range b.Samples {
		if !(x > 0 && x <= maxSeconds) {
			s.Errorf("sample %d is %v s", i, x)
		}
	}
	if len(b.CPUSamples) != 0 && len(b.CPUSamples) != len(b.Samples) {
		s.Errorf("%d samples of CPU time, %d of wall time", len(b.CPUSamples), len(b.Samples))
	}
}

func (s *subject) checkSummary(b *devices.Block) {
	s.Helper()
	u := b.Summary
	if u.Count < 1 || !(u.Mean > 0 && u.Mean <= maxSeconds) {
		s.Errorf("summary of %d invokes with mean %v s", u.Count, u.Mean)
	}
	for name, x := range map[string]*float64{"minimum": u.Min, "maximum": u.Max, "standard deviation": u.StdDev} {
		if x != nil && !(*x >= 0 && *x <= maxSeconds) {
			s.Errorf("the summary's %s is %v s", name, *x)
		}
	}
}

func (s *subject) checkFigures(b *devices.Block) {
	s.Helper()
	for name, xs := range map[string][]float64{
		"CPU time": b.CPUSamples, "warm-up": b.WarmUp, "init": {b.InitSeconds}, "first inference": {b.FirstSeconds}, "elapsed": {b.Elapsed},
	} {
		for _, x := range xs {
			if !notNegative(x) {
				s.Errorf("%s is %v s", name, x)
			}
		}
	}
	if b.PeakMemoryBytes < 0 {
		s.Errorf("peak memory is %d bytes", b.PeakMemoryBytes)
	}
	if r := b.Bounds; r != nil && !(r.Low > 0 && r.Low <= r.High && r.High <= maxSeconds) {
		s.Errorf("bounds are %v to %v s", r.Low, r.High)
	}
	for name, x := range b.Counters {
		if math.IsNaN(x) || math.IsInf(x, 0) || !word.MatchString(name) {
			s.Errorf("counter %q is %v", name, x)
		}
	}
}

func notNegative(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }

func (s *subject) checkTimes(b *devices.Block) {
	s.Helper()
	if b.Started.IsZero() || b.Before.Time.IsZero() || b.After.Time.IsZero() {
		s.Errorf("times are missing: started %v, before %v, after %v", b.Started, b.Before.Time, b.After.Time)
	}
	if b.After.Time.Before(b.Before.Time) {
		s.Errorf("the block ended (%v) before it began (%v)", b.After.Time, b.Before.Time)
	}
}

func (s *subject) checkRows(layers []devices.Layer) {
	s.Helper()
	for i, l := range layers {
		if l.Name == "" || l.Op == "" || !notNegative(l.Seconds) || !notNegative(l.Cycles) || l.MACs < 0 {
			s.Errorf("layer %d is %+v", i, l)
		}
	}
}

func (s *subject) checkDoubts(b *devices.Block) {
	s.Helper()
	for _, d := range b.Doubts {
		if !word.MatchString(d.Code) || !oneLine(d.Text) {
			s.Errorf("doubt is %+v", d)
		}
	}
	for _, w := range b.Warnings {
		if !oneLine(w) {
			s.Errorf("warning is %q", w)
		}
	}
}

func oneLine(text string) bool {
	return strings.TrimSpace(text) != "" && !strings.Contains(text, "\n")
}

// delegation checks that the figures are consistent.
func (s *subject) delegation(d devices.Delegation) {
	s.Helper()
	if d.Delegated < 0 || d.Delegated > d.Nodes || d.Partitions < 0 || d.Delegated > 0 && d.Partitions < 1 {
		s.Errorf("delegation cannot be: %+v", d)
	}
	for _, why := range d.Why {
		if !oneLine(why) {
			s.Errorf("a reason of the delegation is %q", why)
		}
	}
}
