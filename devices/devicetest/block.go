package devicetest

import (
	"encoding/hex"
	"math"
	"slices"
	"strings"

	"latlab/devices"
)

// maxSeconds is more than any small model takes, but less than milliseconds mistaken for seconds.
const maxSeconds = 60

// whole checks everything that must be true of any block.
func (s *subject) whole(b *devices.Block, p devices.Plan) {
	s.Helper()
	if err := devices.Possible(s.dev.Info(), p, b); err != nil {
		s.Errorf("the block cannot be: %v", err)
	}
	s.checkSamples(b, p)
	s.checkFigures(b)
	s.checkTimes(b)
	s.checkClock(b)
	s.checkRows(b.Layers)
	s.checkDoubts(b)
	for _, why := range b.Delegation.Why {
		if !oneLine(why) {
			s.Errorf("a reason of the delegation is %q", why)
		}
	}
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
		s.checkSummary(b.Summary)
	case s.dev.Info().Deterministic:
		if n != 1 {
			s.Errorf("%d samples of a deterministic device, which has one", n)
		}
	case n < max(p.MinRuns, 1) || p.MaxRuns > 0 && n > p.MaxRuns:
		s.Errorf("%d samples, the plan asks for %d to %d", n, p.MinRuns, p.MaxRuns)
	}
	for i, x := range b.Samples {
		if x > maxSeconds {
			s.Errorf("sample %d is %v s", i, x)
		}
	}
}

func (s *subject) checkSummary(u *devices.Summary) {
	s.Helper()
	for name, x := range map[string]*float64{"mean": &u.Mean, "minimum": u.Min, "maximum": u.Max, "standard deviation": u.StdDev} {
		if x != nil && *x > maxSeconds {
			s.Errorf("the summary's %s is %v s", name, *x)
		}
	}
}

func (s *subject) checkFigures(b *devices.Block) {
	s.Helper()
	if r := b.Bounds; r != nil && !(r.Low > 0 && r.High <= maxSeconds) {
		s.Errorf("bounds are %v to %v s", r.Low, r.High)
	}
	for name := range b.Counters {
		if !word.MatchString(name) {
			s.Errorf("a counter is named %q", name)
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

// checkClock: a device that reads its core's clock does so before and after the samples at least, on a core that
// the block may run on.
func (s *subject) checkClock(b *devices.Block) {
	s.Helper()
	if len(b.Clock) == 0 {
		if s.dev.Info().Harness == devices.AgentHarness {
			s.Error("the agent has not read its core's clock")
		}
		return
	}
	first, last := b.Clock[0].Samples, b.Clock[len(b.Clock)-1].Samples
	ordered := slices.IsSortedFunc(b.Clock, func(x, y devices.Clock) int { return x.Samples - y.Samples })
	if len(b.Clock) < 2 || first != 0 || last != len(b.Samples) || !ordered {
		s.Errorf("the clock was read at %v, not before, between and after %d samples", b.Clock, len(b.Samples))
	}
	for _, c := range b.Clock {
		if c.Hz < slowestHz || c.Hz > fastestHz || c.CPU < -1 || c.CPU >= 0 && len(b.CPUs) > 0 && !slices.Contains(b.CPUs, c.CPU) {
			s.Errorf("core %d of %v has a clock of %v Hz", c.CPU, b.CPUs, c.Hz)
		}
	}
}

// Clocks outside of these are in another unit, or of instructions that the core does not execute one by one.
const slowestHz, fastestHz = 10e6, 10e9

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
