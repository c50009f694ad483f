package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"latlab/bench"
	"latlab/bench/store"
	"latlab/devices"
	reportwords "latlab/exporters/report/describe"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/regress/observe"
)

// untilOptions ask for a precision, and say what it may cost.
type untilOptions struct{ until, budget string }

func (o *untilOptions) register(f *flagSet) {
	f.string(&o.until, "until", "`TARGET` half-width=1% of every interval, or mape=2% of the fit's held-out error: more blocks until it is reached", "")
	f.string(&o.budget, "budget", "end after a `DURATION` such as 30m, with blocks where they lower the error most", "")
}

// readUntil reads the flags. seed is that of the fit.
func (o *untilOptions) readUntil(seed uint64) (bench.Until, error) {
	var u bench.Until
	if o.budget != "" {
		d, err := time.ParseDuration(o.budget)
		if err != nil || d <= 0 {
			return u, usagef("--budget %q is no duration such as 30m or 1h30m", o.budget)
		}
		u.Budget = d
	}
	if o.until == "" {
		return u, nil
	}
	name, value, _ := strings.Cut(o.until, "=")
	x, ok := share(value)
	switch {
	case !ok:
		return u, usagef("--until %q: the target is a share such as half-width=1%% or mape=2%%, above 0 and below 100 %%", o.until)
	case name == "half-width":
		u.HalfWidth = x
	case name == "mape":
		u.MAPE, u.Fit = x, func(ctx context.Context, st bench.Reader, sweep string) (float64, float64, error) {
			return fitError(ctx, st, sweep, seed)
		}
	default:
		return u, usagef("--until %q: the targets are half-width and mape", o.until)
	}
	return u, nil
}

// share reads "1%", "1 %" or "0.01".
func share(text string) (float64, bool) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		x /= 100
	}
	return x, err == nil && x > 0 && x < 1
}

// checkUntil refuses what a sweep of these networks can never do on the device.
func (o *sweepOptions) checkUntil(m bench.Sweep, info devices.Info, networks int) error {
	u, err := o.readUntil(o.seed)
	switch {
	case err != nil:
		return err
	case u.MAPE > 0 && m.Space == "":
		return usagef("--until mape needs networks of a space, which latlab can fit; these are listed models")
	case u.MAPE > 0 && networks < regress.MinNetworks:
		return usagef("--until mape needs at least %d networks, which a fit needs; there are %d", regress.MinNetworks, networks)
	}
	return m.Protocol.CheckDevice(info)
}

// fitError is the held-out error of the sweep's fit, and that of a model that knows every latency.
func fitError(ctx context.Context, st bench.Reader, sweep string, seed uint64) (mape, noise float64, err error) {
	m, err := st.Sweep(ctx, sweep)
	if err != nil {
		return 0, 0, err
	}
	o, err := observe.Sampled(ctx, st, []bench.Sweep{m}, observe.Options{})
	if err != nil {
		return 0, 0, err
	}
	c, err := regress.Fit(ctx, o.Data, regress.Options{Seed: seed})
	if err != nil {
		return 0, 0, err
	}
	if c.Figures.MAPE == nil {
		return 0, 0, errors.New("the fit has no held-out error")
	}
	if c.Figures.NoiseCeiling != nil {
		noise = c.Figures.NoiseCeiling.MAPE
	}
	return *c.Figures.MAPE, noise, nil
}

// outlook says what a target needs by the noise in the store, "" where no half-width is asked for. The error is that
// of a target out of reach.
func outlook(ctx context.Context, st bench.Reader, u bench.Until, m bench.Sweep, networks int) (string, error) {
	if u.HalfWidth == 0 {
		return "", nil
	}
	noise, latency, err := bench.Seen(ctx, st, m)
	if err != nil {
		return "", err
	}
	o := bench.OutlookOf(m.Protocol.For(m.Device), u, noise, networks, latency)
	if !o.Known() {
		return fmt.Sprintf("too few earlier blocks of %s in the store: whether the target can be reached shows after the first rounds", m.Device.Name), nil
	}
	// Blocks that the sweep has already count; the loop asks again when it knows them.
	if _, err := st.Sweep(ctx, m.Identity()); errors.Is(err, bench.ErrNoSweep) {
		if err := o.Err(); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s: %s %s in all", o, o.About(), ui.Duration(o.Left)), nil
}

// dryOutlook is the outlook by the store of --db, which need not exist.
func (o *sweepOptions) dryOutlook(ctx context.Context, m bench.Sweep, d devices.Info, networks int) (string, error) {
	u, err := o.readUntil(o.seed)
	switch {
	case err != nil || d.Deterministic:
		return "", err
	case u.MAPE > 0:
		return "whether the fit's error can be reached shows after the first rounds", nil
	case u.HalfWidth == 0:
		return "", nil
	}
	m.Device = d
	none := fmt.Sprintf("no earlier blocks of %s in a store: whether the target can be reached shows after the first rounds", d.Name)
	if o.db == "" {
		return none, nil
	}
	st, err := store.OpenRead(ctx, o.db)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return "", inputError(err)
	}
	defer st.Close()
	return outlook(ctx, st, u, m, networks)
}

// untilLine says what ended a sweep with a target.
func (v *sweepSummary) untilLine() string {
	var how string
	switch {
	case v.until.MAPE > 0 && v.FitMAPE == nil:
		how = fmt.Sprintf("before the fit's held-out error was known; %s was asked for", ui.Percent(v.until.MAPE))
	case v.until.MAPE > 0:
		how = fmt.Sprintf("the fit's held-out error is %s, %s was asked for", ui.Percent(*v.FitMAPE), ui.Percent(v.until.MAPE))
	case v.Wide > 0:
		how = fmt.Sprintf("%s wider than +-%s, the widest %s", reportwords.Number(v.Wide, "interval is", "intervals are"), ui.Percent(v.target), plusMinus(v.Widest))
	default:
		how = fmt.Sprintf("every interval is within +-%s, the widest %s", ui.Percent(v.target), plusMinus(v.Widest))
	}
	switch v.EndedBy {
	case bench.EndedByTarget:
		return "target reached: " + how
	case bench.EndedByBudget:
		return "ended by its budget: " + how
	}
	return "ended short of its target, as no network may have another block: " + how
}

func plusMinus(half *float64) string {
	if half == nil {
		return "unknown"
	}
	return "+-" + ui.Percent(*half)
}

// setReached fills in how far the sweep came.
func (v *sweepSummary) setReached(u bench.Until, target float64, r bench.Reached) {
	if r.EndedBy == "" {
		return
	}
	v.until, v.target, v.EndedBy = u, target, r.EndedBy
	if r.MAPE > 0 {
		v.FitMAPE = &r.MAPE
	}
	if u.MAPE == 0 {
		if v.Wide = r.Wide; !math.IsInf(r.Widest, 0) {
			v.Widest = &r.Widest
		}
	}
}
