package bench

import (
	"context"
	"iter"
	"slices"

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

// Pool is what the blocks of a sweep say together: the noise between those of all networks, and their clock.
func Pool(ctx context.Context, st Reader, sweep string) (stats.Pool, stats.CoreClock, error) {
	manifest, err := st.Sweep(ctx, sweep)
	if err != nil {
		return stats.Pool{}, stats.CoreClock{}, err
	}
	var nets []*network
	for g, err := range byNetwork(st.Values(ctx, sweep)) {
		if err != nil {
			return stats.Pool{}, stats.CoreClock{}, err
		}
		n := &network{}
		for i := range g.blocks {
			n.add(manifest.Rule(), &g.blocks[i], 0, 0)
		}
		nets = append(nets, n)
	}
	clock := clockOf(slices.Values(nets))
	slowHz := clock.SlowHz(manifest.Protocol.ClockMargin())
	all := make([]stats.Noise, 0, len(nets))
	for _, n := range nets {
		n.use(slowHz)
		all = append(all, n.noise())
	}
	return stats.NewPool(all), clock, nil
}

// input is what the Measurement of a network depends on.
func input(all []devices.Block, p stats.Pool, clock stats.CoreClock, of Sweep) verdict.Input {
	rule := of.Rule()
	rule.SlowHz = clock.SlowHz(of.Protocol.ClockMargin())
	blocks, values, _ := rule.Usable(all)
	return verdict.Input{
		Blocks: all, Info: of.Device, Protocol: of.Protocol, Clock: clock,
		Pooled: p.Core, All: p.All, LeftOut: p.LeftOut(stats.ReplicateNoise(blocks, values)),
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
		pooled, clock, err := Pool(ctx, st, sweep)
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
				if m, ok := verdict.Measure(input(g.blocks, pooled, clock, manifest)); ok {
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
