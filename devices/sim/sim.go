// Package sim implements simulators: Devices that compute times from a network's Graph by an
// analytic model of the hardware and report them through a simulated measuring process.
//
// A simulator is a YAML file of constants, each with its source or what it was fitted to
// (files/*.yaml; users can add their own). The op model is in cost.go, the measuring process
// and its profiles in process.go. Everything happens in virtual time: nothing sleeps, and a
// block of a minute takes microseconds. A Model's bytes are never needed.
//
// The numbers are reproducible (docs/simulators.md): with profiles exact and quiet a block depends
// only on device, unit, model and the block's number for that model; with phone and hostile, the
// same blocks in the same order on a freshly opened device of the same unit give the same
// numbers.
//
// The package refuses to present a simulated number as a measurement: Info.Kind is Simulated and
// is stored with it.
package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// revision is the revision of the op model and the measuring process. It changes whenever the same
// constants give different numbers, so that a sweep is not resumed with a different model.
const revision = "1"

// Options configure a simulator.
type Options struct {
	// Name is sim-NAME[:PROFILE[:UNIT]] or sim:FILE.yaml[:PROFILE[:UNIT]].
	Name string
	// Start is when virtual time begins; the default is now.
	Start time.Time
	// Inject, if set, decides the fault of every Run instead of the profile, so that tests can make a
	// device misbehave.
	Inject func(m *model.Model) Fault
}

// Device is a simulator. Its methods may be called by several goroutines, but a second Run at the
// same time is refused.
type Device struct {
	spec *Spec
	info devices.Info

	busy  sync.Mutex // held by Run
	world world
	costs map[string]*cost // of recently timed models, by identity
}

var (
	_ devices.Profiler = (*Device)(nil)
	_ devices.Waiter   = (*Device)(nil)
)

// Open opens the simulator of a name. An unknown name wraps ErrUnknown; an invalid file gives a
// *strictyaml.Error. Both are the user's fault.
func Open(o Options) (*Device, error) {
	name, spec, info, err := load(o.Name)
	if err != nil {
		return nil, err
	}
	if o.Start.IsZero() {
		o.Start = time.Now().UTC()
	}
	return &Device{spec: spec, info: info, world: newWorld(spec, name, o)}, nil
}

// Describe returns the Info that Open's Device would have.
func Describe(name string) (devices.Info, error) {
	_, _, info, err := load(name)
	return info, err
}

func load(name string) (n Name, s *Spec, info devices.Info, err error) {
	if n, err = ParseName(name); err != nil {
		return n, nil, info, err
	}
	s, hash, err := n.load()
	if err != nil {
		return n, nil, info, err
	}
	info = devices.Info{
		Name: n.String(), Kind: devices.Simulated, Harness: "latlab-sim", Formats: slices.Clone(s.Formats),
		NeedsGraph: true, Delegate: s.Delegate, Threads: 1, Accelerator: s.Accelerator,
		Deterministic: n.Profile == Exact, Parallel: 1,
		Fingerprint: map[string]string{
			"simulator": s.Name, "constants_sha256": hash, "model_revision": revision,
			"profile": string(n.Profile), "unit": strconv.FormatUint(n.Unit, 10),
		},
	}
	for _, p := range s.Precisions {
		info.Precisions = append(info.Precisions, p.Precision)
		if p.Compute != "" {
			if info.Compute == nil {
				info.Compute = map[model.Precision]string{}
			}
			info.Compute[p.Precision] = p.Compute
		}
	}
	return n, s, info, nil
}

// Info describes the simulator.
func (d *Device) Info() devices.Info { return d.info }

// Close does nothing.
func (d *Device) Close() error { return nil }

// Run simulates one block.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	op := "time " + m.Name
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !d.busy.TryLock() {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: devices.ReasonBusy,
			Err: fmt.Errorf("%s is running a block already, and runs one at a time", d.info.Name)}
	}
	defer d.busy.Unlock()
	p, err := d.accepts(m, op)
	if err != nil {
		return nil, err
	}
	b, err := d.world.block(ctx, job{op: op, model: m, plan: plan, cost: d.costOf(m, p)})
	switch {
	case err != nil && ctx.Err() != nil: // the context wins over anything else that ended at the same moment
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	return b, nil
}

// maxCosts limits the cache to a batch's networks, whose rounds are interleaved.
const maxCosts = 256

