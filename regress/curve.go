package regress

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// CurveHeldOut is how many networks each fit of a learning curve is tested on, at least.
const CurveHeldOut = 100

// curveSplits is how many random splits a point of a learning curve is the mean of.
const curveSplits = 5

// CurvePoint is how good a method is that was fitted on so many networks, tested on all others. A figure that is not
// defined in any split is nil.
type CurvePoint struct {
	Method   Method `json:"method"`
	Train    int    `json:"n_train"`
	Test     int    `json:"n_test"`
	Splits   int    `json:"splits"`
	R2       Spread `json:"r2"`
	MAPE     Spread `json:"mape"`
	Spearman Spread `json:"spearman"`
}

// Spread is a figure over several random splits: its mean, and the lowest and highest of them. All are nil if the figure
// is undefined.
type Spread struct {
	Mean *float64 `json:"mean"`
	Low  *float64 `json:"lowest"`
	High *float64 `json:"highest"`
}

// LearningCurve is Curve's result.
type LearningCurve struct {
	Networks     int          `json:"networks"`
	Points       []CurvePoint `json:"points"` // by size, then in the order of the methods
	NoiseCeiling *Ceiling     `json:"noise_ceiling"`
}

// Curve fits each method on 5, 10, 20, 50, 100, 200, 500, ... networks and tests it on the others, at least
// CurveHeldOut of them. The splits of a size are the same for all methods, but for Profile's, which begin with profiled networks. Fewer networks than 5 beside those held out
// are an *OptionError. The options' Method and Train are not used.
func Curve(ctx context.Context, data Data, methods []Method, o Options) (*LearningCurve, error) {
	nets, err := data.networks()
	if err != nil {
		return nil, err
	}
	c := &LearningCurve{Networks: len(nets), NoiseCeiling: ceilingOf(nets, data.NoiseDF, o.Seed)}
	sizes := curveSizes(len(nets))
	if len(sizes) == 0 {
		return nil, &OptionError{"curve", fmt.Sprintf("%d networks measured, and a learning curve needs %d: %d to fit and %d to test on",
			len(nets), firstSize+CurveHeldOut, firstSize, CurveHeldOut)}
	}
	d := newDesign(data.Space, nets)
	for _, m := range methods {
		o.Method, o.Train = m, 0
		if err := o.check(len(nets), Methods()); err != nil {
			return nil, err
		}
		fit, first, err := d.method(ctx, nets, data, o)
		if err != nil {
			return nil, err
		}
		points, err := d.heldOut(fit, first).curve(ctx, sizes, o)
		if err != nil {
			return nil, err
		}
		c.Points = append(c.Points, points...)
	}
	slices.SortStableFunc(c.Points, func(a, b CurvePoint) int { return a.Train - b.Train })
	return c, nil
}

const firstSize = 5

// curveSizes are 5, 10, 20, 50, ... networks, as long as enough are left to test on.
func curveSizes(n int) (sizes []int) {
	for decade := 1; ; decade *= 10 {
		for _, s := range []int{1, 2, 5} {
			size := s * decade
			if size > n-CurveHeldOut {
				return sizes
			}
			if size >= firstSize {
				sizes = append(sizes, size)
			}
		}
	}
}

// curve is the points of one method.
func (h heldOut) curve(ctx context.Context, sizes []int, o Options) ([]CurvePoint, error) {
	splits := make([][]pairs, len(sizes))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, size := range sizes {
		splits[i] = make([]pairs, curveSplits)
		for r := range curveSplits {
			g.Go(func() (err error) {
				splits[i][r], err = h.part(ctx, h.curveSplit(size, o.Seed, r))
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	points := make([]CurvePoint, len(sizes))
	for i, size := range sizes {
		points[i] = CurvePoint{
			Method: o.Method, Train: size, Test: len(h.seconds) - size, Splits: curveSplits,
			R2: spread(splits[i], pairs.r2), MAPE: spread(splits[i], pairs.mape), Spearman: spread(splits[i], pairs.spearman),
		}
	}
	return points, nil
}

// curveSplit is a random split whose training part has the networks of first before all others: of a method that needs
// profiles, the curve is over the number of profiled networks.
func (h heldOut) curveSplit(train int, seed uint64, r int) part {
	order := h.dealt(shuffled(len(h.seconds), seed, 1000+uint64(r)))
	p := part{order[:train], order[train:], r}
	slices.Sort(p.train)
	slices.Sort(p.test)
	return p
}

func spread(splits []pairs, figure func(pairs) float64) Spread {
	var s Spread
	sum, n := 0.0, 0
	for _, v := range splits {
		x := finite(figure(v))
		if x == nil {
			continue
		}
		sum, n = sum+*x, n+1
		if s.Low == nil || *x < *s.Low {
			s.Low = x
		}
		if s.High == nil || *x > *s.High {
			s.High = x
		}
	}
	s.Mean = finite(sum / float64(n)) // NaN without any
	return s
}
