package regress

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"latlab/regress/features"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// layout numbers all table slots of a space consecutively, position by position.
type layout struct {
	space     *sampler.Space
	positions []sampler.Position
	offset    []int // of each position's first slot
	slots     int
}

func newLayout(s *sampler.Space) layout {
	l := layout{space: s, positions: s.Positions()}
	for _, p := range l.positions {
		l.offset = append(l.offset, l.slots)
		l.slots += p.Slots()
	}
	return l
}

// row lists the slots that an Arch uses, one per position.
func (l layout) row(a sampler.Arch) []int32 {
	row := make([]int32, len(l.positions))
	for p, e := range l.space.Entries(a) {
		row[p] = int32(l.offset[p] + e)
	}
	return row
}

// design is the data of a fit in the form that all methods use. Latencies are divided by their
// geometric mean, so that penalties and tolerances mean the same on a phone and on a simulator:
// scaling all latencies by c scales all predictions by c.
type design struct {
	layout
	rows  [][]int32 // table slots of each network
	y     []float64 // latency over scale
	roots weights
	scale float64 // seconds
}

// weights are the roots of the networks' weights; nil is a weight of 1 for all.
type weights []float64

// weigh gives a network whose variance is above the median weight in inverse proportion to it: an IMPRECISE
// measurement says less. Below the median all weigh the same, because there the model's own error is larger
// than the noise. A network of unknown variance has weight 1.
func weigh(variances []float64) weights {
	var known []float64
	for _, v := range variances {
		if v > 0 {
			known = append(known, v)
		}
	}
	if len(known) == 0 {
		return nil
	}
	slices.Sort(known)
	middle := stat.Quantile(0.5, stat.Empirical, known, nil)
	w := make(weights, len(variances))
	for i, v := range variances {
		w[i] = 1
		if v > middle {
			w[i] = math.Sqrt(middle / v)
		}
	}
	return w
}

func (w weights) root(i int) float64 {
	if w == nil {
		return 1
	}
	return w[i]
}

func newDesign(s *sampler.Space, nets []network) *design {
	l := newLayout(s)
	rows := make([][]int32, len(nets))
	for i, n := range nets {
		rows[i] = l.row(n.arch)
	}
	return scaled(l, rows, nets)
}

func scaled(l layout, rows [][]int32, nets []network) *design {
	seconds, variances := make([]float64, len(nets)), make([]float64, len(nets))
	for i, n := range nets {
		seconds[i], variances[i] = n.seconds, n.variance
	}
	d := &design{layout: l, rows: rows, roots: weigh(variances)}
	d.y, d.scale = relative(seconds)
	return d
}

// relative divides latencies by their geometric mean, the scale.
func relative(seconds []float64) (y []float64, scale float64) {
	scale = stat.GeometricMean(seconds, nil)
	return floats.ScaleTo(make([]float64, len(seconds)), 1/scale, seconds), scale
}

// entryFeatures are the op-level features of every table slot, from which a slot's weight is
// computed. values are per slot; bias holds the ops that do not depend on any decision.
type entryFeatures struct {
	features []features.Feature
	bias     []float64
	values   []float64 // slots x features
}

func (f *entryFeatures) at(slot int) []float64 {
	k := len(f.features)
	return f.values[slot*k : (slot+1)*k]
}

// newEntryFeatures lowers every reachable slot once. The 4,620 slots of a MobileDet space take
// some tens of milliseconds, so a cache between fits is not worth it.
func newEntryFeatures(ctx context.Context, l layout, columns []features.Feature) (*entryFeatures, error) {
	f := &entryFeatures{
		features: columns,
		bias:     make([]float64, len(columns)),
		values:   make([]float64, l.slots*len(columns)),
	}
	err := l.eachEntry(ctx, func(slot int, ops []graph.PaidOp) {
		sum := f.bias
		if slot >= 0 {
			sum = f.at(slot)
		}
		f.add(sum, l.space, ops)
	})
	return f, err
}

// eachEntry calls use with the ops of the bias, whose slot is -1, and of every reachable slot.
func (l layout) eachEntry(ctx context.Context, use func(slot int, ops []graph.PaidOp)) error {
	fixed, err := graph.BiasOps(l.space)
	if err != nil {
		return err
	}
	use(-1, fixed)
	for p, pos := range l.positions {
		if err := ctx.Err(); err != nil {
			return err
		}
		for e := range pos.Slots() {
			if !pos.Reachable(e) {
				continue
			}
			ops, err := graph.EntryOps(l.space, p, e)
			if err != nil {
				return fmt.Errorf("ops of %s, entry %d: %w", pos.Name, e, err)
			}
			use(l.offset[p]+e, ops)
		}
	}
	return nil
}

func (f *entryFeatures) add(sum []float64, s *sampler.Space, ops []graph.PaidOp) {
	for _, p := range ops {
		o := features.NewOp(p, s.Input.Height)
		for k, feature := range f.features {
			sum[k] += feature.Value(o)
		}
	}
}

// network is the features of a whole network, fixed ops included.
func (f *entryFeatures) network(row []int32) []float64 {
	sum := append([]float64(nil), f.bias...)
	for _, slot := range row {
		for k, v := range f.at(int(slot)) {
			sum[k] += v
		}
	}
	return sum
}

// collapse turns feature weights into the table: the weight of a slot is the sum over features
// of weight x value; the bias also includes the fixed ops.
func (f *entryFeatures) collapse(intercept float64, w []float64) solution {
	s := solution{bias: intercept + dot(w, f.bias), slots: make([]float64, len(f.values)/len(f.features))}
	for i := range s.slots {
		s.slots[i] = dot(w, f.at(i))
	}
	return s
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}

// solution is a fitted table in the design's units (latency over scale).
type solution struct {
	bias     float64
	slots    []float64
	features map[string]float64 // the feature weights, nil without features
	params   int                // number of non-zero fitted weights, without the bias
}

func (s solution) predict(row []int32) float64 {
	y := s.bias
	for _, slot := range row {
		y += s.slots[slot]
	}
	return y
}
