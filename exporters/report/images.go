package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"latlab/exporters"
)

// Picture is one picture of a report. It says itself which device its figures are of, and
// whether they are simulated, estimated or measured.
type Picture struct {
	Name  string // of its file, without the ending; made of letters that every file system takes
	sheet sheet
}

// Write draws it as "png" (144 dots an inch) or "svg". The same data give the same bytes.
func (p *Picture) Write(w io.Writer, format string) error { return p.sheet.write(w, format) }

// WritePictures writes every picture to a folder, each file whole or not at all; the folder is
// made where there is none. Files of other names stay.
func WritePictures(dir, format string, d *Data) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, p := range Pictures(d) {
		err := exporters.WriteFile(filepath.Join(dir, p.Name+"."+format), func(w io.Writer) error { return p.Write(w, format) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Pictures are the pictures of the page, in its order. A sweep of which nothing was measured
// has that of its verdicts alone.
func Pictures(d *Data) []Picture {
	v := newView(d)
	var all []Picture
	add := func(name string, s *sheet) {
		if s != nil {
			s.width = max(s.width, sheetWidth)
			all = append(all, Picture{Name: name, sheet: *s})
		}
	}
	for _, k := range d.Kinds() {
		add("latency-"+fileWord(string(k)), d.distributionSheet(k))
	}
	for i := range d.Sweeps {
		s := &d.Sweeps[i]
		id := fileWord(s.Manifest.ID)
		add("verdicts-"+id, verdictSheet(s))
		add("time-"+id, timeSheet(s))
		add("intervals-"+id, intervalSheet(s))
		add("budgets-"+id, v.budgetSheet(i))
	}
	for i := range d.Fits {
		f := &d.Fits[i]
		cost := fmt.Sprintf("cost%d", i+1)
		for _, on := range f.On {
			id := fileWord(d.Sweeps[on.Sweep].Manifest.ID)
			add(cost+"-predicted-"+id, v.predictedSheet(f, on))
			add(cost+"-errors-"+id, v.errorSheet(f, on))
			add(cost+"-residuals-"+id, residualSheet(f, on, id))
		}
		for k := range f.Fixtures {
			add(cost+"-slowest-"+fileWord(f.Fixtures[k].Name), slowestSheet(f, &f.Fixtures[k]))
		}
		add(cost+"-table", heatSheet(f))
	}
	return all
}

// fileWord keeps of a name what may be part of a file's.
func fileWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, clipped(s, 60))
}

func sweepSheet(s *Sweep, title string) *sheet {
	space := s.Manifest.Space
	if space == "" {
		space = "listed models"
	}
	return &sheet{
		title: title + ", " + KindWord(s.Manifest.Device.Kind), kind: s.Manifest.Device.Kind,
		subject: deviceTitle(s) + "; sweep " + s.Manifest.ID + ", " + space,
	}
}

func fitSheet(f *Fit, title string) *sheet {
	m := f.Model
	return &sheet{
		title: title + ", " + KindWord(m.Kind), kind: m.Kind,
		subject: fmt.Sprintf("cost model %s (%s) of %s on %s, %s", filepath.Base(f.File), m.Method, m.Space, m.Device, m.Precision),
	}
}
