package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/version"
)

//go:embed assets
var assets embed.FS

// PageOptions are what a page says of where it comes from.
type PageOptions struct {
	// Store is the store's file, as the commands beneath the raw rows name it; empty = they
	// are left out.
	Store string
}

// HTML writes the page: one file that asks nothing of the network.
//
// Names come from files and devices and are hostile: html/template escapes them in the page,
// the script writes them as text alone, and the page's policy forbids any other script, any
// request and any form.
func HTML(w io.Writer, d *Data, o PageOptions) error {
	t, err := template.New("page.html").Funcs(template.FuncMap{"n": thousands}).ParseFS(assets, "assets/page.html")
	if err != nil {
		return err
	}
	p, err := newPage(d, o)
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
	Glance               glance
	Distributions        []chart
	Sweeps               []sweepView
	Fits                 []fitView
	Data                 pageData
}

type kindView struct{ Class, Word, Meaning string }

type field struct{ Name, Value string }

type sweepView struct {
	Number   int
	ID       string
	Title    string
	Kind     kindView
	Identity []field
	Prints   []field // what identifies the device and the tools
	Counts   []share
	Tally    Tally
	Planned  string // how many of the networks that were asked for are there
	Empty    bool
	Noise    string
	Time     chart
	Charts   []chart
	Bands    []bandView
	Rows     []rowView
	All      bool // every network has a row
	RowWords string
	Open     bool
	Fitted   []string
	Commands []string
	Plain    []string // what is missing, in words
}

// share is a part of a bar.
type share struct {
	Class, Word string
	N           int
	X, W        string
}

type bandView struct {
	Range, Sort string
	Networks    int
	Fastest     []linkView
}

type linkView struct{ Href, Text, Value, Sort string }

type rowView struct {
	Anchor              string
	Index               int
	Label, Indices      string
	Verdict, Class      string
	Seconds, MS         string // to sort by, and to read
	Width, WidthPercent string
	MACs, MACsMillions  string
	Predicted           []predictedView
	C, Celsius          string
	Samples             int
	Blocks              string
	Doubts              []string
	DoubtWords          string // how many, for a closed list
	DoubtCount          int
}

type predictedView struct{ Seconds, MS, Error, ErrorPercent string }

type fitView struct {
	Number    int
	Title     string
	Kind      kindView
	Identity  []field
	Prints    []field // hash of the data, and what identifies the device and the tools
	Figures   []field
	Warnings  []string
	Charts    []chart
	Residuals []residualView
	Heat      []chart
	HeatSteps []legend
	HeatMore  int
	HeatSeen  bool
	Fixtures  []fixtureView
	NoPoints  []Fixture
	Command   string
	On        int
	Apart     []string
}

type residualView struct {
	Sweep string
	Types []string
	Rows  []residualRow
}

type residualRow struct {
	Stage string
	Cells []residualCell
}

type residualCell struct{ Class, Mean, Spread string }

type fixtureView struct {
	Name, Total, Bias string
	Layers            []layerView
	More              int
}

type layerView struct {
	Position, Choice, Widths, MS, Seconds, Share, Bar, Seen string
}

// pageData is what the script shows on hover: shown networks, columns of equal length.
type pageData struct {
	SchemaVersion int         `json:"schema_version"`
	Sweeps        []sweepData `json:"sweeps"`
}

type sweepData struct {
	ID        string          `json:"id"`
	Models    []string        `json:"cost_models"` // files, in the order of Predicted
	Kind      devices.Kind    `json:"kind"`
	Row       []int           `json:"row"`
	Label     []string        `json:"label"`
	Seconds   []number        `json:"latency_seconds"`
	Low       []number        `json:"low_seconds"`
	High      []number        `json:"high_seconds"`
	Predicted [][]number      `json:"predicted_seconds"` // one list a cost model
	MACs      []number        `json:"macs"`
	HottestC  []number        `json:"hottest_celsius"`
	Verdict   []bench.Verdict `json:"verdict"`
}

// number is null in JSON where it is unknown.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if unknown(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// view is the data on its way to a page.
type view struct {
	data  *Data
	shown []map[int]bool
	fits  [][]FitOn // by sweep
	files [][]string
}

