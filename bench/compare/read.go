package compare

import (
	"context"
	"slices"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
)

// network is what is compared of a network.
type network struct {
	bench.Network
	seconds    float64 // 0 = no latency
	noise      stats.Noise
	blocks     int
	verdict    verdict.Verdict
	delegation devices.Delegation
	doubts     []verdict.Doubt
	hottest    *float64
	governors  []string
}

// sweep is one side's networks, by index.
type sweep struct {
	networks  []network
	estimator string // empty if all networks are INVALID
	noise     side
}

func read(ctx context.Context, of *Side) (sweep, error) {
	s := sweep{noise: side{deterministic: of.Sweep.Device.Deterministic}}
	estimator := bench.Estimator{Sweep: of.Sweep.ID}
	for e, err := range bench.Estimates(ctx, of.Store, of.Sweep.ID) {
		if err != nil {
			return s, err
		}
		if err := estimator.Add(e); err != nil {
			return s, err
		}
		n := network{Network: e.Network}
		if m := e.M; m != nil {
			of.NoiseCV = m.NoiseCV
			n.seconds, n.blocks, n.verdict = m.Seconds, m.Blocks, m.Verdict
			n.delegation, n.doubts, n.hottest = m.Delegation, slices.Concat(m.Reasons, m.Warnings), m.TemperatureC
			n.readBlocks(e)
			s.noise.pooled = s.noise.pooled.Add(n.noise)
		}
		if n.Status == bench.Measured {
			of.Measured++
		}
		s.networks = append(s.networks, n)
	}
	s.estimator = estimator.Name
	return s, nil
}

// readBlocks takes the noise between the blocks: none if different units ran them, as bench's.
func (n *network) readBlocks(e bench.Estimate) {
	n.noise = stats.NoiseOf(e.M.BlockSeconds)
	for i := range e.Blocks {
		b := &e.Blocks[i]
		if d := b.Delegation; d.Nodes != n.delegation.Nodes || d.Delegated != n.delegation.Delegated || b.Unit != e.Blocks[0].Unit {
			n.noise = stats.Noise{}
		}
		for _, g := range []string{b.Before.Governor, b.After.Governor} {
			if g != "" {
				n.governors = append(n.governors, g)
			}
		}
	}
}

// pair fills in the pairs and what is left out, and returns the pairs' networks.
func (c *Comparison) pair(a, b sweep, o Options) (pairs [][2]network) {
	partner, byName := match(c.A.Sweep, c.B.Sweep, a.networks, b.networks)
	taken := make([]bool, len(b.networks))
	for i, x := range a.networks {
		j := partner[i]
		if j < 0 {
			c.leave(x, OnlyA)
			continue
		}
		taken[j] = true
		y := b.networks[j]
		if why := whyNot(x, y, o); why != "" {
			c.leave(x, why)
			continue
		}
		p := Pair{
			Network: x.Name, Indices: x.Indices, ASeconds: x.seconds, BSeconds: y.seconds,
			AVerdict: string(x.verdict), BVerdict: string(y.verdict), ByName: byName[i],
		}
		c.Pairs = append(c.Pairs, p)
		pairs = append(pairs, [2]network{x, y})
	}
	for j, y := range b.networks {
		if !taken[j] {
			c.leave(y, OnlyB)
		}
	}
	return pairs
}

func (c *Comparison) leave(n network, why string) {
	c.LeftOut = append(c.LeftOut, LeftOut{Network: n.Name, Why: why})
}

// whyNot is why a network that is in both sweeps is not compared, "" if it is.
func whyNot(x, y network, o Options) string {
	switch {
	case x.Status == bench.Failed && y.Status == bench.Failed:
		return FailedBoth
	case x.Status == bench.Failed:
		return FailedA
	case y.Status == bench.Failed:
		return FailedB
	case x.Status != bench.Measured || y.Status != bench.Measured || x.seconds == 0 || y.seconds == 0:
		return Unfinished
	case (x.verdict == verdict.Invalid || y.verdict == verdict.Invalid) && !o.IncludeInvalid:
		return Invalid
	}
	return ""
}

// match finds each network of a in b: by the model's identity, and those left by name. Of several with
// the same key the first ones are paired. -1 is none.
func match(ma, mb bench.Sweep, a, b []network) (partner []int, byName []bool) {
	partner, byName = make([]int, len(a)), make([]bool, len(a))
	used := make([]bool, len(b))
	for i := range partner {
		partner[i] = -1
	}
	for _, named := range []bool{false, true} {
		free := map[string][]int{}
		for j, y := range b {
			if key := keyOf(mb, y, named); !used[j] && key != "" {
				free[key] = append(free[key], j)
			}
		}
		for i, x := range a {
			key := keyOf(ma, x, named)
			if at := free[key]; partner[i] < 0 && len(at) > 0 {
				partner[i], byName[i], used[at[0]] = at[0], named, true
				free[key] = at[1:]
			}
		}
	}
	return partner, byName
}

// keyOf is empty where a network has no such key. Indices mean the same only in the same space.
func keyOf(m bench.Sweep, n network, named bool) string {
	switch {
	case !named:
		return n.Model
	case n.Indices != "":
		return m.SpaceFile + "\n" + n.Space + "\n" + n.Indices
	}
	return n.Name
}
