package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"latlab/bench/stats"
	"latlab/devices"
	"latlab/sampler/model"
)

// plan adds rows to the schedule: extra blocks where they are needed, otherwise the next
// batch. It reports whether there is anything to run.
//
// The rule looks only at what is stored, so a resumed sweep plans the same as an
// uninterrupted one. Rejected: extra blocks only for the current batch. The pooled noise
// gets more precise over the sweep, so a network that looked precise enough in its batch
// may turn out not to be; it would end INVALID with blocks left in its budget.
func (r *runner) plan(ctx context.Context) (bool, error) {
	clear(r.models)
	if r.o.Until.asked() {
		return r.until(ctx)
	}
	r.judgeBlocks()
	wide := r.tooWide()
	some := wide[:min(len(wide), r.batchSize())]
	r.foresee(wide, len(some))
	if len(some) > 0 {
		return true, r.planRounds(ctx, nil, some, 1)
	}
	return r.planBatch(ctx)
}

// planBatch plans the minimum of blocks of the next networks. It reports whether there are any.
func (r *runner) planBatch(ctx context.Context) (bool, error) {
	for {
		next := r.unplanned()
		if len(next) == 0 {
			return false, nil
		}
		batch, rows, err := r.fetch(ctx, next[:min(len(next), r.batchSize())])
		if err != nil {
			return false, err
		}
		if len(batch) > 0 {
			return true, r.planRounds(ctx, rows, batch, r.protocol.MinBlocks)
		}
	}
}

// judgeBlocks finds the blocks that are not used and pools the noise of the others, in the order of the networks:
// sums of another order could differ in the last digit.
func (r *runner) judgeBlocks() {
	nets := make([]*network, 0, len(r.nets))
	for _, i := range slices.Sorted(maps.Keys(r.nets)) {
		nets = append(nets, r.nets[i])
	}
	r.shared = newShared(&r.sweep, nets)
	r.noise = stats.Noise{}
	rule := r.shared.Rule(&r.sweep)
	recent, used := 0, 0
	for _, n := range nets {
		r.noise = r.noise.Add(n.noise())
		for _, t := range n.timed {
			if t.order >= r.order-r.protocol.Batch {
				recent++
				if t.used(rule) {
					used++
				}
			}
		}
	}
	// A run that begins knows nothing of the device yet: it may have recovered.
	r.unused = recent > 0 && used == 0 && r.blocks > 0
}

// batchSize has no limit on a simulator, which never loads a model's bytes into the cache.
func (r *runner) batchSize() int {
	if r.o.BatchLimit > 0 && r.sweep.Device.Kind != devices.Simulated {
		return min(r.protocol.Batch, r.o.BatchLimit)
	}
	return r.protocol.Batch
}

// tooWide lists the networks, by index, whose interval is too wide and whose budget allows another block.
func (r *runner) tooWide() []int {
	var wide []int
	for i, n := range r.nets {
		if i < r.o.Networks && n.Status != Failed && n.waiting == 0 && r.needsMore(n) {
			wide = append(wide, i)
		}
	}
	slices.Sort(wide)
	return wide
}

func (r *runner) needsMore(n *network) bool {
	p := r.protocol
	switch {
	case n.blocks() >= p.MaxBlocks:
		return false
	case len(n.values) < p.MinBlocks:
		// A device that stays slow would run the whole budget of every network, and all would be INVALID anyway.
		// If it recovers during the sweep, these networks get their blocks.
		return !r.unused || len(n.timed) < p.MinBlocks
	}
	noise, alone := stats.Noise{}, false
	if len(n.values) < stats.OrderBlocks {
		noise, alone = r.shared.Pool.NoiseFor(n.noise())
		alone = alone || r.shared.Pool.Suspect(n.noise())
	}
	// A network unlike the others gets enough blocks for its own order statistics: few blocks say little
	// about its noise.
	return alone || stats.HalfWidth(n.values, noise, p.Confidence) > p.HalfWidth
}

// unplanned lists the requested networks that have no slot yet, in seeded order.
func (r *runner) unplanned() []int {
	var next []int
	for i := range r.o.Networks {
		if r.nets[i] == nil {
			next = append(next, i)
		}
	}
	r.shuffle(next, 0)
	return next
}

// shuffle depends on the seed and on the length of the schedule, so rounds differ.
func (r *runner) shuffle(xs []int, round int) {
	rng := rand.New(rand.NewPCG(r.sweep.Seed, uint64(r.order)<<16+uint64(round)))
	rng.Shuffle(len(xs), func(i, j int) { xs[i], xs[j] = xs[j], xs[i] })
}

// fetch gets the batch from the Source. Networks that the Source cannot provide are recorded as failed.
func (r *runner) fetch(ctx context.Context, indices []int) (batch []int, rows []Network, err error) {
	for _, i := range indices {
		n, m, err := r.o.Source.Network(ctx, i)
		n.Index, n.Status = i, Planned
		if n.Name == "" {
			n.Name = fmt.Sprintf("network %d", i)
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			if devices.FaultOf(err) != devices.FaultModel {
				return nil, nil, labError("get "+n.Name, err)
			}
			if err := r.rejectUnplanned(ctx, n, err); err != nil {
				return nil, nil, err
			}
			continue
		}
		n.describe(m)
		r.models[i] = m
		batch, rows = append(batch, i), append(rows, n)
	}
	return batch, rows, nil
}

