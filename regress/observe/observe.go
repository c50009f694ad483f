// Package observe reads from a store the measurements that regress fits: of sampled networks,
// and of a user's own files with their features. It decides which measurements a fit may take;
// what may be joined, regress decides, and the store is bench's.
package observe

import (
	"cmp"
	"context"
	"time"

	"latlab/bench"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/regress"
)

// Options of reading.
type Options struct {
	WithInvalid bool // take INVALID measurements too
	Profiles    bool // read the networks' profiles too (Sampled only)
	// Now limits how new measurements can be: a block that ended later was timed by a clock that was ahead, and says
	// nothing of their age. The zero value limits nothing.
	Now time.Time
}

// Networks are the measurements of sweeps of one space, joined, and how many were INVALID.
type Networks struct {
	regress.Data
	Invalid int // left out unless Options take them
}

// Sampled reads sweeps for regress.Fit. Sweeps that must not be mixed are a
// regress.MixedError, one of listed models a regress.OptionError.
func Sampled(ctx context.Context, st bench.Reader, sweeps []bench.Sweep, o Options) (Networks, error) {
	var n Networks
	var parts []regress.Data
	for _, m := range sweeps {
		sp, err := m.LoadSpace()
		if err != nil {
			return n, err
		}
		if sp == nil {
			return n, &regress.OptionError{
				Option: "sweep " + m.ID, Reason: "its networks are listed models, which are not in any search space; fit it alone",
			}
		}
		d := regress.Data{Space: sp, Provenance: regress.ProvenanceOf(m)}
		taken := map[int]timed{}
		n.Invalid, err = each(ctx, st, m.ID, n.Invalid, o, func(e bench.Estimate, estimator string) error {
			a, err := sp.ParseArch(e.Network.Indices)
			d.Observations = append(d.Observations, regress.Observation{Arch: a, Seconds: e.M.Seconds, SD: e.M.StandardError})
			d.Estimator, d.MeasuredUntil, d.NoiseDF = estimator, o.ended(e, d.MeasuredUntil), e.M.NoiseDF
			taken[e.Network.Index] = timed{arch: a, model: e.Network.Model, blocks: e.Blocks}
			return err
		})
		if err == nil && o.Profiles {
			d.Profiles, err = profiles(ctx, st, m, sp, taken)
		}
		if err != nil {
			return n, err
		}
		parts = append(parts, d)
	}
	var err error
	n.Data, err = regress.Merge(parts...)
	return n, err
}

// Models are the measurements of sweeps of listed models, joined, and how many were INVALID.
type Models struct {
	regress.FeatureData
	Invalid int // left out unless Options take them
}

// Listed reads sweeps for regress.FitFeatures, with the features stored with the networks.
func Listed(ctx context.Context, st bench.Reader, sweeps []bench.Sweep, o Options) (Models, error) {
	var l Models
	var parts []regress.FeatureData
	for _, m := range sweeps {
		d := regress.FeatureData{Provenance: regress.ProvenanceOf(m)}
		var err error
		l.Invalid, err = each(ctx, st, m.ID, l.Invalid, o, func(e bench.Estimate, estimator string) error {
			d.Rows = append(d.Rows, regress.FeatureRow{
				Name: e.Network.Name, Model: e.Network.Model, Features: e.Network.Features, Seconds: e.M.Seconds, SD: e.M.StandardError,
			})
			d.Estimator, d.MeasuredUntil, d.NoiseDF = estimator, o.ended(e, d.MeasuredUntil), e.M.NoiseDF
			return nil
		})
		if err != nil {
			return l, err
		}
		parts = append(parts, d)
	}
	var err error
	l.FeatureData, err = regress.MergeFeatures(parts...)
	return l, err
}

// ended is the later of a time and the end of an estimate's last block. A simulator's clock is
// virtual and does not tell when anything was measured.
func (o Options) ended(e bench.Estimate, until time.Time) time.Time {
	if e.M.Kind == devices.Simulated {
		return until
	}
	for i := range e.Blocks {
		if end := e.Blocks[i].Ended(); end.After(until) && (o.Now.IsZero() || !end.After(o.Now)) {
			until = end
		}
	}
	return until
}

// each calls f with the estimates of a sweep that a fit may take and with the estimator so far, and adds to
// invalid how many are INVALID.
func each(ctx context.Context, st bench.Reader, sweep string, invalid int, o Options, f func(bench.Estimate, string) error) (int, error) {
	estimator := bench.Estimator{Sweep: sweep}
	for e, err := range bench.Estimates(ctx, st, sweep) {
		if err != nil {
			return invalid, err
		}
		if e.M == nil || e.Network.Status != bench.Measured {
			continue
		}
		if e.M.Verdict == verdict.Invalid {
			invalid++
			if !o.WithInvalid {
				continue
			}
		}
		if err := estimator.Add(e); err != nil {
			return invalid, err
		}
		if err := f(e, cmp.Or(estimator.Name, e.M.Estimator)); err != nil {
			return invalid, err
		}
	}
	return invalid, nil
}
