package page

import (
	"latlab/exporters"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// runsView is two runs side by side.
type runsView struct {
	Number int
	Title  string
	Kind   kindView
	Why    string
	Facts  []describe.Fact
	Notes  []string
	Unit   string
	List   []changeView
	More   int
}

type changeView struct {
	Network              string
	Before, After, Ratio cell
	Interval             cell
	Word                 string
}

// mostChanged is how many networks are listed.
const mostChanged = 200

func newRuns(d *report.Data, i int) runsView {
	r := d.Runs[i]
	after := &d.Sweeps[r.After]
	x := runsView{Number: i, Title: describe.Runs(d, r), Kind: kindOf(after.Manifest.Device.Kind), Why: r.Why}
	if r.Comparison == nil {
		return x
	}
	x.Facts = describe.RunsFacts(d, r)
	for _, n := range r.Comparison.Notes {
		x.Notes = append(x.Notes, n.Text)
	}
	pairs := r.Comparison.MostChanged(mostChanged)
	x.More = len(r.Comparison.Pairs) - len(pairs)
	var seconds []float64
	for _, p := range pairs {
		seconds = append(seconds, p.ASeconds, p.BSeconds)
	}
	scale := ui.SecondsScale(seconds...)
	x.Unit = scale.Unit()
	for _, p := range pairs {
		x.List = append(x.List, changeView{
			Network: p.Network, Before: cell{sortable(p.ASeconds), scale.Number(p.ASeconds)}, After: cell{sortable(p.BSeconds), scale.Number(p.BSeconds)},
			Ratio: cell{sortable(p.Ratio), describe.Ratio(p.Ratio)}, Interval: cell{sortable(exporters.OrNaN(p.Low)), describe.RatioInterval(p.Change)}, Word: p.Word(),
		})
	}
	return x
}
