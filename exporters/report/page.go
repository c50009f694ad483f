package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/version"
	"latlab/regress"
	"latlab/sampler"
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
	Asked    int
	Empty    bool
	Noise    string
	Time     chart
	Charts   []chart
	Bands    []bandView
	Rows     []rowView
	All      bool // every network has a row
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

type linkView struct{ Href, Text, Value string }

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
	Blocks, Doubts      string
}

type predictedView struct{ Seconds, MS, Error, ErrorPercent string }

type fitView struct {
	Number    int
	Title     string
	Kind      kindView
	Identity  []field
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
	p.Distributions = v.distributions()
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

// numberCharts gives every picture an id of its own: a device may be there twice.
func numberCharts(p *page) {
	n := 0
	number := func(charts []chart) {
		for i := range charts {
			n++
			charts[i].ID = fmt.Sprintf("c%d", n)
		}
	}
	number(p.Distributions)
	for i := range p.Sweeps {
		n++
		p.Sweeps[i].Time.ID = fmt.Sprintf("c%d", n)
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

func (v *view) sweep(i int, o PageOptions) sweepView {
	s := &v.data.Sweeps[i]
	x := sweepView{
		Number: i, ID: s.Manifest.ID, Title: deviceTitle(s), Kind: kindOf(s.Manifest.Device.Kind),
		Identity: identity(s), Prints: fingerprint(s), Counts: shares(s.Tally),
		Tally: s.Tally, Asked: s.Manifest.Networks, Noise: noise(s), All: len(s.Shown) == s.Networks.Len(),
		Open: len(s.Shown) <= 20, Fitted: v.files[i],
	}
	x.Empty = s.Tally.Blocks == 0
	if !x.Empty {
		x.Time = overTime(s)
		x.Charts = append(x.Charts, intervals(s))
		if len(s.Front) > 0 {
			x.Charts = append(x.Charts, v.budgets(i))
		}
	}
	x.Plain = missing(s)
	x.Bands = v.bands(i)
	for _, r := range s.Shown {
		x.Rows = append(x.Rows, v.row(i, r))
	}
	if o.Store != "" {
		x.Commands = []string{
			fmt.Sprintf("latlab show --db %s %s", quoted(o.Store), s.Manifest.ID),
			fmt.Sprintf("latlab export --db %s --sweep %s --format jsonl -o %s.jsonl", quoted(o.Store), s.Manifest.ID, s.Manifest.ID),
		}
	}
	return x
}

// missing says what a reader would look for in vain.
func missing(s *Sweep) []string {
	var words []string
	if s.Tally.Blocks == 0 {
		words = append(words, "No block of this sweep has been run: there is nothing to draw.")
	}
	if s.Manifest.Space == "" {
		words = append(words, "These are listed models, points of no space: latlab knows no MACs of them here, and no table of a cost model applies.")
	} else if s.Tally.Blocks > 0 && len(s.Front) == 0 {
		words = append(words, "No network is VALID, so no fastest one is named.")
	}
	return words
}

func identity(s *Sweep) []field {
	m := &s.Manifest
	d := &m.Device
	space := m.Space
	if space == "" {
		space = "listed models (no space)"
	}
	return []field{
		{"sweep", m.ID}, {"device", d.Name}, {"kind", KindWord(d.Kind)}, {"timed by", d.Harness},
		{"space", space}, {"networks", fmt.Sprintf("%s asked for, %s, seed %d", thousands(m.Networks), m.Sampling, m.Seed)},
		{"model", fmt.Sprintf("%s %s", m.Format, m.Precision)},
		{"settings", settings(*d)}, {"protocol", protocolWords(m.Protocol)},
		{"estimator", orNone(s.Estimator)}, {"created", when(m.Created)}, {"first block", when(s.Tally.First)}, {"last block", when(s.Tally.Last)},
		{"blocks", fmt.Sprintf("%s with %s", count(s.Tally.Blocks, "block"), count(s.Tally.Samples, "sample"))},
	}
}

func fingerprint(s *Sweep) []field {
	var fields []field
	for _, words := range []map[string]string{s.Manifest.Device.Fingerprint, s.Manifest.Tools} {
		for _, k := range sortedKeys(words) {
			fields = append(fields, field{k, words[k]})
		}
	}
	return fields
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func settings(d devices.Info) string {
	text := fmt.Sprintf("%s, delegate %s", count(d.Threads, "thread"), orNone(d.Delegate))
	if len(d.CPUs) > 0 {
		text += fmt.Sprintf(", CPUs %v", d.CPUs)
	}
	return text
}

func protocolWords(p bench.Protocol) string {
	return fmt.Sprintf("%s: %d to %d blocks of %d to %d runs, until the interval is within %s", p.Name, p.MinBlocks, p.MaxBlocks, p.MinRuns, p.MaxRuns, percent(p.HalfWidth))
}

func noise(s *Sweep) string {
	if s.Manifest.Device.Deterministic {
		return "none: a second block would be the first again"
	}
	return figure(s.Tally.NoiseCV, percent)
}

func shares(t Tally) []share {
	all := []share{
		{Class: "dot", Word: "VALID", N: t.Valid}, {Class: "bad", Word: "INVALID", N: t.Invalid},
		{Class: "failed", Word: "failed", N: t.Failed}, {Class: "rest", Word: "not finished", N: t.Unfinished},
	}
	at := 0.0
	for i := range all {
		w := 100 * float64(all[i].N) / float64(max(t.Networks, 1))
		all[i].X, all[i].W = pos(at), pos(w)
		at += w
	}
	return all
}

func (v *view) bands(i int) []bandView {
	s := &v.data.Sweeps[i]
	n := &s.Networks
	var all []bandView
	for _, b := range s.Bands {
		x := bandView{
			Range: millions(b.LowMACs) + " to " + millions(b.HighMACs) + " M", Sort: sortable(b.HighMACs), Networks: b.Networks,
		}
		for _, r := range b.Fastest {
			x.Fastest = append(x.Fastest, linkView{v.anchor(i, r), clipped(n.Label(r), 24), millis(n.Seconds[r]) + " ms"})
		}
		for len(x.Fastest) < fastestOf {
			x.Fastest = append(x.Fastest, linkView{})
		}
		all = append(all, x)
	}
	return all
}

// sortable is a number as the script sorts by it; unknown ones come last.
func sortable(x float64) string {
	if unknown(x) {
		return ""
	}
	return fmt.Sprint(x)
}

func (v *view) row(i, r int) rowView {
	n := &v.data.Sweeps[i].Networks
	x := rowView{
		Anchor: strings.TrimPrefix(v.anchor(i, r), "#"), Index: n.Index[r], Label: n.Label(r), Indices: n.Indices[r],
		Verdict: string(n.Verdict[r]), Class: "valid",
		Seconds: sortable(n.Seconds[r]), MS: millis(n.Seconds[r]),
		Width: sortable(n.HalfWidth(r)), WidthPercent: percent(n.HalfWidth(r)),
		MACs: sortable(n.MACs[r]), MACsMillions: millions(n.MACs[r]),
		C: sortable(n.HottestC[r]), Celsius: "–", Samples: n.Samples[r],
	}
	switch {
	case n.Status[r] != bench.Measured:
		x.Verdict, x.Class = string(n.Status[r]), "none"
	case !n.Valid(r):
		x.Class = "invalid"
	}
	if !unknown(n.HottestC[r]) {
		x.Celsius = digits(n.HottestC[r], 3)
	}
	for _, on := range v.fits[i] {
		e := relativeError(n, on.Predicted, r)
		x.Predicted = append(x.Predicted, predictedView{sortable(on.Predicted[r]), millis(on.Predicted[r]), sortable(e), signed(e)})
	}
	var blocks []string
	for _, b := range n.BlockSeconds[r] {
		blocks = append(blocks, millis(b))
	}
	x.Blocks = strings.Join(blocks, " ")
	var doubts []string
	for _, d := range n.Reasons[r] {
		doubts = append(doubts, "INVALID: "+d.Text)
	}
	for _, d := range n.Warnings[r] {
		doubts = append(doubts, "warning: "+d.Text)
	}
	x.Doubts = strings.Join(doubts, "; ")
	return x
}

func (v *view) sweepData(i int) sweepData {
	s := &v.data.Sweeps[i]
	n := &s.Networks
	d := sweepData{
		ID: s.Manifest.ID, Kind: s.Manifest.Device.Kind, Row: []int{}, Label: []string{}, Verdict: []bench.Verdict{},
		Models: append([]string{}, v.files[i]...), Predicted: make([][]number, len(v.fits[i])),
	}
	for _, r := range s.Shown {
		d.Row, d.Label, d.Verdict = append(d.Row, r), append(d.Label, n.Label(r)), append(d.Verdict, n.Verdict[r])
		d.Seconds, d.Low, d.High = append(d.Seconds, number(n.Seconds[r])), append(d.Low, number(n.Low[r])), append(d.High, number(n.High[r]))
		d.MACs, d.HottestC = append(d.MACs, number(n.MACs[r])), append(d.HottestC, number(n.HottestC[r]))
		for k, on := range v.fits[i] {
			d.Predicted[k] = append(d.Predicted[k], number(on.Predicted[r]))
		}
	}
	return d
}

func (v *view) fit(i int) fitView {
	f := &v.data.Fits[i]
	m := f.Model
	x := fitView{
		Number: i, Title: fmt.Sprintf("%s: %s on %s", filepath.Base(f.File), m.Method, m.Device),
		Kind: kindOf(devices.Kind(m.Kind)), Identity: costIdentity(f), Figures: costFigures(m.Figures), Warnings: m.Warnings,
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
		{"file", f.File}, {"device", m.Device}, {"kind", KindWord(devices.Kind(m.Kind))}, {"space", m.Space},
		{"precision", m.Precision}, {"method", m.Method}, {"estimator", orNone(m.Estimator)},
		{"bias", millis(m.Bias) + " ms"}, {"data hash", orNone(m.DataHash)},
	}
	if !f.Modified.IsZero() {
		fields = append(fields, field{"written", when(f.Modified)})
	}
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
		{"RMSE", figure(g.RMSESeconds, func(x float64) string { return millis(x) + " ms" })},
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
	top := 0.01 // colours are not for errors below a per cent
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
	steps := int(math.Round(3 * r.Mean / top))
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
