package report

import (
	"fmt"
	"slices"
)

// predictedOver is predicted against measured latency.
func (v *view) predictedOver(on FitOn) chart {
	s := &v.data.Sweeps[on.Sweep]
	n := &s.Networks
	word := string(s.Manifest.Device.Kind)
	c := chart{
		Title:  "Predicted against " + word,
		Legend: []legend{{"dot", "network"}, {"bad", "INVALID"}, {"line", "equal"}, {"cut", "10 % off"}},
		Note:   on.Training.Words(),
	}
	x := newScale(true, n.Seconds, on.Predicted)
	tip := func(x, y, k float64) string {
		return fmt.Sprintf("%s about %s ms, predicted %s ms", count(int(k), "network"), digits(x*ms, 3), digits(y*ms, 3))
	}
	f := frame{Label: "predicted, ms", Height: 300, X: x.xAxis(word+" latency, ms", ms), Y: x.yAxis(ms)}
	f.Marks = v.dots(on.Sweep, x, x, n.Seconds, on.Predicted, tip, nil)
	ends := []float64{x.low, x.high}
	off := func(factor float64) string {
		return polyline(x, x, ends, []float64{x.low * factor, x.high * factor})
	}
	f.Over = []path{{"line", off(1)}, {"cut", off(1.1)}, {"cut", off(1 / 1.1)}}
	c.Frames = []frame{f}
	c.Legend = v.dotLegend(on.Sweep, c.Legend)
	c.Desc = fmt.Sprintf("Predicted against %s latency of %s; mean error %s, mean absolute error %s", word, count(on.Networks, "VALID network"), signed(on.Mean), percent(on.MeanAbsolute))
	return c
}

// errorsOf is the distribution of relative errors.
func (v *view) errorsOf(on FitOn) chart {
	n := &v.data.Sweeps[on.Sweep].Networks
	var errors []float64
	for r := range n.Len() {
		if e := relativeError(n, on.Predicted, r); n.Valid(r) && !unknown(e) {
			errors = append(errors, e)
		}
	}
	c := chart{
		Title: "Relative errors", Legend: []legend{{"dot", "VALID networks"}},
		Note: fmt.Sprintf("Prediction over latency, less 1: right of 0 the model predicts too much. Mean %s, mean absolute %s.", signed(on.Mean), percent(on.MeanAbsolute)),
	}
	if len(errors) == 0 {
		c.Note, c.Legend = "No VALID network is shown that has a prediction, so there are no errors to draw.", nil
	}
	c.Desc = c.Note
	if len(errors) == 0 {
		return c
	}
	x := newScale(false, errors, []float64{-0.01, 0.01})
	counts := histogram(x, 40, errors)
	y := scale{0, 1.1 * float64(max(slices.Max(counts), 1)), false}
	f := frame{Label: "networks", Height: 300, X: x.xAxis("relative error, %", 100), Y: wholeTicks(y)}
	f.Marks = bars(x, y, counts, "dot", func(low, high float64, n int) string {
		return fmt.Sprintf("%s from %s to %s", count(n, "network"), signed(low), signed(high))
	})
	f.Over = []path{{"line", polyline(x, y, []float64{0, 0}, []float64{0, y.high})}}
	c.Frames = []frame{f}
	return c
}
