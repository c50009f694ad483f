package report

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"latlab/bench"
	"latlab/bench/verdict"
	"latlab/fixtures"
	"latlab/regress"
	"latlab/sampler"
)

func collectFit(c Cost, sweeps []Sweep) (Fit, error) {
	p, err := regress.NewPredictor(c.Model, c.Space)
	if err != nil {
		return Fit{}, err
	}
	f := Fit{Cost: c, Heat: heat(c)}
	for i := range sweeps {
		if Belongs(c, sweeps[i].Manifest) != nil {
			continue
		}
		if err := checkComparable(c, &sweeps[i]); err != nil {
			f.Apart = append(f.Apart, Apart{Sweep: i, Why: err.Error()})
			continue
		}
		f.On = append(f.On, fitOn(c, p, sweeps, i))
	}
	f.Fixtures, err = fixtureCosts(c)
	return f, err
}

// checkComparable is nil if a model's latencies came about as the sweep's did. A foreign model
// has no fingerprint to compare.
func checkComparable(c Cost, s *Sweep) error {
	is, was := regress.ProvenanceOf(s.Manifest), c.Model.Provenance()
	is.Estimator = s.Estimator
	if was.Estimator == "" || is.Estimator == "" {
		was.Estimator, is.Estimator = "", ""
	}
	if was.Fingerprint == nil {
		is.Fingerprint = nil
	}
	var mixed *regress.MixedError
	if err := was.Same(is); errors.As(err, &mixed) {
		return fmt.Errorf("its %s is %q, the sweep's %q", mixed.Field, mixed.A, mixed.B)
	}
	return nil
}

func fitOn(c Cost, p *regress.Predictor, sweeps []Sweep, i int) FitOn {
	n := &sweeps[i].Networks
	on := FitOn{Sweep: i, Training: training(c, n), Predicted: make([]float64, n.Len())}
	r := newResiduals(c.Space)
	var sum, absolute float64
	for row := range n.Len() {
		on.Predicted[row] = math.NaN()
		a, err := c.Space.ParseArch(n.Indices[row])
		if err != nil {
			continue
		}
		on.Predicted[row] = p.Predict(a.Indices)
		if e := n.RelativeError(on.Predicted, row); n.Valid(row) {
			on.Networks++
			sum += e
			absolute += math.Abs(e)
			r.add(a, e)
		}
	}
	on.Mean, on.MeanAbsolute = sum/float64(on.Networks), absolute/float64(on.Networks)
	on.Residuals = r.list()
	return on
}

// training compares the hash of the model's data with that of the networks that are not INVALID, and of all:
// what fit takes, with --include-invalid and without.
func training(c Cost, n *Networks) Training {
	for _, withInvalid := range []bool{false, true} {
		data := regress.Data{Space: c.Space}
		for row := range n.Len() {
			if n.Status[row] != bench.Measured || !n.Measured(row) || !withInvalid && n.Verdict[row] == verdict.Invalid {
				continue
			}
			if a, err := c.Space.ParseArch(n.Indices[row]); err == nil {
				data.Observations = append(data.Observations, regress.Observation{Arch: a, Seconds: n.Seconds[row]})
			}
		}
		if data.Hash() == c.Model.DataHash {
			return Trained
		}
	}
	return Unsure
}

// residuals sums relative errors by stage and layer type.
type residuals struct {
	space *sampler.Space
	sums  map[cell]*moments
}

type cell struct {
	stage int // -1 = all
	kind  sampler.LayerType
}

type moments struct {
	networks         int
	weight, sum, sq2 float64
}

func newResiduals(s *sampler.Space) *residuals {
	return &residuals{space: s, sums: map[cell]*moments{}}
}

func (r *residuals) add(a sampler.Arch, e float64) {
	layers := map[cell]float64{}
	next, indices := 0, r.space.Flat(a.Indices)
	for si, st := range r.space.Stages {
		for li, l := range st.Layers {
			kind := l.Choices[indices[next+li]].Type
			layers[cell{si, kind}]++
			layers[cell{-1, kind}]++
		}
		next += len(st.Layers) + 1
	}
	for c, n := range layers {
		m := r.sums[c]
		if m == nil {
			m = &moments{}
			r.sums[c] = m
		}
		m.networks++
		m.weight += n
		m.sum += n * e
		m.sq2 += n * e * e
	}
}

