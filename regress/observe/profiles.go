package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"latlab/bench"
	"latlab/devices"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// timed is a network that a fit takes.
type timed struct {
	arch   sampler.Arch
	model  string // identity
	blocks []devices.Block
}

// models are the names of what was timed: the model's identity, and the sha256 of its bytes where a device has bytes.
func (t timed) models() []string {
	names := []string{t.model}
	for i := range t.blocks {
		if sha := t.blocks[i].ModelSHA256; sha != "" {
			names = append(names, sha)
		}
	}
	return names
}

// profiles reads the profiles of networks that a fit takes; those of others say nothing about a latency. One of
// another model than the network's blocks timed is a regress.OptionError.
func profiles(ctx context.Context, st bench.Reader, m bench.Sweep, s *sampler.Space, taken map[int]timed) ([]regress.OpProfile, error) {
	var all []regress.OpProfile
	for p, err := range st.Profiles(ctx, m.ID) {
		if err != nil {
			return nil, err
		}
		n, ok := taken[p.Network]
		if !ok {
			continue
		}
		one, err := opProfile(s, n, &p)
		if err != nil {
			return nil, &regress.OptionError{Option: fmt.Sprintf("sweep %s, profile of network %d", m.ID, p.Network), Reason: err.Error()}
		}
		all = append(all, one)
	}
	return all, nil
}

// mostOps is how many ops a row may stand for. Runtimes fuse a handful; a row of more is a part of the network
// that ran as a whole, and says nothing of single ops.
const mostOps = 16

func opProfile(s *sampler.Space, n timed, p *bench.Profiled) (regress.OpProfile, error) {
	one := regress.OpProfile{Arch: n.arch}
	if got, want := p.Profile.ModelSHA256, n.models(); got != "" && !slices.Contains(want, got) {
		return one, fmt.Errorf("it is of model %.12s, and the latency of model %.12s: measure both anew (`sweep --again --profile N`)", got, want[len(want)-1])
	}
	ops, err := opsByNode(s, n.arch, p)
	if err != nil {
		return one, err
	}
	at := map[string]int{} // a row may come in parts, such as a convolution that is done in two steps
	for _, l := range p.Profile.Layers {
		paid := paidBy(l.Nodes, ops)
		if paid == nil {
			one.Rest += l.Seconds
			continue
		}
		key := fmt.Sprint(l.Nodes)
		if i, seen := at[key]; seen {
			one.Rows[i].Seconds += l.Seconds
			continue
		}
		at[key] = len(one.Rows)
		kernel := cmp.Or(l.Kernel, l.Op)
		if l.Where != "" {
			kernel += " on " + l.Where
		}
		one.Rows = append(one.Rows, regress.OpRow{Kernel: kernel, Ops: paid, Seconds: l.Seconds})
	}
	told, seconds := 0, 0.0
	for _, r := range one.Rows {
		told += len(r.Ops)
		seconds += r.Seconds
	}
	if told > 0 && seconds == 0 {
		return one, errors.New("all its rows take 0 s")
	}
	if 2*told < len(ops) {
		return one, fmt.Errorf("its rows tell the times of %d of the network's %d ops, which are too few for method profile", told, len(ops))
	}
	return one, nil
}

// opsByNode are the ops of a network as its profile numbers them.
func opsByNode(s *sampler.Space, a sampler.Arch, p *bench.Profiled) (map[int]graph.PaidOp, error) {
	g, err := graph.Lower(s, a)
	if err != nil {
		return nil, err
	}
	same := len(g.Ops) == len(p.Ops)
	ops := make(map[int]graph.PaidOp, len(g.Ops))
	for i := 0; same && i < len(g.Ops); i++ {
		paid, stored := g.PaidOp(g.Ops[i]), p.Ops[i]
		same = stored.Name == paid.Name && stored.Kind == paid.Kind && stored.Input == paid.In && stored.Output == paid.Out
		ops[stored.Node] = paid
	}
	if !same {
		return nil, fmt.Errorf("its %d ops are not those of the network %s, which was timed: measure both anew (`sweep --again --profile N`)", len(p.Ops), a)
	}
	return ops, nil
}

func paidBy(nodes []int, ops map[int]graph.PaidOp) []graph.PaidOp {
	if len(nodes) == 0 || len(nodes) > mostOps {
		return nil
	}
	var all []graph.PaidOp
	for _, n := range slices.Compact(slices.Sorted(slices.Values(nodes))) {
		op, known := ops[n]
		if !known {
			return nil
		}
		all = append(all, op)
	}
	return all
}
