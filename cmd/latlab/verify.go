package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/bench/source"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters/tunas"
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
	form, err := o.deviceForm(d.Info(), m.Precision)
	if err != nil {
		return err
	}
	list, skipped, err := o.list(s, sp, form)
	if err != nil {
		return err
	}
	v := verification{file: o.cost, m: m, sp: sp, list: list}
	if err := v.measure(ctx, s, d, &o.measureOptions); err != nil {
		return err
	}
	if o.json {
		err = ui.Document(s.out, v.document())
	} else {
		err = v.print(s)
	}
	if err != nil {
		return err
	}
	n := bench.NewTally()
	for _, e := range v.ests {
		n.Add(e)
	}
	if skipped || slices.ContainsFunc(v.rows, func(v regress.Verified) bool { return v.Seconds == nil }) {
		return exitSilently(exitPartial)
	}
	return o.verdicts(n.Invalid, n.Imprecise)
}

// verification is a cost model with networks that are timed to judge it.
type verification struct {
	file string // the cost model's
	m    *regress.CostModel
	sp   *sampler.Space
	list source.List

	kind  devices.Kind
	ests  []bench.Estimate
	rows  []regress.Verified
	check regress.Check
}

// measure times the networks and concludes. It refuses a device that the cost model is not for before it times
// anything, and latencies of another estimator after.
func (v *verification) measure(ctx context.Context, s streams, d devices.Device, o *measureOptions) error {
	v.kind = d.Info().Kind
	changed, err := v.sameDevice(d.Info())
	if err != nil {
		return err
	}
	if v.ests, err = o.measureList(ctx, s, d, v.list, nil); err != nil {
		return err
	}
	for _, e := range v.ests {
		if e.M != nil && e.M.Verdict != verdict.Invalid && v.m.Method != tunas.Imported && e.M.Estimator != v.m.Estimator {
			advice := "fit it again from its store"
			if stats.IsPercentile(v.m.Estimator) || stats.IsPercentile(e.M.Estimator) {
				advice = "choose the --protocol that its networks were timed by"
			}
			return usagef("cost model %s is fitted to the estimator %q, latencies are now by %q; %s", v.file, v.m.Estimator, e.M.Estimator, advice)
		}
	}
	v.rows = compareOne(v.m, v.sp, v.list, v.ests)
	v.check = v.m.Conclude(v.rows)
	v.check.Changed = changed
	return nil
}

// buildAndUnit are the parts of a device's fingerprint that may differ from the cost model's: whether it holds
// in spite of that is the question.
var buildAndUnit = []string{"build", "delegate_sha256", "library_sha256", "model_revision", "os", "runtime", "serial", "unit"}

// sameDevice refuses a device that the cost model is not for, such as one of the same name with different threads,
// affinity or hardware. It lists what has changed of the build and the unit.
func (v *verification) sameDevice(now devices.Info) (changed []string, err error) {
	was, is := v.m.Provenance(), regress.ProvenanceOf(bench.Sweep{Device: now, Precision: v.list.Form().Precision})
	is.Estimator = was.Estimator // known once something is timed
	was.Fingerprint = maps.Clone(was.Fingerprint)
	if v.m.Method == tunas.Imported { // the module says nothing of the machine; the user's name for it must do
		is.Fingerprint = nil
	}
	for _, key := range buildAndUnit {
		if a, b := was.Fingerprint[key], is.Fingerprint[key]; a != b {
			changed = append(changed, fmt.Sprintf("%s was %q, is %q", key, a, b))
		}
		delete(was.Fingerprint, key)
		delete(is.Fingerprint, key)
	}
	err = was.Same(is)
	mixed, isMixed := errors.AsType[*regress.MixedError](err)
	switch {
	case !isMixed:
		return changed, err
	case mixed.Field == "device":
		return nil, usagef("cost model %s is for device %s, --device is %s; verify it on %[2]s, or fit one on %[3]s", v.file, mixed.A, mixed.B)
	case mixed.Field == "precision":
		return nil, usagef("cost model %s is for %s, networks are to be timed in %s; choose the same --precision", v.file, mixed.A, mixed.B)
	}
	return nil, usagef("cost model %s is for device %s with %s %q, which now has %q; fit it again", v.file, now.Name, mixed.Field, mixed.A, mixed.B)
}

// list reads --fixture and --archs. skipped reports whether lines were skipped.
func (o *verifyOptions) list(s streams, sp *sampler.Space, form model.Form) (list source.List, skipped bool, err error) {
	cache, err := o.cache.open()
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

func (v *verification) document() map[string]any {
	mape, _ := regress.MeanError(v.rows)
	return map[string]any{"networks": v.rows, "mape": mape, "kind": v.kind, "check": v.check}
}

func (v *verification) print(s streams) error {
	mape, measured := regress.MeanError(v.rows)
	scale := secondsScale(v.rows)
	lines := [][]string{{"NETWORK", "PREDICTED", strings.ToUpper(string(v.kind)), "INTERVAL", "ERROR", "VERDICT"}}
	for _, v := range v.rows {
		if v.Seconds == nil {
			lines = append(lines, []string{v.Name, scale.Format(v.Predicted), "failed", "", "", ""})
			continue
		}
		lines = append(lines, []string{v.Name, scale.Format(v.Predicted), scale.Format(*v.Seconds), bounds(scale, v.Low, v.High), fmt.Sprintf("%+.1f %%", 100**v.Error), string(*v.Verdict)})
	}
	if err := ui.Table(s.out, lines); err != nil {
		return err
	}
	for _, c := range v.check.Changed {
		printUnder(s.out, "since the fit,", c)
	}
	_, err := fmt.Fprintf(s.out, "mean error of %s: %s\n%s\n", ui.Plural(measured, "network"), ui.Optional(mape, ui.Percent), conclusion(v.check))
	return err
}

// conclusion says in a sentence whether the cost model still holds.
func conclusion(c regress.Check) string {
	if c.Factor == nil {
		return fmt.Sprintf("whether the cost model holds cannot be said: it takes 3 networks that are\n  measured and not INVALID, and there are %d", c.Networks)
	}
	factor := fmt.Sprintf("\n  latencies are %.3f times the predicted ones, 95 %% interval %.3f to %.3f", *c.Factor, *c.Low, *c.High)
	switch c.Conclusion {
	case regress.Holds:
		return "the cost model holds:" + factor
	case regress.Scaled:
		return "the cost model is off by one factor:" + factor
	case regress.Broken:
		return fmt.Sprintf("the cost model does not hold: beside a common factor, latencies are off by\n  %s, where its own error and the noise of the measurements make %s", ui.Percent(*c.Spread), ui.Percent(*c.Expected))
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
