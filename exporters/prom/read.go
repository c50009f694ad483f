package prom

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/fixtures"
)

// Sweep has the values of a sweep's metrics. Its size does not depend on the number of
// networks, except for one number per network if there is a baseline.
type Sweep struct {
	Manifest bench.Sweep
	Tally    bench.Tally
	Queued   int                // blocks planned and not done
	Failures map[FailureKey]int // attempts
	// Nodes and Delegated are summed over networks.
	Nodes, Delegated int
	State            bench.SweepState // "" = its process reported none
	Said             time.Time        // when it was reported
	Quarantines      int
	// LastBlock is the end of the last block; zero = none. ReadSweep sets it by the device's
	// clock, a Watcher by its own.
	LastBlock time.Time
	Condition *devices.State // of the device after that block; nil = none
	ClockHz   float64        // that it measured; 0 = none
	Fixtures  []Fixture
	Baseline  *Comparison // nil = no baseline, or no common network

	inference, latency, widths prometheus.Observer // histograms
}

// FailureKey groups failed attempts.
type FailureKey struct {
	Fault  devices.Fault
	Reason string
}

// Fixture is a fixture's latency. Bounds are nil if unknown.
type Fixture struct {
	Name      string
	Seconds   float64
	Low, High *float64
}

// Comparison is with a baseline's networks.
type Comparison struct {
	Baseline string  // sweep
	Ratio    float64 // median over networks
	Networks int
}

// Baseline is a stored sweep's VALID latencies in seconds by model identity.
type Baseline struct {
	Manifest bench.Sweep
	Seconds  map[string]float64
}

// ReadBaseline reads a sweep with which others are compared.
func ReadBaseline(ctx context.Context, st bench.Reader, m bench.Sweep) (*Baseline, error) {
	b := &Baseline{Manifest: m, Seconds: map[string]float64{}}
	for e, err := range bench.Estimates(ctx, st, m.ID) {
		if err != nil {
			return nil, err
		}
		if good(e) {
			b.Seconds[e.Network.Model] = e.M.Seconds
		}
	}
	if len(b.Seconds) == 0 {
		return nil, fmt.Errorf("sweep %s has no VALID measurement, so nothing can be compared with it", m.ID)
	}
	return b, nil
}

func good(e bench.Estimate) bool {
	return e.M != nil && e.Network.Status == bench.Measured && e.M.Verdict == verdict.Valid
}

// Comparable reports whether a sweep can be compared with the baseline: device, kind, delegate
// and threads must be equal. The fingerprint may differ, since a comparison should find the
// effect of a new system or runtime. The same command run into a different store has the same
// sweep id.
func (b *Baseline) Comparable(m bench.Sweep) bool {
	if b == nil || b.Manifest.Precision != m.Precision {
		return false
	}
	p, q := b.Manifest.Device, m.Device
	return p.Name == q.Name && p.Kind == q.Kind && p.Harness == q.Harness && p.Delegate == q.Delegate && p.Threads == q.Threads && slices.Equal(p.CPUs, q.CPUs)
}

// ReadSweep reads one sweep in a stream. baseline may be nil.
func ReadSweep(ctx context.Context, st bench.Reader, m bench.Sweep, baseline *Baseline) (*Sweep, error) {
	labels := sweepValues(m)
	s := &Sweep{
		Manifest: m, Tally: bench.NewTally(), Failures: map[FailureKey]int{},
		inference: histogram("latlab_inference_duration_seconds", inferenceBuckets, labels),
		latency:   histogram("latlab_network_latency_seconds", inferenceBuckets, labels),
		widths:    histogram("latlab_sweep_interval_half_width_ratio", widthBuckets, labels),
	}
	var ratios []float64
	for e, err := range bench.Estimates(ctx, st, m.ID) {
		if err != nil {
			return nil, err
		}
		s.add(e)
		if !good(e) || !baseline.Comparable(m) {
			continue
		}
		if before, known := baseline.Seconds[e.Network.Model]; known {
			ratios = append(ratios, e.M.Seconds/before)
		}
	}
	if len(ratios) > 0 {
		s.Baseline = &Comparison{Baseline: baseline.Manifest.ID, Ratio: stats.Median(ratios), Networks: len(ratios)}
	}
	return s, s.readRest(ctx, st)
}

// readRest reads the queue, failed attempts and the state of the process.
func (s *Sweep) readRest(ctx context.Context, st bench.Reader) error {
	for slot, err := range st.Schedule(ctx, s.Manifest.ID) {
		if err != nil {
			return err
		}
		if slot.State == bench.SlotPlanned {
			s.Queued++
		}
	}
	for f, err := range st.Failures(ctx, s.Manifest.ID) {
		if err != nil {
			return err
		}
		s.Failures[FailureKey{f.Fault, f.Reason}]++
	}
	for c, err := range st.Conditions(ctx, s.Manifest.ID) {
		if err != nil {
			return err
		}
		s.State, s.Said = c.State, c.Time
		if c.State == bench.Quarantined {
			s.Quarantines++
		}
	}
	return nil
}

func (s *Sweep) add(e bench.Estimate) {
	s.Tally.Add(e)
	for i := range e.Blocks {
		s.addBlock(&e.Blocks[i])
	}
	if e.M == nil || e.Network.Status != bench.Measured {
		return
	}
	s.Nodes += e.M.Delegation.Nodes
	s.Delegated += e.M.Delegation.Delegated
	s.latency.Observe(e.M.Seconds)
	if w, known := halfWidth(e.M); known {
		s.widths.Observe(w)
	}
	if f, is := fixtureOf(s.Manifest, e); is {
		s.addFixture(f)
	}
}

// halfWidth is unknown without bounds.
func halfWidth(m *verdict.Measurement) (w float64, known bool) {
	w = m.HalfWidth()
	return w, !math.IsInf(w, 0) && !math.IsNaN(w)
}

// fixtureOf returns the fixture of a measured network: `time` and `verify` store its name.
func fixtureOf(m bench.Sweep, e bench.Estimate) (f Fixture, is bool) {
	f = Fixture{Name: e.Network.Name, Seconds: e.M.Seconds, Low: e.M.Low, High: e.M.High}
	return f, m.Sampling == bench.Listed && slices.Contains(fixtures.Names(), f.Name)
}

// addFixture keeps the last latency of each name.
func (s *Sweep) addFixture(f Fixture) {
	s.Fixtures = slices.DeleteFunc(s.Fixtures, func(g Fixture) bool { return g.Name == f.Name })
	s.Fixtures = append(s.Fixtures, f)
}

// inferences are a block's samples; for a tool that prints no samples, the block's value.
func inferences(b *devices.Block) []float64 {
	if len(b.Samples) > 0 {
		return b.Samples
	}
	if seconds, _, ok := stats.BlockSeconds(b); ok {
		return []float64{seconds}
	}
	return nil
}

func (s *Sweep) addBlock(b *devices.Block) {
	for _, seconds := range inferences(b) {
		s.inference.Observe(seconds)
	}
	if end := b.Ended(); end.After(s.LastBlock) {
		s.LastBlock, s.Condition = end, &b.After
		s.ClockHz, _ = stats.BlockClock(b)
	}
}
