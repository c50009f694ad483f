package page

import (
	"fmt"
	"strings"

	"latlab/bench"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters/report"
	"latlab/exporters/report/charts"
	"latlab/exporters/report/describe"
	"latlab/internal/ui"
)

type sweepView struct {
	Number   int
	ID       string
	Title    string
	Kind     kindView
	Identity []describe.Fact
	Versions []describe.Fact // what identifies the device and the tools
	Counts   []share
	Tally    report.Tally
	Planned  string // how many of the requested networks have their blocks
	Empty    bool
	Noise    string
	Used     string // share of undisturbed samples; empty if unknown
	Time     charts.Chart
	Charts   []charts.Chart
	Layers   []charts.Chart // where the time goes, of networks with a profile
	Profiles []profileView
	Bands    []bandView
	Rows     rowsView
	Commands []string
	Missing  []string
}

// share is a part of a bar.
type share struct {
	describe.Verdict
	X, W charts.Place
}

type bandView struct {
	Range    cell
	Networks int
	Fastest  []linkView
}

type linkView struct {
	Href, Text string
	Latency    cell
}

// rowsView is the table of networks.
type rowsView struct {
	Networks     string // which ones, in words
	All          bool   // every network has a row
	Open         bool
	Unit, Counts string // of latencies; of MACs, after the column's name
	Fitted       []string
	List         []rowView
}

type rowView struct {
	Anchor         string
	Index          int
	Label, Indices string
	Verdict, Class string
	Latency, Width cell
	MACs, Celsius  cell
	Predicted      []cell // latency predicted by each cost model, and its error
	Samples        int
	Blocks         string
	Doubts         []string
	DoubtWords     string // number of doubts, for a closed list
	DoubtCount     int
}

func (v *view) sweep(i int, store string) sweepView {
	s := &v.data.Sweeps[i]
	x := sweepView{
		Number: i, ID: s.Manifest.ID, Title: describe.Sweep(s), Kind: kindOf(s.Manifest.Device.Kind),
		Identity: describe.SweepFacts(s), Versions: describe.SweepVersions(s), Counts: shares(s.Tally),
		Tally: s.Tally, Planned: describe.Planned(s), Noise: describe.Noise(s), Used: describe.Undisturbed(s), Empty: s.Tally.Blocks == 0,
		Missing: describe.Missing(s), Bands: v.bands(i), Rows: v.rows(i),
	}
	if !x.Empty {
		x.Time = charts.OverTime(s)
		x.Charts = append(x.Charts, charts.Intervals(s))
		if len(s.Front) > 0 {
			x.Charts = append(x.Charts, charts.Front(v.data, i))
		}
	}
	if len(s.Profiles) > 0 {
		x.Layers, x.Profiles = []charts.Chart{charts.Along(s), charts.Roofline(s)}, profileViews(s)
	}
	if store != "" {
		x.Commands = []string{
			fmt.Sprintf("latlab show --db %s %s", describe.Quoted(store), s.Manifest.ID),
			fmt.Sprintf("latlab export --db %s --sweep %s --format jsonl -o %s.jsonl", describe.Quoted(store), s.Manifest.ID, s.Manifest.ID),
		}
	}
	return x
}

func shares(t report.Tally) []share {
	var all []share
	at := charts.Place(0)
	for _, v := range describe.Verdicts(t) {
		w := charts.Place(100 * float64(v.Networks) / float64(max(t.Networks, 1)))
		all = append(all, share{v, at, w})
		at += w
	}
	return all
}

func (v *view) bands(i int) []bandView {
	s := &v.data.Sweeps[i]
	n := &s.Networks
	ranges := describe.Ranges(s.Bands)
	var seconds []float64
	for _, b := range s.Bands {
		for _, r := range b.Fastest {
			seconds = append(seconds, n.Seconds[r])
		}
	}
	latency := ui.SecondsScale(seconds...)
	var all []bandView
	for k, b := range s.Bands {
		x := bandView{Range: cell{sortable(b.HighMACs), ranges[k]}, Networks: b.Networks}
		for _, r := range b.Fastest {
			x.Fastest = append(x.Fastest, linkView{charts.Anchor(v.data, i, r), describe.Clip(n.Label(r), 24), cell{sortable(n.Seconds[r]), latency.Format(n.Seconds[r])}})
		}
		for len(x.Fastest) < report.FastestOf {
			x.Fastest = append(x.Fastest, linkView{})
		}
		all = append(all, x)
	}
	return all
}

