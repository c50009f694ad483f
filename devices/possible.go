package devices

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// AgentHarness is the Harness of latlab's own agent. It times in the same process in which it
// loads the model, so all its times lie within the block's own.
const AgentHarness = "latlab-agent"

// How far figures of different clocks may disagree: a share, and a part for their rounding.
const (
	clockShare   = 0.02
	clockSeconds = 0.01
	// cpuShare is for CPU time, which the runtime's and the agent's other threads add to.
	cpuShare = 0.10
)

// Possible returns what is impossible about a block that a device with this Info gave for a plan,
// nil if nothing is. Programs, libraries and phones are other people's, so no figure of them is
// believed that cannot be; a caller turns the error into one of ReasonGarbage (Garbage does).
func Possible(i Info, p Plan, b *Block) error {
	for _, check := range []func(Info, Plan, *Block) error{possibleSamples, possibleTimes, possibleCPU, possibleDelegation, possibleOthers} {
		if err := check(i, p, b); err != nil {
			return err
		}
	}
	return nil
}

// Garbage is the error of a block that is not Possible, nil otherwise.
func Garbage(op string, i Info, p Plan, b *Block) error {
	err := Possible(i, p, b)
	if err == nil {
		return nil
	}
	return &Error{Fault: FaultDevice, Op: op, Reason: ReasonGarbage, Err: fmt.Errorf("%s answered what cannot be: %w", i.Harness, err)}
}

// GarbageProfile is the error of a profile that is not PossibleProfile, nil otherwise.
func GarbageProfile(op string, i Info, p *Profile) error {
	err := PossibleProfile(p)
	if err == nil {
		return nil
	}
	return &Error{Fault: FaultDevice, Op: op, Reason: ReasonGarbage, Err: fmt.Errorf("%s answered what cannot be: %w", i.Harness, err)}
}

// PossibleProfile returns what is impossible about a profile, nil if nothing is.
func PossibleProfile(p *Profile) error {
	if len(p.Layers) == 0 || p.Runs < 1 || !finite(p.ResolutionSeconds) {
		return fmt.Errorf("a profile of %d rows and %d inferences, in steps of %v s", len(p.Layers), p.Runs, p.ResolutionSeconds)
	}
	for _, x := range []*float64{p.WholeSeconds, p.PlainSeconds} {
		if x != nil && !above(*x) {
			return fmt.Errorf("an inference takes %v s", *x)
		}
	}
	for _, l := range p.Layers {
		if err := possibleLayer(l); err != nil {
			return err
		}
	}
	if p.Total() == 0 {
		return errors.New("the times of all rows are 0")
	}
	// Medians of rows may sum to more than the median inference, but not to far more.
	if w := p.WholeSeconds; w != nil && p.Total() > 1.5**w+1e-3 {
		return fmt.Errorf("its rows sum to %.6g s, and an inference takes %.6g s", p.Total(), *w)
	}
	return nil
}

// longest is more seconds than any op takes: 30 years.
const longest = 1e9

func possibleLayer(l Layer) error {
	if !finite(l.Seconds) || l.Seconds > longest || !finite(l.Cycles) || l.MACs < 0 {
		return fmt.Errorf("layer %q takes %v s, %v cycles and %d MACs", l.Name, l.Seconds, l.Cycles, l.MACs)
	}
	if slices.ContainsFunc(l.Nodes, func(n int) bool { return n < 0 }) {
		return fmt.Errorf("layer %q stands for the operators %v", l.Name, l.Nodes)
	}
	return nil
}

func possibleSamples(i Info, p Plan, b *Block) error {
	n, most := len(b.Samples), max(p.MaxRuns, p.MinRuns, 1)
	switch s := b.Summary; {
	case s != nil:
		if s.Count < 1 || !above(s.Mean) {
			return fmt.Errorf("a mean of %v s over %d invokes", s.Mean, s.Count)
		}
		for _, x := range []*float64{s.Min, s.Max, s.StdDev, s.Median} {
			if x != nil && !finite(*x) {
				return fmt.Errorf("the summary has %v s", *x)
			}
		}
	case i.Deterministic:
	case p.MaxRuns > 0 && n > most && !(i.OneThread() && p.MinUndisturbed > 0 && floats.Sum(b.Samples[:n-1]) < p.LimitSeconds):
		return fmt.Errorf("%d samples, at most %d were asked for", n, most)
	}
	for k, x := range b.Samples {
		if !above(x) {
			return fmt.Errorf("sample %d is %v s", k, x)
		}
	}
	return nil
}

