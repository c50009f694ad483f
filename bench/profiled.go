package bench

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"latlab/bench/profile"
	"latlab/devices"
	"latlab/sampler/model"
)

// Profiled is a network's profile, and the operators of its model that the rows are joined with: of a user's
// own file nobody can read them later.
type Profiled struct {
	Network int             `json:"network"` // index
	Profile devices.Profile `json:"profile"`
	Ops     []profile.Op    `json:"ops"`
}

// Table joins the rows with the operators.
func (p *Profiled) Table() profile.Table { return profile.Join(&p.Profile, p.Ops) }

// NoProfiler is the user's error on a device that does not report the time of single ops, else nil.
func NoProfiler(d devices.Device) error {
	if _, ok := d.(devices.Profiler); ok {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: "profile", Reason: devices.ReasonUnsupported,
		Err: fmt.Errorf("device %s does not report the time of single ops", d.Info().Name)}
}

// ProfileModel has a device profile a model that it has prepared.
func ProfileModel(ctx context.Context, d devices.Device, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	if err := NoProfiler(d); err != nil {
		return nil, err
	}
	p, err := d.(devices.Profiler).Profile(ctx, m, plan)
	if err != nil {
		return nil, err
	}
	return p, devices.GarbageProfile("profile "+m.Name, d.Info(), p)
}

// profilesLost is how many networks in a row may fail to be profiled before no further one is tried.
const profilesLost = 3

// profile profiles some of the measured networks, one block each, after all blocks: a profiled block must not
// stand between those that are compared. Networks that have a profile are not profiled again. A failure is
// kept in the Result and does no harm to the sweep; only an interrupt or the store ends the run.
func (r *runner) profile(ctx context.Context) error {
	chosen := r.toProfile()
	if len(chosen) == 0 {
		return nil
	}
	sp, err := r.sweep.LoadSpace()
	if err != nil {
		return labError("profile", err)
	}
	have := map[int]bool{}
	for p, err := range r.o.Store.Profiles(ctx, r.sweep.ID) {
		if err != nil {
			return labError("load profiles", err)
		}
		have[p.Network] = true
	}
	r.profiles = ProfileProgress{Asked: len(chosen)}
	lost := 0
	for _, n := range chosen {
		if have[n.Index] {
			r.profiles.Done++
		}
	}
	for _, n := range chosen {
		if have[n.Index] {
			continue
		}
		r.report()
		m, p, err := r.profileOne(ctx, n)
		if end := r.interrupted(ctx); err != nil && end != nil {
			return end
		}
		if err != nil {
			r.unprofiled = append(r.unprofiled, fmt.Sprintf("%s: %v", n.Name, err))
			if lost++; lost == profilesLost || isAway(reasonOf(err)) || devices.FaultOf(err) == devices.FaultUser {
				break
			}
			continue
		}
		lost = 0
		row := Profiled{Network: n.Index, Profile: *p, Ops: profile.Ops(m, cmp.Or(sp, profile.Space(m)))}
		if err := r.o.Store.AddProfile(context.WithoutCancel(ctx), r.sweep.ID, row); err != nil {
			return labError("store a profile", err)
		}
		r.profiles.Done++
	}
	r.report()
	return nil
}

// toProfile are the networks to profile: evenly spread over the measured ones by index, which are the same
// whenever the sweep is complete.
func (r *runner) toProfile() []*network {
	var measured, chosen []*network
	for _, i := range slices.Sorted(maps.Keys(r.nets)) {
		if n := r.nets[i]; i < r.o.Networks && n.Status == Measured {
			measured = append(measured, n)
		}
	}
	want := min(r.o.Profile, len(measured))
	for i := range want {
		chosen = append(chosen, measured[(2*i+1)*len(measured)/(2*want)])
	}
	return chosen
}

func (r *runner) profileOne(ctx context.Context, n *network) (*model.Model, *devices.Profile, error) {
	m, err := r.model(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	if err := r.wait(ctx, time.Duration(r.protocol.PauseSeconds*float64(time.Second))); err != nil {
		return nil, nil, err
	}
	if p, ok := r.o.Device.(devices.Preparer); ok && !r.prepared[n.Index] {
		if err := p.Prepare(ctx, m); err != nil {
			return nil, nil, err
		}
		r.prepared[n.Index] = true
	}
	p, err := ProfileModel(ctx, r.o.Device, m, r.protocol.Plan(r.sweep.Seed))
	return m, p, err
}