func (v *view) rows(i int) rowsView {
	s := &v.data.Sweeps[i]
	n := &s.Networks
	var seconds, macs []float64
	for _, r := range s.Shown {
		seconds, macs = append(seconds, n.Seconds[r]), append(macs, n.MACs[r])
	}
	latency, counts := ui.SecondsScale(seconds...), ui.CountScale(macs...)
	x := rowsView{Networks: rowWords(s), All: !s.Sampled(), Open: len(s.Shown) <= 20, Unit: latency.Unit(), Fitted: v.files[i]}
	if counts.Unit() != "" {
		x.Counts = ", " + counts.Unit()
	}
	for _, r := range s.Shown {
		x.List = append(x.List, v.row(i, r, latency, counts))
	}
	return x
}

func rowWords(s *report.Sweep) string {
	switch n := s.Networks.Len(); {
	case s.Sampled():
		return fmt.Sprintf("%s of the %s", ui.Thousands(len(s.Shown)), ui.Plural(n, "network"))
	case n == 1:
		return "the network"
	default:
		return "all " + ui.Plural(n, "network")
	}
}

func (v *view) row(i, r int, latency, counts ui.Scale) rowView {
	n := &v.data.Sweeps[i].Networks
	x := rowView{
		Anchor: strings.TrimPrefix(charts.Anchor(v.data, i, r), "#"), Index: n.Index[r], Label: n.Label(r), Indices: n.Indices[r],
		Verdict: string(n.Verdict[r]), Class: "valid",
		Latency: cell{sortable(n.Seconds[r]), latency.Number(n.Seconds[r])}, Width: cell{sortable(n.HalfWidth(r)), ui.Percent(n.HalfWidth(r))},
		MACs: cell{sortable(n.MACs[r]), counts.Number(n.MACs[r])}, Celsius: cell{"", "-"}, Samples: n.Samples[r],
	}
	switch {
	case n.Status[r] != bench.Measured:
		x.Verdict, x.Class = string(n.Status[r]), "none"
	case !n.Valid(r):
		x.Class = strings.ToLower(x.Verdict)
	}
	if !describe.Unknown(n.HottestC[r]) {
		x.Celsius = cell{sortable(n.HottestC[r]), ui.Digits(n.HottestC[r], 3)}
	}
	for _, on := range v.fits[i] {
		e := n.RelativeError(on.Predicted, r)
		x.Predicted = append(x.Predicted, cell{sortable(on.Predicted[r]), latency.Number(on.Predicted[r])}, cell{sortable(e), describe.Signed(e)})
	}
	var blocks []string
	for _, b := range n.BlockSeconds[r] {
		blocks = append(blocks, latency.Number(b))
	}
	x.Blocks = strings.Join(blocks, " ")
	x.Doubts, x.DoubtWords = doubts(n, r)
	x.DoubtCount = len(x.Doubts)
	return x
}

// doubts returns a network's reasons and warnings, and how many of each there are in words.
func doubts(n *report.Networks, r int) (all []string, words string) {
	var parts []string
	if k := len(n.Reasons[r]); k > 0 {
		parts = append(parts, ui.Plural(k, "reason"))
	}
	if k := len(n.Warnings[r]); k > 0 {
		parts = append(parts, ui.Plural(k, "warning"))
	}
	for _, d := range n.Reasons[r] {
		all = append(all, string(n.Verdict[r])+": "+d.Text)
	}
	for _, d := range n.Warnings[r] {
		all = append(all, "warning: "+d.Text)
	}
	return all, strings.Join(parts, ", ")
}

// sweepData is what the script shows of a sweep's networks: columns of equal length.
type sweepData struct {
	ID        string            `json:"id"`
	Models    []string          `json:"cost_models"` // files, in the order of Predicted
	Kind      devices.Kind      `json:"kind"`
	Row       []int             `json:"row"`
	Label     []string          `json:"label"`
	Seconds   []number          `json:"latency_seconds"`
	Low       []number          `json:"low_seconds"`
	High      []number          `json:"high_seconds"`
	Predicted [][]number        `json:"predicted_seconds"` // one list for each cost model
	MACs      []number          `json:"macs"`
	HottestC  []number          `json:"hottest_celsius"`
	Verdict   []verdict.Verdict `json:"verdict"`
}

func (v *view) sweepData(i int) sweepData {
	s := &v.data.Sweeps[i]
	n := &s.Networks
	d := sweepData{
		ID: s.Manifest.ID, Kind: s.Manifest.Device.Kind, Row: []int{}, Label: []string{}, Verdict: []verdict.Verdict{},
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
