package page

import (
	"cmp"
	"fmt"

	"latlab/bench/profile"
	"latlab/exporters/report"
	"latlab/exporters/report/charts"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// profileView is the tables of a network with a profile.
type profileView struct {
	Name    string
	Facts   string
	Unit    string // of all times
	Kernels bool   // some listed row names its kernel
	More    int    // rows that are not listed
	Rows    []opView
	Groups  []groupsView
}

type opView struct {
	Name, Type, Kernel, Input, Output string
	Seconds, Share, Rate, Intensity   cell
	Bar                               charts.Place
}

// groupsView is the sums by type of op, or by position.
type groupsView struct {
	Title, Of string
	Kernels   bool
	List      []groupView
}

type groupView struct {
	Name, Kernel                string
	Rows, Seconds, Share, Rates cell
}

func profileViews(s *report.Sweep) []profileView {
	var all []profileView
	for i := range s.Profiles {
		all = append(all, profileOf(s, &s.Profiles[i]))
	}
	return all
}

func profileOf(s *report.Sweep, p *report.Profile) profileView {
	rows := p.Table.Slowest()
	listed := rows[:min(charts.SlowestShown, len(rows))]
	var seconds []float64
	for i := range listed {
		seconds = append(seconds, listed[i].Seconds)
	}
	scale := ui.SecondsScale(seconds...)
	x := profileView{
		Name: describe.ProfileName(s, p), Unit: scale.Unit(), More: len(rows) - len(listed),
		Facts: fmt.Sprintf("%s in %s together", ui.Seconds(p.Table.Seconds), ui.Plural(len(rows), "row")),
	}
	if p.Runs > 1 {
		x.Facts += fmt.Sprintf(", median of %s", ui.Plural(p.Runs, "observed inference"))
	}
	x.Facts += "."
	if p.Overhead != nil {
		x.Facts += fmt.Sprintf(" Observing the ops costs %s.", ui.Overhead(*p.Overhead))
	}
	for i := range listed {
		r := &listed[i]
		o := opView{
			Name: describe.Clip(cmp.Or(r.Name, r.Op), 60), Type: r.Type, Kernel: describe.Clip(r.Kernel, 60),
			Seconds: cell{sortable(r.Seconds), scale.Number(r.Seconds)}, Share: cell{sortable(r.Share), ui.Percent(r.Share)},
			Rate: rateCell(r.Rate, 1e9), Intensity: rateCell(r.Intensity, 1), Bar: charts.Place(100 * r.Seconds / max(listed[0].Seconds, 1e-30)),
		}
		if r.InputShape != nil {
			o.Input, o.Output = ui.Shape(*r.InputShape), ui.Shape(*r.OutputShape)
		}
		x.Kernels = x.Kernels || r.Kernel != ""
		x.Rows = append(x.Rows, o)
	}
	for _, g := range []struct {
		title, of string
		list      []profile.Group
	}{{"By type of op", "type", p.Table.ByType}, {"By position in the space", "position", p.Table.ByPosition}} {
		if len(g.list) > 0 {
			x.Groups = append(x.Groups, groupsOf(g.title, g.of, g.list, scale))
		}
	}
	return x
}

func groupsOf(title, of string, list []profile.Group, scale ui.Scale) groupsView {
	v := groupsView{Title: title, Of: of}
	for _, g := range list {
		v.Kernels = v.Kernels || g.Kernel != ""
		v.List = append(v.List, groupView{
			Name: cmp.Or(describe.Clip(g.Name, 60), "none"), Kernel: describe.Clip(g.Kernel, 60), Rows: cell{sortable(float64(g.Rows)), ui.Thousands(g.Rows)},
			Seconds: cell{sortable(g.Seconds), scale.Number(g.Seconds)}, Share: cell{sortable(g.Share), ui.Percent(g.Share)}, Rates: rateCell(g.Rate, 1e9),
		})
	}
	return v
}

func rateCell(rate *float64, unit float64) cell {
	if rate == nil {
		return cell{"", ""}
	}
	return cell{sortable(*rate), ui.ThreeDigits(*rate / unit)}
}