// list is ordered: all stages first, then by stage, types in the order of layerTypes.
func (r *residuals) list() []Residual {
	var all []Residual
	for si := -1; si < len(r.space.Stages); si++ {
		for _, kind := range LayerTypes() {
			m := r.sums[cell{si, kind}]
			if m == nil {
				continue
			}
			mean := m.sum / m.weight
			x := Residual{Type: kind, Networks: m.networks, Mean: mean, SD: math.NaN()}
			if si >= 0 {
				x.Stage = r.space.Stages[si].Name
			}
			if m.networks > 1 {
				x.SD = math.Sqrt(max(0, m.sq2/m.weight-mean*mean) * float64(m.networks) / float64(m.networks-1))
			}
			all = append(all, x)
		}
	}
	return all
}

// LayerTypes lists the types of layers in the order in which residuals are shown.
func LayerTypes() []sampler.LayerType {
	return []sampler.LayerType{sampler.Conv, sampler.Separable, sampler.IBN, sampler.Bottleneck, sampler.Fused, sampler.Tucker, sampler.Skip}
}

func heat(c Cost) []Heat {
	var all []Heat
	for i, p := range c.Space.Positions() {
		all = append(all, heatOf(p, c.Model.Table[i]))
	}
	return all
}

func heatOf(p sampler.Position, t regress.TablePosition) Heat {
	h := Heat{Position: p.Name, SameWidth: p.SameWidth}
	type pair struct{ in, out int }
	var pairs []pair
	for out := range p.Out {
		for in := range p.In {
			if p.SameWidth && in != out {
				h.Unreachable += len(p.Choices)
				continue
			}
			pairs = append(pairs, pair{in, out})
			h.Columns = append(h.Columns, HeatColumn{In: p.In[in], Out: p.Out[out]})
		}
	}
	for ci, choice := range p.Choices {
		h.Choices = append(h.Choices, choice.Name)
		seconds, seen := make([]float64, len(pairs)), make([]int, len(pairs))
		for k, x := range pairs {
			e := p.Entry(x.out, x.in, ci)
			seconds[k] = t.Weights[e]
			if len(t.Seen) > 0 {
				seen[k] = t.Seen[e]
			}
		}
		h.Seconds = append(h.Seconds, seconds)
		if len(t.Seen) > 0 {
			h.Seen = append(h.Seen, seen)
		}
	}
	return h
}

func fixtureCosts(c Cost) ([]Fixture, error) {
	var all []Fixture
	for _, name := range fixtures.Names() {
		f, err := fixtures.Get(name)
		if err != nil {
			return nil, err
		}
		a, err := f.ArchIn(c.Space)
		if err != nil {
			all = append(all, Fixture{Name: name, Why: err.Error()})
			continue
		}
		all = append(all, fixtureCost(c, name, a))
	}
	return all, nil
}

func fixtureCost(c Cost, name string, a sampler.Arch) Fixture {
	f := Fixture{Name: name, Bias: c.Model.Bias, Seconds: c.Model.Predict(c.Space, a)}
	entries := c.Space.Entries(a)
	for i, p := range c.Space.Positions() {
		e, t := entries[i], c.Model.Table[i]
		out, in, choice := p.Split(e)
		l := LayerCost{
			Position: p.Name, Choice: p.Choices[choice].Name, In: p.In[in], Out: p.Out[out],
			Seconds: t.Weights[e], Seen: -1,
		}
		if len(t.Seen) > 0 {
			l.Seen = t.Seen[e]
		}
		f.Layers = append(f.Layers, l)
	}
	slices.SortStableFunc(f.Layers, func(x, y LayerCost) int { return cmp.Compare(y.Seconds, x.Seconds) })
	return f
}
