package charts

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/internal/atomicfile"
	"latlab/internal/ui"
)

// WriteFiles writes every picture to a folder as "png" or "svg", each file completely or not at all.
// It creates the folder if needed and keeps other files.
func WriteFiles(dir, format string, d *report.Data) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, p := range Pictures(d) {
		err := atomicfile.Write(filepath.Join(dir, p.Name+"."+format), func(w io.Writer) error { return p.Write(w, format) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Pictures returns the charts of the page as pictures, in its order, and its tables of verdicts,
// fastest networks, residuals and slowest layers as charts. A sweep without any measurement has
// only the picture of its verdicts.
func Pictures(d *report.Data) []Picture {
	var all []Picture
	for _, k := range d.Kinds() {
		charts := latencies(d, k)
		for _, c := range charts {
			name := "latency-"
			if c.Ranked && len(charts) > 1 {
				name = "ranking-"
			}
			all = append(all, pictureOf(name+fileWord(string(k)), k, "", c))
		}
	}
	for i := range d.Sweeps {
		all = append(all, sweepPictures(d, i)...)
	}
	for i := range d.Fits {
		all = append(all, costPictures(d, &d.Fits[i], fmt.Sprintf("cost%d", i+1))...)
	}
	return all
}

func sweepPictures(d *report.Data, i int) []Picture {
	s := &d.Sweeps[i]
	subject := describe.Device(s) + "; sweep " + s.Manifest.ID + ", " + cmp.Or(s.Manifest.Space, "listed models")
	var all []Picture
	add := func(name string, charts ...Chart) {
		if len(charts[0].Frames) > 0 {
			all = append(all, pictureOf(name+"-"+fileWord(s.Manifest.ID), s.Manifest.Device.Kind, subject, charts...))
		}
	}
	add("verdicts", verdicts(s))
	add("time", OverTime(s))
	add("intervals", Intervals(s))
	if len(s.Profiles) > 0 {
		add("layers", Along(s))
		add("roofline", Roofline(s))
	}
	if len(s.Front) > 0 {
		front := Front(d, i)
		front.Note += " Beneath: the fastest VALID network of each range of MACs."
		add("budgets", front, fastest(s))
	}
	return all
}

func costPictures(d *report.Data, f *report.Fit, name string) []Picture {
	m := f.Model
	subject := fmt.Sprintf("cost model %s (%s) of %s on %s, %s", filepath.Base(f.File), m.Method, m.Space, m.Device, m.Precision)
	var all []Picture
	add := func(name, subject string, c Chart) {
		if len(c.Frames) > 0 {
			all = append(all, pictureOf(name, m.Kind, subject, c))
		}
	}
	for _, on := range f.On {
		s := &d.Sweeps[on.Sweep]
		id, of := "-"+fileWord(s.Manifest.ID), subject+"; sweep "+s.Manifest.ID
		if s.Tally.Blocks > 0 {
			add(name+"-predicted"+id, of, Predicted(d, on))
		}
		add(name+"-errors"+id, of, Errors(d, on))
		if len(on.Residuals) > 0 {
			add(name+"-residuals"+id, of, ResidualsOf(d, on).chart())
		}
	}
	for k := range f.Fixtures {
		add(name+"-slowest-"+fileWord(f.Fixtures[k].Name), subject, slowestLayers(&f.Fixtures[k]))
	}
	if maps, legend, more := CostTable(f); len(maps) > 0 {
		all = append(all, tablePicture(name+"-table", subject, f, maps, legend, more))
	}
	return all
}

func tablePicture(name, subject string, f *report.Fit, maps []Chart, legend []Legend, more int) Picture {
	note := "One map a position: rows are layer choices, columns widths in channels. Darker is slower, on one scale for all maps. Where an output width has several columns, the input width rises from left to right."
	if more > 0 {
		note += fmt.Sprintf(" There is no room for %s.", ui.Plural(more, "further position"))
	}
	p := pictureOf(name, f.Model.Kind, subject, Chart{Title: "Latency of each layer, by the cost model", Note: note, Legend: legend})
	p.charts, p.columns, p.width, p.titles = maps, 3, 1.5*pictureWidth, true
	return p
}

// fileWord keeps the letters of a name that every file system accepts.
func fileWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, describe.Clip(s, 60))
}

// verdicts draws how many networks have each verdict, reason and warning.
func verdicts(s *report.Sweep) Chart {
	t := s.Tally
	words := func(n int) string {
		return fmt.Sprintf("%s (%s)", ui.Thousands(n), ui.Percent(float64(n)/float64(max(t.Networks, 1))))
	}
	var bars []bar
	add := func(name, class string, n int) { bars = append(bars, bar{name, class, float64(n), words(n)}) }
	for _, v := range describe.Verdicts(t) {
		add(v.Name, v.Class, v.Networks)
	}
	for _, c := range t.Reasons {
		add("INVALID: "+c.Words, "bad", c.Networks)
	}
	for _, c := range t.Warnings {
		add("warning: "+c.Words, "warning", c.Networks)
	}
	for _, f := range t.Failures {
		bars = append(bars, bar{
			fmt.Sprintf("given up: %s, %s", f.Fault, f.Reason), "failed", float64(f.Final),
			fmt.Sprintf("%s in %s", ui.Thousands(f.Final), ui.Plural(f.Attempts, "attempt")),
		})
	}
	c := barChart(bars, "networks")
	c.Title = "Verdicts, reasons and warnings"
	c.Note = fmt.Sprintf("%s planned, %s requested. A network may have several reasons and warnings; a warning does not make it INVALID.", ui.Plural(t.Networks, "network"), ui.Thousands(s.Manifest.Networks))
	return c
}

// SlowestShown is how many layers of a fixture are shown.
const SlowestShown = 10

// slowestLayers draws a fixture's slowest layers; without frames if the model has none.
func slowestLayers(x *report.Fixture) Chart {
	if x.Why != "" || len(x.Layers) == 0 {
		return Chart{}
	}
	layers := x.Layers[:min(SlowestShown, len(x.Layers))]
	u := describe.LayerScale(layers)
	var bars []bar
	for _, l := range layers {
		class := "dot"
		if l.Seen <= 0 {
			class = "rest"
		}
		bars = append(bars, bar{
			fmt.Sprintf("%s: %s, %d to %d", describe.Clip(l.Position, 24), describe.Clip(l.Choice, 24), l.In, l.Out), class, l.Seconds / u.Factor(),
			fmt.Sprintf("%s, %s", u.Format(l.Seconds), ui.Percent(l.Seconds/x.Seconds)),
		})
	}
	c := barChart(bars, axisLabel("predicted latency of the layer", u))
	c.Title = "Slowest layers of " + x.Name + ", predicted"
	c.Note = fmt.Sprintf("Predicted latency of the network: %s, of which the bias (part of every network's latency) is %s. The slowest %d of %s, with their share of the whole.",
		ui.Seconds(x.Seconds), ui.Seconds(x.Bias), len(layers), ui.Plural(len(x.Layers), "layer"))
	c.Legend = []Legend{{"dot", "seen in training"}, {"rest", "not seen in training, or unknown: value implied by related entries"}}
	return c
}
