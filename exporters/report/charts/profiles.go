package charts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"latlab/bench/profile"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

// opClasses is how many types of op have a colour of their own.
const opClasses = 7

// opColours gives the types of op that take the most time a class each, and "rest" to all others.
func opColours(s *report.Sweep) (class func(kind string) string, legend []Legend) {
	seconds := map[string]float64{}
	var types []string
	for i := range s.Profiles {
		for _, r := range s.Profiles[i].Table.Rows {
			if _, seen := seconds[r.Type]; !seen {
				types = append(types, r.Type)
			}
			seconds[r.Type] += r.Seconds
		}
	}
	slices.SortStableFunc(types, func(a, b string) int { return cmp.Compare(seconds[b], seconds[a]) })
	classes := map[string]string{}
	for i, t := range types[:min(len(types), opClasses)] {
		classes[t] = fmt.Sprintf("k%d", i)
		legend = append(legend, Legend{classes[t], describe.Clip(t, 32)})
	}
	if len(types) > opClasses {
		legend = append(legend, Legend{"rest", "other types"})
	}
	return func(kind string) string { return cmp.Or(classes[kind], "rest") }, legend
}

func opTip(r *profile.Row) string {
	lines := []string{describe.Clip(cmp.Or(r.Name, r.Op), 60), r.Type}
	if r.Kernel != "" {
		lines = append(lines, describe.Clip(r.Kernel, 60))
	}
	if r.InputShape != nil {
		lines = append(lines, fmt.Sprintf("%s to %s", ui.Shape(*r.InputShape), ui.Shape(*r.OutputShape)))
	}
	lines = append(lines, fmt.Sprintf("%s, %s of all rows", ui.Seconds(r.Seconds), ui.Percent(r.Share)))
	if r.Rate != nil {
		lines = append(lines, ui.ThreeDigits(*r.Rate/1e9)+" GMACs/s")
	}
	if r.Intensity != nil {
		lines = append(lines, ui.ThreeDigits(*r.Intensity)+" MACs per byte")
	}
	return strings.Join(lines, "\n")
}

// Along draws where the time goes along a network: a bar for each row, in execution order.
func Along(s *report.Sweep) Chart {
	class, legend := opColours(s)
	c := Chart{
		Title: "Time along the network", Wide: true, Legend: legend,
		Note: "A bar for each row of the profile, in execution order, coloured by type of op. Times are inside observed inferences, not latency measurements." + describe.ProfilesShown(s),
	}
	most := 1
	for i := range s.Profiles {
		most = max(most, len(s.Profiles[i].Table.Rows))
	}
	x := scale{-0.02 * float64(most), 1.03 * float64(most), false} // a label has room at both ends
	var words []string
	for i := range s.Profiles {
		p := &s.Profiles[i]
		top := 0.0
		for _, r := range p.Table.Rows {
			top = max(top, r.Seconds)
		}
		y, u := scale{0, max(1.06*top, 1e-12), false}, ui.SecondsScale(top)
		f := Frame{
			Label: fmt.Sprintf("%s, %s", describe.ProfileName(s, p), u.Unit()), Height: 130,
			X: x.xAxis("row in execution order", 1), Y: Axis{Ticks: y.ticks(3, 1/u.Factor(), y.y)},
		}
		for k := range p.Table.Rows {
			r := &p.Table.Rows[k]
			height := max(100*y.at(r.Seconds), 0.5) // so that there is something to point at
			f.Marks = append(f.Marks, Mark{
				X: x.x(float64(k)), W: Place(88 / float64(most)), Y: Place(100 - height), H: Place(height), Class: class(r.Type), Tip: opTip(r),
			})
		}
		c.Frames = append(c.Frames, f)
		words = append(words, fmt.Sprintf("%s: %s, %s together", describe.ProfileName(s, p), ui.Plural(len(p.Table.Rows), "row"), ui.Seconds(p.Table.Seconds)))
	}
	c.Desc = "Time of each op along the network. " + strings.Join(words, ". ")
	return sharedX(c)
}

// Roofline draws how fast the multiply-accumulates of each row are done against its arithmetic intensity.
// The roof is what the rows themselves reach: no device says its own.
func Roofline(s *report.Sweep) Chart {
	class, legend := opColours(s)
	var xs, ys []float64
	bandwidth := 0.0
	drawn := map[string]bool{}
	each := func(f func(p *report.Profile, r *profile.Row)) {
		for i := range s.Profiles {
			for k := range s.Profiles[i].Table.Rows {
				if r := &s.Profiles[i].Table.Rows[k]; r.Rate != nil && r.Intensity != nil {
					f(&s.Profiles[i], r)
				}
			}
		}
	}
	each(func(_ *report.Profile, r *profile.Row) {
		xs, ys = append(xs, *r.Intensity), append(ys, *r.Rate)
		bandwidth = max(bandwidth, float64(r.Bytes())/r.Seconds)
		drawn[class(r.Type)] = true
	})
	c := Chart{Title: "Roofline of the ops"}
	if len(xs) == 0 {
		return c
	}
	for _, l := range legend {
		if drawn[l.Class] {
			c.Legend = append(c.Legend, l)
		}
	}
	c.Legend = append(c.Legend, Legend{"line", "the highest seen"})
	peak := slices.Max(ys)
	x, y := newScale(true, xs), newScale(true, ys)
	c.Note = fmt.Sprintf("Each dot is a row with multiply-accumulates: its rate against its arithmetic intensity, MACs per byte of activations and weights. "+
		"The line is the highest that any row reaches: %s GB/s of memory traffic left of the bend, %s GMACs/s right of it. Dots far below it leave the hardware idle.",
		ui.ThreeDigits(bandwidth/1e9), ui.ThreeDigits(peak/1e9))
	c.Desc = fmt.Sprintf("Rate of multiply-accumulates against arithmetic intensity of %s", ui.Plural(len(xs), "row"))
	f := Frame{Label: "GMACs/s", Height: 300, X: x.xAxis("MACs per byte", 1), Y: y.yAxis(1e-9)}
	each(func(p *report.Profile, r *profile.Row) {
		f.Marks = append(f.Marks, Mark{X: x.x(*r.Intensity), Y: y.y(*r.Rate), Class: class(r.Type), Tip: describe.ProfileName(s, p) + "\n" + opTip(r)})
	})
	line := []float64{max(x.low, y.low/bandwidth)}
	if bend := peak / bandwidth; bend > line[0] && bend < x.high {
		line = append(line, bend)
	}
	line = append(line, x.high)
	roof := make([]float64, len(line))
	for i, v := range line {
		roof[i] = min(peak, v*bandwidth)
	}
	f.Over = []Path{{"line", polyline(x, y, line, roof)}}
	c.Frames = []Frame{f}
	return c
}
