// Package page writes a report as one HTML file that works offline.
//
// Names come from files and devices and may be hostile: html/template escapes them in the page, the
// script writes them only as text, and the page's policy forbids any other script, any request and
// any form. Charts are SVG that the template writes from charts.Chart, so that they need no script
// and take their colours from the theme or the paper; the script sorts tables and shows values. The
// package refuses to compute figures; its numbers come from report.Data.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"path/filepath"

	"latlab/devices"
	"latlab/exporters/report"
	"latlab/exporters/report/charts"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
	"latlab/internal/version"
)

//go:embed assets
var assets embed.FS

// Write writes the page. store is the store's file as it appears in the commands below the raw
// rows; if it is empty, these are left out.
func Write(w io.Writer, d *report.Data, store string) error {
	t, err := template.New("page.html").Funcs(template.FuncMap{"n": ui.Thousands}).ParseFS(assets, "assets/page.html")
	if err != nil {
		return err
	}
	p, err := newPage(d, store)
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

type page struct {
	Title, Made, Version string
	Policy               string
	CSS                  template.CSS
	JS                   template.JS
	Kinds                []kindView
	Mixed                bool
	Summary              summary
	Latencies            []charts.Chart
	Runs                 []runsView
	Sweeps               []sweepView
	Fits                 []fitView
	Data                 pageData
}

type kindView struct{ Class, Word, Meaning string }

// pageData is what the script shows on hover, for networks that have a row.
type pageData struct {
	SchemaVersion int         `json:"schema_version"`
	Sweeps        []sweepData `json:"sweeps"`
}

// number is null in JSON if it is unknown.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if describe.Unknown(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// view is the data with its cost models by sweep.
type view struct {
	data  *report.Data
	fits  [][]report.FitOn
	files [][]string
}

func newView(d *report.Data) *view {
	v := &view{data: d, fits: make([][]report.FitOn, len(d.Sweeps)), files: make([][]string, len(d.Sweeps))}
	for i := range d.Fits {
		for _, on := range d.Fits[i].On {
			v.fits[on.Sweep] = append(v.fits[on.Sweep], on)
			v.files[on.Sweep] = append(v.files[on.Sweep], filepath.Base(d.Fits[i].File))
		}
	}
	return v
}

func newPage(d *report.Data, store string) (*page, error) {
	style, err := assets.ReadFile("assets/page.css")
	if err != nil {
		return nil, err
	}
	css := charts.Colours + string(style)
	js, err := assets.ReadFile("assets/page.js")
	if err != nil {
		return nil, err
	}
	v := newView(d)
	p := &page{
		Title: describe.Title(d), Made: describe.Time(d.Made), Version: version.Version,
		CSS: template.CSS(css), JS: template.JS(js), // latlab's own files, not input
		Policy:  fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", digest([]byte(css)), digest(js)),
		Summary: summarize(d), Latencies: charts.Latencies(d), Data: pageData{SchemaVersion: 1},
	}
	for _, k := range d.Kinds() {
		p.Kinds = append(p.Kinds, kindOf(k))
	}
	p.Mixed = len(p.Kinds) > 1
	for i := range d.Runs {
		p.Runs = append(p.Runs, newRuns(d, i))
	}
	for i := range d.Sweeps {
		p.Sweeps = append(p.Sweeps, v.sweep(i, store))
		p.Data.Sweeps = append(p.Data.Sweeps, v.sweepData(i))
	}
	for i := range d.Fits {
		p.Fits = append(p.Fits, v.fit(i))
	}
	numberCharts(p)
	return p, nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// numberCharts gives every chart a different id, because a device may occur twice.
func numberCharts(p *page) {
	n := 0
	number := func(all []charts.Chart) {
		for i := range all {
			n++
			all[i].ID = fmt.Sprintf("c%d", n)
		}
	}
	number(p.Latencies)
	for i := range p.Sweeps {
		n++
		p.Sweeps[i].Time.ID = fmt.Sprintf("c%d", n)
		number(p.Sweeps[i].Charts)
		number(p.Sweeps[i].Layers)
	}
	for i := range p.Fits {
		number(p.Fits[i].Charts)
		number(p.Fits[i].Heat)
	}
}

func kindOf(k devices.Kind) kindView {
	class := "other"
	switch k {
	case devices.Measured, devices.Estimated, devices.Simulated:
		class = string(k)
	}
	return kindView{Class: class, Word: describe.Kind(k), Meaning: describe.KindMeaning(k)}
}