func newPage(d *Data, o PageOptions) (*page, error) {
	css, err := assets.ReadFile("assets/page.css")
	if err != nil {
		return nil, err
	}
	js, err := assets.ReadFile("assets/page.js")
	if err != nil {
		return nil, err
	}
	v := newView(d)
	p := &page{
		Title: v.title(), Made: when(d.Made), Version: version.Version,
		CSS: template.CSS(css), JS: template.JS(js), // our own files, not input
		Policy: fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", digest(css), digest(js)),
	}
	for _, k := range d.Kinds() {
		p.Kinds = append(p.Kinds, kindOf(k))
	}
	p.Mixed = len(p.Kinds) > 1
	p.Glance, p.Distributions = v.glance(), v.distributions()
	for i := range d.Sweeps {
		p.Sweeps = append(p.Sweeps, v.sweep(i, o))
		p.Data.Sweeps = append(p.Data.Sweeps, v.sweepData(i))
	}
	p.Data.SchemaVersion = 1
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

func newView(d *Data) *view {
	v := &view{data: d, fits: make([][]FitOn, len(d.Sweeps)), files: make([][]string, len(d.Sweeps))}
	for i := range d.Sweeps {
		shown := map[int]bool{}
		for _, r := range d.Sweeps[i].Shown {
			shown[r] = true
		}
		v.shown = append(v.shown, shown)
	}
	for i := range d.Fits {
		for _, on := range d.Fits[i].On {
			v.fits[on.Sweep] = append(v.fits[on.Sweep], on)
			v.files[on.Sweep] = append(v.files[on.Sweep], filepath.Base(d.Fits[i].File))
		}
	}
	return v
}

// numberCharts gives every picture an id of its own, for a device may be there twice, and its
// legend.
func numberCharts(p *page) {
	n := 0
	number := func(charts []chart) {
		for i := range charts {
			n++
			charts[i].ID, charts[i].Keys = fmt.Sprintf("c%d", n), charts[i].keys()
		}
	}
	number(p.Distributions)
	for i := range p.Sweeps {
		n++
		p.Sweeps[i].Time.ID, p.Sweeps[i].Time.Keys = fmt.Sprintf("c%d", n), p.Sweeps[i].Time.keys()
		number(p.Sweeps[i].Charts)
	}
	for i := range p.Fits {
		number(p.Fits[i].Charts)
		number(p.Fits[i].Heat)
	}
}

func (v *view) title() string {
	var names []string
	for i := range v.data.Sweeps {
		if n := v.data.Sweeps[i].Manifest.Device.Name; !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for i := range v.data.Fits {
		if n := v.data.Fits[i].Model.Device; !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "Latency"
	}
	return "Latency on " + strings.Join(names, ", ")
}

func kindOf(k devices.Kind) kindView {
	class := "other"
	if slices.Contains([]devices.Kind{devices.Measured, devices.Estimated, devices.Simulated}, k) {
		class = string(k)
	}
	return kindView{Class: class, Word: KindWord(k), Meaning: KindMeaning(k)}
}

// distributions are one a kind: kinds never share an axis.
func (v *view) distributions() []chart {
	var all []chart
	for _, k := range v.data.Kinds() {
		var of []int
		for i := range v.data.Sweeps {
			s := &v.data.Sweeps[i]
			if s.Manifest.Device.Kind == k && s.Tally.Blocks > 0 {
				of = append(of, i)
			}
		}
		if len(of) > 0 {
			c := v.data.distribution(of)
			c.Title += ", " + KindWord(k)
			all = append(all, c)
		}
	}
	return all
}

func (v *view) anchor(sweep, row int) string {
	if !v.shown[sweep][row] {
		return ""
	}
	return fmt.Sprintf("#s%dn%d", sweep, v.data.Sweeps[sweep].Networks.Index[row])
}

func (v *view) rowID(sweep, row int) string {
	if !v.shown[sweep][row] {
		return ""
	}
	return fmt.Sprintf("%d,%d", sweep, row)
}
