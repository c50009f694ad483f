// Package cases has the reports that the tests of the page, the model card and the charts
// write: little, much, of several kinds, and with hostile names.
package cases

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/devices"
	"latlab/exporters/report"
	"latlab/exporters/report/reporttest"
	"latlab/sampler"
)

// Collect is report.Collect of a store that holds the sweeps.
func Collect(t testing.TB, st bench.Reader, sweeps []bench.Sweep, costs []report.Cost, o report.Options) *report.Data {
	t.Helper()
	d, err := report.Collect(context.Background(), st, sweeps, costs, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Hostile are names that would do harm where somebody forgets to escape.
func Hostile(i int) string {
	return []string{
		`<script>alert(1)</script>`, `</script><script>alert(2)</script>`, `"><img src=x onerror=alert(3)>`,
		`' onmouseover='alert(4)`, `{{.Title}}`, `javascript:alert(5)`, "line\nbreak\u2028and\x00nul", `<!--`, `]]>`,
		strings.Repeat("w", 300), "\u202eright to left",
	}[i%11]
}

// HostileDevice is the first device of HostileData.
const HostileDevice = `<script>alert(1)</script>`

// Case is a report; Large ones take a second or more.
type Case struct {
	Name  string
	Make  func(t testing.TB) *report.Data
	Large bool
}

// All lists the cases.
func All() []Case {
	one := func(s reporttest.Spec) func(t testing.TB) *report.Data {
		return func(t testing.TB) *report.Data {
			st := memory.New()
			return Collect(t, st, []bench.Sweep{reporttest.Add(t, st, s)}, nil, report.Options{Now: reporttest.Began()})
		}
	}
	return []Case{
		{"empty", one(reporttest.Spec{}), false},
		{"one", one(reporttest.Spec{Networks: 1}), false},
		{"three", one(reporttest.Spec{Networks: 3, ProfileEvery: 3}), false},
		{"listed", one(reporttest.Spec{Networks: 12, Listed: true, NoSensor: true}), false},
		{"invalid", one(reporttest.Spec{Networks: 6, InvalidEvery: 1}), false},
		{"imprecise", one(reporttest.Spec{Networks: 30, ImpreciseEvery: 5, InvalidEvery: 11, DisturbedEvery: 6}), false},
		{"failed", one(reporttest.Spec{Networks: 6, FailEvery: 1}), false},
		{"fitted", Fitted, true},
		{"densities", Densities, true},
		{"kinds", SeveralKinds, false},
		{"hostile", HostileData, false},
		{"runs", TwoRuns, false},
	}
}

// Fitted is a sweep of the space of MobileDet with failures, and a cost model.
func Fitted(t testing.TB) *report.Data {
	st := memory.New()
	s := EdgeSpace(t)
	m := reporttest.Add(t, st, reporttest.Spec{Space: s, Networks: 150, Seed: 2, InvalidEvery: 20, FailEvery: 31, PlannedEvery: 41, ProfileEvery: 12, Kernel: "Convolution (NHWC, QC8) IGEMM"})
	cost := report.Cost{File: "folder/cost.json", Model: reporttest.Fit(t, st, m, s), Space: s, Modified: reporttest.Began()}
	return Collect(t, st, []bench.Sweep{m}, []report.Cost{cost}, report.Options{Now: reporttest.Began()})
}

// EdgeSpace is the space of MobileDet for an accelerator.
func EdgeSpace(t testing.TB) *sampler.Space {
	t.Helper()
	s, err := sampler.Builtin("mobiledet_edgetpu_tucker")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Densities has more networks than rows.
func Densities(t testing.TB) *report.Data {
	st, m, cost := fitted(t, 400)
	return Collect(t, st, []bench.Sweep{m}, []report.Cost{cost}, report.Options{Now: reporttest.Began(), MaxShown: 50})
}

func fitted(t testing.TB, networks int) (*memory.Store, bench.Sweep, report.Cost) {
	t.Helper()
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: networks, Seed: 2, InvalidEvery: 20})
	s := reporttest.Tiny(t)
	return st, m, report.Cost{File: "cost.json", Model: reporttest.Fit(t, st, m, s), Space: s}
}

// SeveralKinds are devices of all kinds, two of them simulated: three axes.
func SeveralKinds(t testing.TB) *report.Data {
	st, m, cost := fitted(t, 60)
	sweeps := []bench.Sweep{m}
	for i, k := range []devices.Kind{devices.Simulated, devices.Estimated, devices.Measured} {
		sweeps = append(sweeps, reporttest.Add(t, st, reporttest.Spec{Networks: 20 + i, Device: fmt.Sprintf("device %d", i), Kind: k}))
	}
	return Collect(t, st, sweeps, []report.Cost{cost}, report.Options{Now: reporttest.Began()})
}

// TwoRuns is a sweep that was measured anew after a change, the third run of it, and one whose runs have no VALID
// network in common.
func TwoRuns(t testing.TB) *report.Data {
	st := memory.New()
	var sweeps []bench.Sweep
	for run, slower := range []float64{0, 0.02, 0.1} {
		s := reporttest.Spec{Networks: 40, Run: run, Slower: slower, InvalidEvery: 9, FailEvery: 20 - run}
		sweeps = append(sweeps, reporttest.Add(t, st, s))
	}
	for run := range 2 {
		sweeps = append(sweeps, reporttest.Add(t, st, reporttest.Spec{Networks: 3, Device: Hostile(2), Run: run, InvalidEvery: 1}))
	}
	return Collect(t, st, sweeps, nil, report.Options{Now: reporttest.Began()})
}

// HostileData has hostile names wherever a name can be.
func HostileData(t testing.TB) *report.Data {
	st := memory.New()
	a := reporttest.Add(t, st, reporttest.Spec{Networks: 22, Device: HostileDevice, Listed: true, Name: Hostile, InvalidEvery: 5, FailEvery: 9, ProfileEvery: 4, Kernel: HostileDevice})
	s := reporttest.Tiny(t)
	b := reporttest.Add(t, st, reporttest.Spec{Networks: 40, Device: strings.Repeat("long-", 40), Name: Hostile})
	m := reporttest.Fit(t, st, b, s)
	m.Warnings = []string{Hostile(2)}
	m.Fingerprint = map[string]string{Hostile(1): Hostile(2)}
	// A space of the user's own may call things what it likes.
	own := *s
	own.Stages = slices.Clone(s.Stages)
	own.Stages[2].Layers = slices.Clone(own.Stages[2].Layers)
	choices := slices.Clone(own.Stages[2].Layers[0].Choices)
	choices[0].Name, choices[1].Name = Hostile(0), Hostile(9)
	own.Stages[2].Layers[0].Choices = choices
	return Collect(t, st, []bench.Sweep{a, b}, []report.Cost{{File: Hostile(2) + ".json", Model: m, Space: &own}}, report.Options{Now: reporttest.Began()})
}

// Repeated makes a report of one sweep one of n networks, by repeating its own: what a report
// weighs does not depend on who measured the networks. Rows are an even sample.
func Repeated(d *report.Data, n, rows int) {
	s := &d.Sweeps[0]
	c := &s.Networks
	distinct := c.Len()
	for i := distinct; i < n; i++ {
		of := i % distinct
		stretch := 1 + float64(i%997)/500
		c.Index, c.Name, c.Indices, c.ID = append(c.Index, i), append(c.Name, c.Name[of]), append(c.Indices, c.Indices[of]), append(c.ID, c.ID[of])
		c.Status, c.Verdict = append(c.Status, c.Status[of]), append(c.Verdict, c.Verdict[of])
		c.Seconds, c.MACs = append(c.Seconds, c.Seconds[of]*stretch), append(c.MACs, c.MACs[of]*stretch)
		c.Low, c.High = append(c.Low, c.Low[of]*stretch), append(c.High, c.High[of]*stretch)
		c.HottestC, c.Samples = append(c.HottestC, c.HottestC[of]), append(c.Samples, c.Samples[of])
		c.BlockSeconds = append(c.BlockSeconds, c.BlockSeconds[of])
		c.Reasons, c.Warnings = append(c.Reasons, c.Reasons[of]), append(c.Warnings, c.Warnings[of])
		for k := range d.Fits {
			on := &d.Fits[k].On[0]
			on.Predicted = append(on.Predicted, on.Predicted[of]*stretch*(1+float64(i%13)/100))
		}
	}
	s.Shown = nil
	for i := range rows {
		s.Shown = append(s.Shown, i*n/rows)
	}
}
