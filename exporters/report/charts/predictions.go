package charts

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"latlab/bench/verdict"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
	"latlab/sampler"
)

// Predicted draws predicted against measured latency.
func Predicted(d *report.Data, on report.FitOn) Chart {
	s := &d.Sweeps[on.Sweep]
	n := &s.Networks
	kind := string(s.Manifest.Device.Kind)
	x := newScale(true, n.Seconds, on.Predicted)
	u := ui.SecondsScale(slices.Concat(n.Seconds, on.Predicted)...)
	dots := cloud{data: d, sweep: on.Sweep, x: x, y: x, xs: n.Seconds, ys: on.Predicted, tip: func(x, y float64, networks string) string {
		return fmt.Sprintf("%s about %s, predicted %s", networks, u.Format(x), u.Format(y))
	}}
	errors := fmt.Sprintf("%s: mean error %s, mean absolute error %s.", ui.Plural(on.Networks, "VALID network"), describe.Signed(on.Mean), ui.Percent(on.MeanAbsolute))
	c := Chart{
		Title: "Predicted against " + kind + " latency", Legend: dots.legend(Legend{"line", "equal"}, Legend{"cut", "10 % off"}),
		Note: errors + " " + describe.Training(on.Training),
		Desc: "Predicted against " + kind + " latency. " + errors,
	}
	off := func(high, low float64) [][]Point { // within the frame
		return polyline(x, x, []float64{x.low * low, x.high / high}, []float64{x.low * high, x.high / low})
	}
	c.Frames = []Frame{{
		Label: axisLabel("predicted latency", u), Height: 300, X: x.xAxis(axisLabel(kind+" latency", u), 1/u.Factor()), Y: x.yAxis(1 / u.Factor()),
		Marks: dots.marks(), Over: []Path{{"line", off(1, 1)}, {"cut", off(1.1, 1)}, {"cut", off(1, 1.1)}},
	}}
	return c
}

// Errors draws the distribution of relative errors.
func Errors(d *report.Data, on report.FitOn) Chart {
	n := &d.Sweeps[on.Sweep].Networks
	var errors []float64
	for r := range n.Len() {
		if e := n.RelativeError(on.Predicted, r); n.Valid(r) && !describe.Unknown(e) {
			errors = append(errors, e)
		}
	}
	c := Chart{
		Title: "Relative errors of the predictions", Legend: []Legend{{"dot", "VALID networks"}, {"line", "no error"}},
		Note: fmt.Sprintf("(predicted - measured) / measured: right of 0 the prediction is too high. Mean %s, mean absolute %s.", describe.Signed(on.Mean), ui.Percent(on.MeanAbsolute)),
	}
	if len(errors) == 0 {
		c.Note, c.Legend = "No VALID network with a prediction is shown, so there are no errors to draw.", nil
	}
	c.Desc = c.Note
	if len(errors) == 0 {
		return c
	}
	x := newScale(false, errors, []float64{-0.01, 0.01})
	h := histogramOf{x: x, bins: 40, parts: []histogramPart{{verdict.Valid, errors}}, room: 1.1, tip: func(low, high float64, n int, _ verdict.Verdict) string {
		return fmt.Sprintf("%s from %s to %s", ui.Plural(n, "network"), describe.Signed(low), describe.Signed(high))
	}}
	f := h.frame("networks", 300, x.xAxis("relative error, %", 100))
	f.Over = []Path{{"line", vertical(x.x(0))}}
	c.Frames = []Frame{f}
	return c
}

// Residuals is a table of relative errors: stages by layer types.
type Residuals struct {
	Sweep string
	Types []string
	Rows  []ResidualRow
}

// ResidualRow is a stage.
type ResidualRow struct {
	Stage string
	Cells []ResidualCell
}

// ResidualCell is a layer type in a stage; Class is its colour.
type ResidualCell struct{ Class, Mean, Spread string }

// ResidualsOf computes the table of a cost model on a sweep.
func ResidualsOf(d *report.Data, on report.FitOn) Residuals {
	x := Residuals{Sweep: d.Sweeps[on.Sweep].Manifest.ID}
	top := 0.03 // with three steps: errors below a per cent get no colour
	at := map[string]map[sampler.LayerType]report.Residual{}
	var stages []string
	for _, r := range on.Residuals {
		if at[r.Stage] == nil {
			at[r.Stage] = map[sampler.LayerType]report.Residual{}
			stages = append(stages, r.Stage)
		}
		at[r.Stage][r.Type] = r
		top = max(top, math.Abs(r.Mean))
	}
	var types []sampler.LayerType
	for _, t := range report.LayerTypes() {
		if _, ok := at[""][t]; ok {
			types = append(types, t)
			x.Types = append(x.Types, string(t))
		}
	}
	for _, st := range stages {
		row := ResidualRow{Stage: st}
		if st == "" {
			row.Stage = "all stages"
		}
		for _, t := range types {
			row.Cells = append(row.Cells, residualCell(at[st], t, top))
		}
		x.Rows = append(x.Rows, row)
	}
	return x
}

func residualCell(of map[sampler.LayerType]report.Residual, t sampler.LayerType, top float64) ResidualCell {
	r, ok := of[t]
	if !ok {
		return ResidualCell{Class: "none", Mean: "–"}
	}
	steps := int(3*r.Mean/top + math.Copysign(1e-9, r.Mean))
	class := fmt.Sprintf("up%d", steps)
	if steps < 0 {
		class = fmt.Sprintf("down%d", -steps)
	}
	return ResidualCell{Class: class, Mean: describe.Signed(r.Mean), Spread: fmt.Sprintf("sd %s, %s", ui.Percent(r.SD), ui.Thousands(r.Networks))}
}

// chart draws the table as boxes, for pictures.
func (t Residuals) chart() Chart {
	f := Frame{Label: "stage", Height: 46 * len(t.Rows), X: Axis{Label: "layer type"}}
	w, h := 100/float64(len(t.Types)), 100/float64(len(t.Rows))
	for k, name := range t.Types {
		f.X.Ticks = append(f.X.Ticks, Tick{At: Place((float64(k) + 0.5) * w), Text: name})
	}
	for i, row := range t.Rows {
		f.Y.Ticks = append(f.Y.Ticks, Tick{At: Place((float64(i) + 0.5) * h), Text: describe.Clip(row.Stage, 40)})
		for k, cell := range row.Cells {
			f.Marks = append(f.Marks, Mark{
				X: Place((float64(k) + 0.01) * w), Y: Place((float64(i) + 0.02) * h), W: Place(0.98 * w), H: Place(0.96 * h),
				Class: cell.Class, Inside: strings.TrimSpace(cell.Mean + "\n" + cell.Spread),
			})
		}
	}
	return Chart{
		Title: "Relative errors by layer type and stage", Rows: true, Frames: []Frame{f},
		Note:   "Mean of (predicted - measured) / measured over the VALID networks that have such a layer in that stage, weighted by how many they have; beneath it the standard deviation and the number of networks. Where a cell differs from its neighbours, the model predicts that layer too low (below 0) or too high (above 0).",
		Legend: []Legend{{"up3", "predicted too high"}, {"up1", "slightly too high"}, {"down1", "slightly too low"}, {"down3", "too low"}},
	}
}
