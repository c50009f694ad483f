package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"latlab/bench/profile"
	"latlab/devices"
	"latlab/sampler"
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

// noProfiler is the user's error on a device that does not report the time of single ops, else nil.
func noProfiler(d devices.Device) error {
	if _, ok := d.(devices.Profiler); ok {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: "device " + d.Info().Name, Reason: devices.ReasonUnsupported,
		Err: errors.New("it does not report the time of single ops")}
}

// ProfileModel has a device profile a model that it has prepared.
func ProfileModel(ctx context.Context, d devices.Device, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	if err := noProfiler(d); err != nil {
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

// Unprofiled collects why networks could not be profiled.
type Unprofiled struct {
	Why  []string // "mobiledet_cpu: profile mobiledet_cpu-float32: ..."
	lost int      // in a row
}

// Failed keeps an error, and reports whether another network is worth trying: not after three in a row, and
// not on a device that is away or that cannot profile.
func (u *Unprofiled) Failed(name string, err error) bool {
	u.Why = append(u.Why, fmt.Sprintf("%s: %v", name, err))
	u.lost++
	return u.lost < profilesLost && !isAway(reasonOf(err)) && devices.FaultOf(err) != devices.FaultUser
}

// Worked ends a row of failures.
func (u *Unprofiled) Worked() { u.lost = 0 }

// profile profiles some of the measured networks, one block each, after all blocks: a profiled block must not
// stand between those that are compared. Networks that have a profile are not profiled again. A failure is
// kept in the Result and does no harm to the sweep; only an interrupt or the store ends the run.
func (r *runner) profile(ctx context.Context) error {
	if r.o.Profile == 0 {
		return nil
	}
	var have []int
	for p, err := range r.o.Store.Profiles(ctx, r.sweep.ID) {
		if err != nil {
			return labError("load profiles", err)
		}
		have = append(have, p.Network)
	}
	lacking := r.toProfile(have)
	r.profiles = ProfileProgress{Asked: len(have) + len(lacking), Done: len(have)}
	for _, n := range lacking {
		r.report()
		m, p, err := r.profileOne(ctx, n)
		if end := r.interrupted(ctx); err != nil && end != nil {
			return end
		}
		if err != nil {
			if !r.unprofiled.Failed(n.Name, err) {
				break
			}
			continue
		}
		r.unprofiled.Worked()
		row := Profiled{Network: n.Index, Profile: *p, Ops: profile.Ops(m, cmp.Or(r.space(n), profile.Space(m)))}
		if err := r.o.Store.AddProfile(context.WithoutCancel(ctx), r.sweep.ID, row); err != nil {
			return labError("store a profile", err)
		}
		r.profiles.Done++
	}
	r.report()
	return nil
}

// toProfile are the networks that lack a profile until Options.Profile have one: evenly spread over the measured
// ones by index, which are the same whenever the sweep is complete. A network that was profiled for another
// number stands for the nearest of them, so that asking for more adds what is missing and no more.
func (r *runner) toProfile(have []int) []*network {
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
	for _, i := range have[:min(len(have), want)] {
		near := 0
		for k, n := range chosen {
			if max(n.Index-i, i-n.Index) < max(chosen[near].Index-i, i-chosen[near].Index) {
				near = k
			}
		}
		chosen = slices.Delete(chosen, near, near+1)
	}
	return chosen
}

// space is the one that the network is a point of, nil if the source knows none.
func (r *runner) space(n *network) *sampler.Space {
	if s, ok := r.o.Source.(Spaced); ok {
		return s.SpaceOf(n.Index)
	}
	return nil
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
	if err == nil && r.unit != "" {
		p.Warnings = append(p.Warnings, "observed on the twin "+r.unit)
	}
	return m, p, err
}
