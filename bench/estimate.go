package bench

import (
	"context"
	"iter"

	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
)

// Estimate is a network with its Measurement, computed from the stored blocks. M is nil
// if the network has no block.
type Estimate struct {
	Network Network
	M       *verdict.Measurement
	Blocks  []devices.Block
}

// Shared is what the blocks of a sweep say together: the noise between those of all networks, the clock of their
// cores, and how the level of the device changed.
type Shared struct {
	Pool  stats.Pool
	Clock stats.CoreClock
	Trend stats.Trend
}

// Rule is how the sweep's blocks become values, with what the others say.
func (s Shared) Rule(of *Sweep) stats.Rule {
	rule := of.Rule()
	rule.SlowHz = s.Clock.SlowHz(of.Protocol.ClockMargin(of.Device))
	rule.Trend = s.Trend
	return rule
}

// newShared looks at all networks of a sweep, and has them use the blocks that are neither slow nor off.
func newShared(of *Sweep, nets []*network) Shared {
	var s Shared
	var clocks []stats.CoreClock
	for _, n := range nets {
		for _, t := range n.timed {
			clocks = append(clocks, t.clock)
		}
	}
	s.Clock = stats.CoreClockOfSweep(clocks)
	if !of.Device.Deterministic {
		s.Trend = stats.NewTrend(replicates(nets, s.Rule(of)), stats.TrendLimits{Step: of.Protocol.LevelMargin(), Drift: of.Protocol.DriftLimit})
	}
	noises := make([]stats.Noise, 0, len(nets))
	for _, n := range nets {
		n.use(s.Rule(of))
		noises = append(noises, n.noise())
	}
	s.Pool = stats.NewPool(noises)
	s.Pool.All, s.Pool.Core = s.Trend.Correct(s.Pool.All), s.Trend.Correct(s.Pool.Core)
	return s
}

// replicates lists the used blocks of networks. A network's blocks on another unit count as another network's: two
// units differ, and that is no change over time.
func replicates(nets []*network, rule stats.Rule) []stats.Timed {
	var all []stats.Timed
	id := 0
	for _, n := range nets {
		from := len(n.timed)
		for i, t := range n.timed {
			if !t.used(rule) {
				continue
			}
			if from < i && !stats.SameUnits(&t.units, &n.timed[from].units) {
				id++
			}
			from = i
			all = append(all, stats.Timed{Network: id, Order: t.order, Seconds: t.seconds})
		}
		id++
	}
	return all
}

// Together looks at the blocks of a stored sweep.
func Together(ctx context.Context, st Reader, sweep string) (Shared, error) {
	manifest, err := st.Sweep(ctx, sweep)
	if err != nil {
		return Shared{}, err
	}
	var nets []*network
	for g, err := range byNetwork(st.Values(ctx, sweep)) {
		if err != nil {
			return Shared{}, err
		}
		n := &network{}
		for i := range g.blocks {
			n.add(manifest.Rule(), &g.blocks[i], g.blocks[i].Order)
		}
		nets = append(nets, n)
	}
	return newShared(&manifest, nets), nil
}

// input is what the Measurement of a network depends on.
func input(all []devices.Block, s Shared, of *Sweep) verdict.Input {
	blocks, values, _ := s.Rule(of).Usable(all)
	return verdict.Input{
		Blocks: all, Info: of.Device, Protocol: of.Protocol, Clock: s.Clock, Trend: s.Trend,
		Pooled: s.Pool.Core, All: s.Pool.All, LeftOut: s.Pool.LeftOut(stats.ReplicateNoise(blocks, values)),
	}
}

// Estimates yields every network of a sweep by index, in two passes over the blocks: one
// for the pooled noise, one for the estimates. It holds the blocks of one network in memory at a time.
func Estimates(ctx context.Context, st Reader, sweep string) iter.Seq2[Estimate, error] {
	return func(yield func(Estimate, error) bool) {
		manifest, err := st.Sweep(ctx, sweep)
		if err != nil {
			yield(Estimate{}, err)
			return
		}
		shared, err := Together(ctx, st, sweep)
		if err != nil {
			yield(Estimate{}, err)
			return
		}
		next, stop := iter.Pull2(byNetwork(st.Blocks(ctx, sweep)))
		defer stop()
		g, err, more := next()
		for n, nerr := range st.Networks(ctx, sweep) {
			// A writer may have added blocks of a network after its page was read.
			for more && err == nil && g.network < n.Index {
				g, err, more = next()
			}
			if nerr == nil {
				nerr = err
			}
			if nerr != nil {
				yield(Estimate{}, nerr)
				return
			}
			e := Estimate{Network: n}
			if more && g.network == n.Index {
				e.Blocks = g.blocks
				if m, ok := verdict.Measure(input(g.blocks, shared, &manifest)); ok {
					e.M = &m
					e.Network.Status = statusNow(n.Status, m, manifest)
				}
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

type group struct {
	network int
	blocks  []devices.Block
}

// byNetwork gathers consecutive blocks of the same network.
func byNetwork(blocks iter.Seq2[StoredBlock, error]) iter.Seq2[group, error] {
	return func(yield func(group, error) bool) {
		var g group
		for b, err := range blocks {
			if err != nil {
				yield(group{}, err)
				return
			}
			if len(g.blocks) > 0 && b.Slot.Network != g.network {
				if !yield(g, nil) {
					return
				}
				// A new slice, because the consumer may keep this one. Most networks have equally many blocks.
				g = group{blocks: make([]devices.Block, 0, len(g.blocks))}
			}
			g.network = b.Slot.Network
			b.Block.Order = b.Slot.Order
			g.blocks = append(g.blocks, b.Block)
		}
		if len(g.blocks) > 0 {
			yield(g, nil)
		}
	}
}

// statusNow calls a network measured that has its blocks: older versions stored that it was planned
// again when it got extra ones.
func statusNow(s Status, m verdict.Measurement, of Sweep) Status {
	if s == Planned && m.Blocks >= of.Protocol.For(of.Device).MinBlocks {
		return Measured
	}
	return s
}
