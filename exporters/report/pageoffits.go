package report

import (
	"fmt"
	"math"
	"path/filepath"

	"latlab/regress"
	"latlab/sampler"
)

func (v *view) fit(i int) fitView {
	f := &v.data.Fits[i]
	m := f.Model
	x := fitView{
		Number: i, Title: fmt.Sprintf("%s: %s on %s", filepath.Base(f.File), m.Method, m.Device),
		Kind: kindOf(m.Kind), Identity: costIdentity(f), Prints: costPrints(m), Figures: costFigures(m.Figures), Warnings: m.Warnings,
		Command: fmt.Sprintf("latlab export --cost %s --format csv -o table.csv", quoted(f.File)), On: len(f.On),
	}
	for _, a := range f.Apart {
		x.Apart = append(x.Apart, fmt.Sprintf("Not set beside sweep %s: %s.", v.data.Sweeps[a.Sweep].Manifest.ID, a.Why))
	}
	for _, on := range f.On {
		if on.Networks == 0 && v.data.Sweeps[on.Sweep].Tally.Blocks == 0 {
			continue
		}
		a, b := v.predictedOver(on), v.errorsOf(on)
		if len(f.On) > 1 {
			of := ", sweep " + v.data.Sweeps[on.Sweep].Manifest.ID
			a.Title, b.Title = a.Title+of, b.Title+of
		}
		x.Charts = append(x.Charts, a, b)
		if len(on.Residuals) > 0 {
			x.Residuals = append(x.Residuals, residualTable(on, v.data.Sweeps[on.Sweep].Manifest.ID))
		}
	}
	x.Heat, x.HeatSteps, x.HeatMore = heatCharts(f)
	x.HeatSeen = len(f.Heat) > 0 && f.Heat[0].Seen != nil
	for _, fx := range f.Fixtures {
		if fx.Why != "" {
			x.NoPoints = append(x.NoPoints, fx)
		} else {
			x.Fixtures = append(x.Fixtures, fixtureTable(fx))
		}
	}
	return x
}

func costIdentity(f *Fit) []field {
	m := f.Model
	fields := []field{
		{"file", f.File}, {"device", m.Device}, {"kind", KindWord(m.Kind)}, {"space", m.Space},
		{"precision", string(m.Precision)}, {"method", m.Method}, {"estimator", orNone(m.Estimator)},
		{"bias", duration(m.Bias)},
	}
	if m.MeasuredUntil != nil {
		fields = append(fields, field{"latencies until", when(*m.MeasuredUntil)})
	}
	if !f.Modified.IsZero() {
		fields = append(fields, field{"written", when(f.Modified)})
	}
	return fields
}

func costPrints(m *regress.CostModel) []field {
	fields := []field{{"data hash", orNone(m.DataHash)}}
	for _, k := range sortedKeys(m.Fingerprint) {
		fields = append(fields, field{k, m.Fingerprint[k]})
	}
	return fields
}

func costFigures(g regress.Figures) []field {
	return []field{
		{"r2, held out", figure(g.R2, fourDecimals)}, {"r2, adjusted", figure(g.AdjustedR2, fourDecimals)},
		{"r2, noise ceiling", figure(g.NoiseCeilingR2, fourDecimals)},
		{"MAPE", figure(g.MAPE, percent)}, {"RMSPE", figure(g.RMSPE, percent)},
		{"RMSE", figure(g.RMSESeconds, duration)},
		{"within 5 %", figure(g.Within5, percent)}, {"within 10 %", figure(g.Within10, percent)},
		{"Spearman", figure(g.Spearman, fourDecimals)}, {"Kendall", figure(g.Kendall, fourDecimals)},
		{"intervals of predictions", NotComputed}, {"drift since the fit", NotComputed},
		{"networks", fmt.Sprintf("trained on %s, tested on %s", thousands(g.NTrain), thousands(g.NTest))},
		{"held-out rule", orNone(g.Split)},
	}
}

// residualTable is stages by layer types.
func residualTable(on FitOn, sweep string) residualView {
	x := residualView{Sweep: sweep}
	top := 0.03 // with three steps: colours are not for errors below a per cent
	at := map[string]map[sampler.LayerType]Residual{}
	var stages []string
	for _, r := range on.Residuals {
		if at[r.Stage] == nil {
			at[r.Stage] = map[sampler.LayerType]Residual{}
			stages = append(stages, r.Stage)
		}
		at[r.Stage][r.Type] = r
		top = max(top, math.Abs(r.Mean))
	}
	var types []sampler.LayerType
	for _, t := range layerTypes() {
		if _, ok := at[""][t]; ok {
			types = append(types, t)
			x.Types = append(x.Types, string(t))
		}
	}
	for _, st := range stages {
		row := residualRow{Stage: st}
		if st == "" {
			row.Stage = "all stages"
		}
		for _, t := range types {
			row.Cells = append(row.Cells, residualOf(at[st], t, top))
		}
		x.Rows = append(x.Rows, row)
	}
	return x
}

func residualOf(of map[sampler.LayerType]Residual, t sampler.LayerType, top float64) residualCell {
	r, ok := of[t]
	if !ok {
		return residualCell{Class: "none", Mean: "–"}
	}
	steps := int(3*r.Mean/top + math.Copysign(1e-9, r.Mean))
	class := fmt.Sprintf("up%d", steps)
	if steps < 0 {
		class = fmt.Sprintf("down%d", -steps)
	}
	return residualCell{Class: class, Mean: signed(r.Mean), Spread: fmt.Sprintf("sd %s, %s", percent(r.SD), thousands(r.Networks))}
}

const slowestShown = 10

func fixtureTable(f Fixture) fixtureView {
	x := fixtureView{Name: f.Name, Total: millis(f.Seconds), Bias: millis(f.Bias), More: max(0, len(f.Layers)-slowestShown)}
	for _, l := range f.Layers[:min(slowestShown, len(f.Layers))] {
		seen := "unknown"
		if l.Seen >= 0 {
			seen = thousands(l.Seen)
		}
		x.Layers = append(x.Layers, layerView{
			Position: l.Position, Choice: l.Choice, Widths: fmt.Sprintf("%d to %d", l.In, l.Out),
			MS: millis(l.Seconds), Seconds: sortable(l.Seconds), Share: percent(l.Seconds / f.Seconds),
			Bar: pos(min(100, max(0, 100*l.Seconds/f.Layers[0].Seconds))), Seen: seen,
		})
	}
	return x
}
