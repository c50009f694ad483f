package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/bench/source"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/fixtures"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/model"
)

type verifyOptions struct {
	cost     string
	fixtures []string
	archs    string
	measureOptions
}

func (o *verifyOptions) register(f *flagSet) {
	f.cost(&o.cost)
	f.several(&o.fixtures, "fixture", "built-in network, by `NAME`, that is in the cost model's space; may be repeated")
	f.string(&o.archs, "archs", "networks as JSON lines, a `FILE` that sample wrote; - is stdin", "")
	f.db(&o.db)
	o.measureOptions.register(f)
}

func (o *verifyOptions) run(ctx context.Context, s streams) error {
	m, sp, err := loadCost(o.cost)
	if err != nil {
		return err
	}
	d, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer closeDevice(s, d)
	if err := sameDevice(o.cost, m, d.Info()); err != nil {
		return err
	}
	list, skipped, err := o.list(s, sp, d.Info(), m.Precision)
	if err != nil {
		return err
	}
	ests, err := o.measureList(ctx, s, d, list, nil)
	if err != nil {
		return err
	}
	rows := compareOne(m, sp, list, ests)
	n := bench.NewTally()
	for _, e := range ests {
		n.Add(e)
	}
	if err := printVerified(s, o.json, rows, m.Conclude(rows), d.Info().Kind); err != nil {
		return err
	}
	if skipped || slices.ContainsFunc(rows, func(v regress.Verified) bool { return v.Seconds == nil }) {
		return exitSilently(exitPartial)
	}
	return o.verdicts(n.Invalid, n.Imprecise)
}

// sameDevice refuses a device that the cost model is not for, such as one of the same name with
// different threads, affinity, runtime, library or machine.
func sameDevice(file string, m *regress.CostModel, now devices.Info) error {
	is := regress.ProvenanceOf(bench.Sweep{Device: now, Precision: m.Precision})
	is.Estimator = m.Estimator
	err := m.Provenance().Same(is)
	mixed, isMixed := errors.AsType[*regress.MixedError](err)
	if !isMixed {
		return err
	}
	if mixed.Field == "device" {
		return usagef("cost model %s is for device %s, --device is %s; verify it on %[2]s, or fit one on %[3]s", file, mixed.A, mixed.B)
	}
	return usagef("cost model %s is for device %s with %s %q, which now has %q; fit it again", file, now.Name, mixed.Field, mixed.A, mixed.B)
}

// list reads --fixture and --archs. skipped reports whether lines were skipped.
func (o *verifyOptions) list(s streams, sp *sampler.Space, info devices.Info, precision model.Precision) (list source.List, skipped bool, err error) {
	cache, err := o.cache.open()
	if err != nil {
		return nil, false, err
	}
	form, err := o.deviceForm(info, precision)
	if err != nil {
		return nil, false, err
	}
	add := func(name string, a sampler.Arch) error {
		l, err := verifyOne(name, sp, a, form, cache)
		list = append(list, l)
		return err
	}
	for _, name := range o.fixtures {
		f, err := fixtures.Get(name)
		if err != nil {
			return nil, false, withCode(exitUsage, err)
		}
		a, err := f.ArchIn(sp)
		if err != nil {
			return nil, false, usagef("fixture %s: %w", name, err)
		}
		if err := add(f.Name, a); err != nil {
			return nil, false, err
		}
	}
	if o.archs != "" {
		in, name, err := openInput(s, o.archs)
		if err != nil {
			return nil, false, err
		}
		defer in.Close()
		err = eachLine(s, in, name, onlySpace(sp), func(a sampler.Arch) error { return add(a.ID(), a) })
		if skipped = exitCodeIs(err, exitPartial); err != nil && !skipped {
			return nil, false, err
		}
	}
	if len(list) == 0 {
		return nil, skipped, usagef("name networks: --fixture NAME or --archs FILE")
	}
	return list, skipped, nil
}

func verifyOne(name string, sp *sampler.Space, a sampler.Arch, form model.Form, cache *model.Cache) (source.Listed, error) {
	n, err := source.Point(sp, a)
	if err != nil {
		return source.Listed{}, withCode(exitUsage, err)
	}
	n.Name = name
	return n.Listed(form, cache)
}

// compareOne puts predictions beside the estimates. A failed network has no estimate.
func compareOne(m *regress.CostModel, sp *sampler.Space, list source.List, ests []bench.Estimate) (rows []regress.Verified) {
	for i, l := range list {
		var measured *verdict.Measurement
		if i < len(ests) {
			measured = ests[i].M
		}
		rows = append(rows, m.Verify(sp, l.Name, l.Arch, measured))
	}
	return rows
}

func printVerified(s streams, asJSON bool, rows []regress.Verified, check regress.Check, kind devices.Kind) error {
	mape, measured := regress.MeanError(rows)
	if asJSON {
		return ui.Document(s.out, map[string]any{"networks": rows, "mape": mape, "kind": kind, "check": check})
	}
	scale := secondsScale(rows)
	lines := [][]string{{"NETWORK", "PREDICTED", strings.ToUpper(string(kind)), "INTERVAL", "ERROR", "VERDICT"}}
	for _, v := range rows {
		if v.Seconds == nil {
			lines = append(lines, []string{v.Name, scale.Format(v.Predicted), "failed", "", "", ""})
			continue
		}
		lines = append(lines, []string{v.Name, scale.Format(v.Predicted), scale.Format(*v.Seconds), bounds(scale, v.Low, v.High), fmt.Sprintf("%+.1f %%", 100**v.Error), string(*v.Verdict)})
	}
	if err := ui.Table(s.out, lines); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "mean error of %s: %s\n%s\n", ui.Plural(measured, "network"), ui.Optional(mape, ui.Percent), conclusion(check))
	return err
}

// conclusion says in a sentence whether the cost model still holds.
func conclusion(c regress.Check) string {
	if c.Factor == nil {
		return fmt.Sprintf("whether the cost model holds cannot be said of %s: verify 3 or more", ui.Plural(c.Networks, "network"))
	}
	factor := fmt.Sprintf("\n  latencies are %.3f times the predicted ones, 95 %% interval %.3f to %.3f", *c.Factor, *c.Low, *c.High)
	switch c.Conclusion {
	case regress.Holds:
		return "the cost model holds:" + factor
	case regress.Scaled:
		return "the cost model is off by one factor:" + factor
	case regress.Broken:
		return fmt.Sprintf("the cost model does not hold: beside a common factor, latencies are off by\n  %s, and by %s when it was fitted", ui.Percent(*c.Spread), ui.Percent(*c.Expected))
	}
	return "the cost model has no error of its own to compare with:" + factor
}

func secondsScale(rows []regress.Verified) ui.Scale {
	var all []float64
	for _, v := range rows {
		all = append(all, v.Predicted)
		if v.Seconds != nil {
			all = append(all, *v.Seconds)
		}
	}
	return ui.SecondsScale(all...)
}

func bounds(scale ui.Scale, low, high *float64) string {
	if low == nil || high == nil {
		return "none"
	}
	return scale.Range(*low, *high)
}