// describe copies from the model what the network's row stores.
func (n *Network) describe(m *model.Model) {
	if m == nil {
		return
	}
	n.Model = m.Identity
	if m.Graph == nil {
		return
	}
	n.MACs, n.Params = new(m.Graph.TotalMACs()), new(m.Graph.TotalParams())
	if m.Network != nil {
		n.Params = new(m.Network.Params) // counted from the file's constants, batch norm folded
	}
}

func (r *runner) rejectUnplanned(ctx context.Context, n Network, cause error) error {
	if err := r.o.Store.Plan(ctx, r.sweep.ID, []Network{n}, nil); err != nil {
		return labError("store plan", err)
	}
	r.nets[n.Index] = &network{Network: n}
	r.count(r.nets[n.Index], 1)
	return r.giveUp(ctx, Slot{Network: n.Index}, cause)
}

// planRounds stores and queues rounds. A round has one block of each network, in its own order.
func (r *runner) planRounds(ctx context.Context, rows []Network, batch []int, rounds int) error {
	var slots []Slot
	next := map[int]int{}
	for i, n := range r.nets {
		next[i] = n.rounds
	}
	var refs references
	for round := range rounds {
		order := slices.Clone(batch)
		r.shuffle(order, round+1)
		if round == 0 {
			refs = r.references(order)
		}
		for _, i := range order {
			if ref, ok := refs.due(r.order + len(slots)); ok {
				slots = append(slots, Slot{Order: r.order + len(slots), Network: ref, Round: next[ref]})
				next[ref]++
			}
			slots = append(slots, Slot{Order: r.order + len(slots), Network: i, Round: next[i]})
			next[i]++
		}
	}
	if err := r.o.Store.Plan(ctx, r.sweep.ID, rows, slots); err != nil {
		return labError("store plan", err)
	}
	for _, n := range rows {
		r.nets[n.Index] = &network{Network: n}
		r.count(r.nets[n.Index], 1)
	}
	for _, s := range slots {
		n := r.nets[s.Network]
		r.change(n, func() {
			n.planned(s)
			n.waiting++
		})
	}
	r.order += len(slots)
	r.pending = slots
	return nil
}

// references are the three networks that were planned first and have not failed. One of them, in turn, is timed after
// every so many blocks of others, so that a sweep's Trend compares networks that were not timed in the same rounds.
// Three, because one that changes by itself must not pass for the device.
type references struct {
	of    []int // networks, the next one first
	every int
	last  int // order of the last block of any of them
}

const referenceNetworks = stats.JointNetworks

// references are none while all of them are in the batch, whose rounds time them anyway, unless the protocol says more.
// order is that of the batch's first round.
func (r *runner) references(order []int) references {
	refs := references{every: r.protocol.ReferenceBlocks()}
	if r.sweep.Device.Deterministic {
		return refs
	}
	var nets []*network
	for i, n := range r.nets {
		if i < r.o.Networks && n.rounds > 0 && n.Status != Failed {
			nets = append(nets, n)
		}
	}
	slices.SortFunc(nets, func(a, b *network) int { return cmp.Compare(a.first, b.first) })
	for _, n := range nets[:min(len(nets), referenceNetworks)] {
		refs.of, refs.last = append(refs.of, n.Index), max(refs.last, n.last)
	}
	if len(nets) == 0 {
		refs.of, refs.last = slices.Clone(order[:min(len(order), referenceNetworks)]), referenceNetworks-1
	}
	if r.protocol.ReferenceEvery == 0 && !slices.ContainsFunc(refs.of, func(i int) bool { return !slices.Contains(order, i) }) {
		refs.of = nil
	}
	return refs
}

// due is the reference to be timed before the block of this order, if any.
func (r *references) due(order int) (index int, ok bool) {
	if len(r.of) == 0 || order-r.last <= r.every {
		return 0, false
	}
	index = r.of[0]
	r.of, r.last = append(r.of[1:], index), order
	return index, true
}

// model returns the model of a planned network and checks that it is the one stored.
func (r *runner) model(ctx context.Context, n *network) (*model.Model, error) {
	if m, ok := r.models[n.Index]; ok {
		return m, nil
	}
	_, m, err := r.o.Source.Network(ctx, n.Index)
	if err != nil {
		return nil, err
	}
	if m != nil && m.Identity != n.Model {
		return nil, &devices.Error{
			Fault: devices.FaultUser, Op: "resume sweep " + r.sweep.ID, Reason: "network changed",
			Err:    errors.New(n.Name + " differs from the network in the store"),
			Advice: "the models or the program that writes them changed; begin a new sweep in another store",
		}
	}
	r.models[n.Index] = m
	return m, nil
}
