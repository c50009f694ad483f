package report

import (
	"fmt"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/devices"
)

func (v *view) sweep(i int, o PageOptions) sweepView {
	s := &v.data.Sweeps[i]
	x := sweepView{
		Number: i, ID: s.Manifest.ID, Title: sweepName(s), Kind: kindOf(s.Manifest.Device.Kind),
		Identity: identity(s), Prints: fingerprint(s), Counts: shares(s.Tally),
		Tally: s.Tally, Planned: plannedWords(s), Noise: noise(s), All: len(s.Shown) == s.Networks.Len(), RowWords: rowWords(s),
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
	switch t := &s.Tally; {
	case t.Blocks > 0:
	case t.Failed > 0 && t.Failed == t.Networks:
		words = append(words, "Every network failed: there is nothing to draw. The failures below say whose fault it was.")
	case t.Failed > 0:
		words = append(words, fmt.Sprintf("No network has a block, and %s failed: there is nothing to draw.", thousands(t.Failed)))
	default:
		words = append(words, "No block of this sweep has been run: there is nothing to draw.")
	}
	if s.Manifest.Space == "" {
		words = append(words, "These are listed models, points of no space: latlab knows no MACs of them here, and no table of a cost model applies.")
	}
	if s.Tally.Measured > 0 && s.Tally.Valid == 0 {
		words = append(words, "No network is VALID: no latency of this sweep is fit to be quoted, and no fastest network is named. The table of verdicts says why.")
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
		{"estimator", orNone(s.Estimator)}, {"created", when(m.Created)}, {"first block", when(s.Tally.First)}, {"last block", lastBlock(s)},
		{"blocks", fmt.Sprintf("%s with %s", count(s.Tally.Blocks, "block"), count(s.Tally.Samples, "sample"))},
	}
}

// lastBlock says of a simulator why that may be later than the page: its time is its own.
func lastBlock(s *Sweep) string {
	if s.Manifest.Device.Kind == devices.Simulated && !s.Tally.Last.IsZero() {
		return when(s.Tally.Last) + ", in the simulator's time"
	}
	return when(s.Tally.Last)
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
	return fmt.Sprintf("%s: %d to %d blocks of %d to %d runs, until the interval is within %s", p.Name, p.MinBlocks, p.MaxBlocks, p.MinRuns, p.MaxRuns, plainPercent(p.HalfWidth))
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
			x.Fastest = append(x.Fastest, linkView{v.anchor(i, r), clipped(n.Label(r), 24), millis(n.Seconds[r]) + " ms", sortable(n.Seconds[r])})
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
	x.Doubts, x.DoubtWords = doubts(n, r)
	x.DoubtCount = len(x.Doubts)
	return x
}

// doubts are what speaks against a network's number, and how many of each sort in words.
func doubts(n *Networks, r int) (all []string, words string) {
	var parts []string
	if k := len(n.Reasons[r]); k > 0 {
		parts = append(parts, count(k, "reason"))
	}
	if k := len(n.Warnings[r]); k > 0 {
		parts = append(parts, count(k, "warning"))
	}
	for _, d := range n.Reasons[r] {
		all = append(all, "INVALID: "+d.Text)
	}
	for _, d := range n.Warnings[r] {
		all = append(all, "warning: "+d.Text)
	}
	return all, strings.Join(parts, ", ")
}

// plannedWords: a sweep that was stopped has fewer networks than were asked for.
func plannedWords(s *Sweep) string {
	t := &s.Tally
	if asked := s.Manifest.Networks; t.Networks < asked || t.Measured < asked {
		return fmt.Sprintf("Of %s asked for, %s planned and %s all blocks.", count(asked, "network"), wasWere(t.Networks), hasHave(t.Measured))
	}
	if t.Measured == 1 {
		return "The network that was asked for has all its blocks."
	}
	return fmt.Sprintf("All %s have all their blocks.", count(t.Measured, "network"))
}

func wasWere(n int) string {
	if n == 1 {
		return "1 was"
	}
	return thousands(n) + " were"
}

func hasHave(n int) string {
	if n == 1 {
		return "1 has"
	}
	return thousands(n) + " have"
}

func rowWords(s *Sweep) string {
	switch n := s.Networks.Len(); {
	case len(s.Shown) < n:
		return fmt.Sprintf("%s of the %s", thousands(len(s.Shown)), count(n, "network"))
	case n == 1:
		return "the network"
	default:
		return "all " + count(n, "network")
	}
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
