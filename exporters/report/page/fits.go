package page

import (
	"fmt"

	"latlab/exporters/report"
	"latlab/exporters/report/charts"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

type fitView struct {
	Number    int
	Title     string
	Kind      kindView
	Identity  []describe.Fact
	Versions  []describe.Fact // hash of the data, and what identifies the device and the tools
	Figures   []describe.Fact
	Warnings  []string
	Charts    []charts.Chart
	Residuals []charts.Residuals
	Heat      []charts.Chart
	HeatSteps []charts.Legend
	HeatMore  int
	HeatSeen  bool
	Fixtures  []fixtureView
	Unknown   []report.Fixture // networks that the model cannot predict
	Command   string
	On        int
	Apart     []string
}

type fixtureView struct {
	Name, Total, Bias, Unit string
	Layers                  []layerView
	More                    int
}

type layerView struct {
	Position, Choice, Widths, Seen string
	Latency, Share                 cell
	Bar                            charts.Place
}

func (v *view) fit(i int) fitView {
	f := &v.data.Fits[i]
	m := f.Model
	x := fitView{
		Number: i, Title: describe.CostTitle(f) + " on " + m.Device,
		Kind: kindOf(m.Kind), Identity: describe.CostFacts(f), Versions: describe.CostVersions(m), Figures: describe.Figures(m.Figures), Warnings: m.Warnings,
		Command: fmt.Sprintf("latlab export --cost %s --format csv -o table.csv", describe.Quoted(f.File)), On: len(f.On),
	}
	for _, a := range f.Apart {
		x.Apart = append(x.Apart, fmt.Sprintf("Not compared with sweep %s: %s.", v.data.Sweeps[a.Sweep].Manifest.ID, a.Why))
	}
	for _, on := range f.On {
		s := &v.data.Sweeps[on.Sweep]
		if on.Networks == 0 && s.Tally.Blocks == 0 {
			continue
		}
		a, b := charts.Predicted(v.data, on), charts.Errors(v.data, on)
		if len(f.On) > 1 {
			of := ", sweep " + s.Manifest.ID
			a.Title, b.Title = a.Title+of, b.Title+of
		}
		x.Charts = append(x.Charts, a, b)
		if len(on.Residuals) > 0 {
			x.Residuals = append(x.Residuals, charts.ResidualsOf(v.data, on))
		}
	}
	x.Heat, x.HeatSteps, x.HeatMore = charts.CostTable(f)
	x.HeatSeen = len(f.Heat) > 0 && f.Heat[0].Seen != nil
	for _, fx := range f.Fixtures {
		if fx.Why != "" {
			x.Unknown = append(x.Unknown, fx)
		} else {
			x.Fixtures = append(x.Fixtures, fixtureTable(fx))
		}
	}
	return x
}

func fixtureTable(f report.Fixture) fixtureView {
	layers := f.Layers[:min(charts.SlowestShown, len(f.Layers))]
	scale := describe.LayerScale(layers)
	x := fixtureView{Name: f.Name, Total: ui.Seconds(f.Seconds), Bias: ui.Seconds(f.Bias), Unit: scale.Unit(), More: len(f.Layers) - len(layers)}
	for _, l := range layers {
		seen := "unknown"
		if l.Seen >= 0 {
			seen = ui.Thousands(l.Seen)
		}
		x.Layers = append(x.Layers, layerView{
			Position: l.Position, Choice: l.Choice, Widths: fmt.Sprintf("%d to %d", l.In, l.Out),
			Latency: cell{sortable(l.Seconds), scale.Number(l.Seconds)}, Share: cell{sortable(l.Seconds), ui.Percent(l.Seconds / f.Seconds)},
			Bar: charts.Place(min(100, max(0, 100*l.Seconds/f.Layers[0].Seconds))), Seen: seen,
		})
	}
	return x
}