// possibleTimes compares the sum of all times with the time that the block took. A tool may have
// timed before, on a different machine or in part: its sum is compared with the plan's timeout.
func possibleTimes(i Info, p Plan, b *Block) error {
	for _, x := range append([]float64{b.InitSeconds, b.FirstSeconds, b.Elapsed}, b.WarmUp...) {
		if !finite(x) {
			return fmt.Errorf("a time of the block is %v s", x)
		}
	}
	if i.Kind != Measured {
		return nil
	}
	total := floats.Sum(b.Samples)
	if s := b.Summary; s != nil {
		total = max(total, float64(s.Count)*s.Mean)
	}
	limit, of := max(p.Timeout.Seconds(), b.Elapsed), "the block's timeout is"
	if i.Harness == AgentHarness {
		total += b.InitSeconds + b.FirstSeconds + floats.Sum(b.WarmUp)
		limit, of = b.Elapsed, "the block took"
	}
	if limit > 0 && !(total <= limit*(1+clockShare)+clockSeconds) {
		return fmt.Errorf("its times sum to %.6g s, and %s %.6g s", total, of, limit)
	}
	return nil
}

func possibleCPU(i Info, _ Plan, b *Block) error {
	if n := len(b.CPUSamples); n != 0 && n != len(b.Samples) {
		return fmt.Errorf("%d samples of wall time and %d of CPU time", len(b.Samples), n)
	}
	for k, x := range b.CPUSamples {
		if !finite(x) {
			return fmt.Errorf("the CPU time of sample %d is %v s", k, x)
		}
	}
	for _, c := range b.Clock {
		if !above(c.Hz) || c.Samples < 0 || c.Samples > len(b.Samples) {
			return fmt.Errorf("a clock of %v Hz after sample %d of %d", c.Hz, c.Samples, len(b.Samples))
		}
	}
	if b.WaitSeconds != nil && !finite(*b.WaitSeconds) {
		return fmt.Errorf("a thread waited %v s for a core", *b.WaitSeconds)
	}
	if slices.ContainsFunc(b.CPUs, func(c int) bool { return c < 0 }) {
		return fmt.Errorf("it ran on CPUs %v", b.CPUs)
	}
	threads := max(i.Threads, 1)
	if i.Delegate != "" && i.Delegate != "xnnpack" {
		threads = max(threads, len(b.CPUs)) // an external delegate has threads of its own
	}
	cpu, wall := floats.Sum(b.CPUSamples), floats.Sum(b.Samples)
	if limit := float64(threads) * wall; !(cpu <= limit*(1+cpuShare)+clockSeconds) {
		return fmt.Errorf("CPU time of %.6g s, and %d threads can use %.6g s", cpu, threads, limit)
	}
	return nil
}

func possibleDelegation(i Info, _ Plan, b *Block) error {
	d := b.Delegation
	switch {
	case d.Name != "" && d.Name != i.Delegate && (i.Delegate != "" || i.Harness == AgentHarness):
		return fmt.Errorf("the delegate %q ran, not %q", d.Name, i.Delegate)
	case i.Harness == AgentHarness && i.Delegate != "" && (d.Name == "" || d.Nodes < 1):
		return fmt.Errorf("%s took %d of %d nodes by the delegate %q: a network has at least one node", i.Delegate, d.Delegated, d.Nodes, d.Name)
	case d.Nodes < 0 || d.Delegated < 0 || d.Delegated > d.Nodes:
		return fmt.Errorf("%d of %d nodes are delegated", d.Delegated, d.Nodes)
	case d.Partitions < 0 || d.Partitions > d.Nodes || d.Delegated > 0 && d.Partitions < 1:
		return fmt.Errorf("%d of %d nodes are delegated in %d partitions", d.Delegated, d.Nodes, d.Partitions)
	}
	return nil
}

func possibleOthers(_ Info, _ Plan, b *Block) error {
	if b.PeakMemoryBytes < 0 {
		return fmt.Errorf("a peak memory of %d bytes", b.PeakMemoryBytes)
	}
	for _, l := range b.Layers {
		if err := possibleLayer(l); err != nil {
			return err
		}
	}
	if r := b.Bounds; r != nil && !(r.Low >= 0 && r.Low <= r.High && finite(r.High)) {
		return fmt.Errorf("bounds of %v and %v s", r.Low, r.High)
	}
	for name, x := range b.Counters {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("the counter %q is %v", name, x)
		}
	}
	return nil
}

// finite reports whether x is a number, not negative, and not infinite.
func finite(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }

func above(x float64) bool { return x > 0 && finite(x) }