// costOf evaluates a model once for all its blocks.
func (d *Device) costOf(m *model.Model, p *Precision) *cost {
	if c := d.costs[m.Identity]; c != nil {
		return c
	}
	if d.costs == nil || len(d.costs) >= maxCosts {
		d.costs = map[string]*cost{}
	}
	c := d.spec.evaluate(m.Graph, p)
	c.ops = nil
	d.costs[m.Identity] = &c
	return &c
}

// Wait advances virtual time, in which the device cools, by at most a day. It returns at once.
func (d *Device) Wait(ctx context.Context, t time.Duration) error {
	d.busy.Lock()
	defer d.busy.Unlock()
	d.world.wait(t.Seconds())
	return ctx.Err()
}

// Profile returns the time of each op without noise. The last row is the cost of the call itself.
func (d *Device) Profile(ctx context.Context, m *model.Model, _ devices.Plan) (*devices.Profile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := d.accepts(m, "profile "+m.Name)
	if err != nil {
		return nil, err
	}
	return &devices.Profile{
		Layers: d.spec.layers(m.Graph, p), Runs: 1, Runtime: d.info.Harness, ModelSHA256: m.Identity,
	}, nil
}

func (s *Spec) layers(g *graph.Graph, p *Precision) []devices.Layer {
	c := s.evaluate(g, p)
	where := "CPU"
	if s.Accelerator {
		where = s.Delegate
	}
	rows := make([]devices.Layer, 0, len(g.Ops)+1)
	for i, op := range g.Ops {
		l := devices.Layer{Name: op.Name, Op: string(op.Kind), Where: where, Nodes: []int{i}, Seconds: c.ops[i].seconds, MACs: g.MACs(op)}
		if c.ops[i].host {
			l.Where = "host"
		}
		rows = append(rows, l)
	}
	return append(rows, devices.Layer{Name: "call", Op: "overhead", Where: "host", Seconds: s.Overhead.CallSeconds.Value})
}

func (s *Spec) precision(p model.Precision) *Precision {
	for i := range s.Precisions {
		if s.Precisions[i].Precision == p {
			return &s.Precisions[i]
		}
	}
	return nil
}

// accepts returns the precision in which a model is computed, or an error that names the culprit.
func (d *Device) accepts(m *model.Model, op string) (*Precision, error) {
	p := d.spec.precision(m.Precision)
	switch {
	case p == nil || !slices.Contains(d.spec.Formats, m.Format):
		return nil, userError(op, devices.ReasonUnsupported, fmt.Errorf("%s takes %s in %s, not %s in %s",
			d.info.Name, text.Or(d.info.Formats), text.Or(d.info.Precisions), m.Format, m.Precision))
	case m.Graph == nil:
		return nil, userError(op, "no-graph", fmt.Errorf("%s computes times from a network's ops, and those of this file are not known", d.info.Name))
	}
	if err := d.spec.check(m.Graph); err != nil {
		return nil, &devices.Error{Fault: devices.FaultModel, Op: op, Reason: devices.ReasonRejected, Err: err}
	}
	return p, nil
}

// check refuses graphs that no device could run, and prevents a panic on broken ones.
func (s *Spec) check(g *graph.Graph) error {
	if len(g.Ops) == 0 {
		return errors.New("the network has no ops")
	}
	for i := range g.Ops {
		op := &g.Ops[i]
		if err := checkOp(g, op); err != nil {
			return err
		}
		if u := s.unsupported(op.Kind); u != nil && s.Host == nil {
			return fmt.Errorf("op %s is %s, which the device does not take: %s", op.Name, op.Kind, u.Why)
		}
	}
	for _, x := range slices.Concat(g.Inputs, g.Outputs) {
		if x < 0 || x >= len(g.Tensors) {
			return fmt.Errorf("the network names tensor %d of %d", x, len(g.Tensors))
		}
	}
	return nil
}

func checkOp(g *graph.Graph, op *graph.Op) error {
	if len(op.Inputs) == 0 && op.HasWeights() {
		return fmt.Errorf("op %s has no input", op.Name)
	}
	for _, xs := range [...][]int{op.Inputs, op.MoreOutputs} {
		for _, x := range xs {
			if x < 0 || x >= len(g.Tensors) {
				return fmt.Errorf("op %s names tensor %d of %d", op.Name, x, len(g.Tensors))
			}
		}
	}
	if x := op.Output; x < 0 || x >= len(g.Tensors) {
		return fmt.Errorf("op %s writes tensor %d of %d", op.Name, x, len(g.Tensors))
	}
	return nil
}

func userError(op, reason string, err error) error {
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: reason, Err: err}
}
