package regress

import (
	"context"
	"time"

	"latlab/bench"
	"latlab/devices"
)

// Observed are the measurements of sweeps of one space, joined, and how many were INVALID.
type Observed struct {
	Data
	Invalid int // left out unless they were asked for
}

// Observe reads the measurements of sweeps for Fit and joins them. INVALID ones are left out
// unless withInvalid is set. Sweeps that must not be mixed are a MixedError.
func Observe(ctx context.Context, st bench.Reader, sweeps []bench.Sweep, withInvalid bool) (Observed, error) {
	var o Observed
	var parts []Data
	for _, m := range sweeps {
		sp, err := m.LoadSpace()
		if err != nil {
			return o, err
		}
		if sp == nil {
			return o, &OptionError{"sweep " + m.ID, "its networks are listed models, which are not in any search space; fit it alone"}
		}
		d := Data{Space: sp, Provenance: ProvenanceOf(m)}
		invalid, err := eachMeasured(ctx, st, m.ID, withInvalid, func(e bench.Estimate) error {
			a, err := sp.ParseArch(e.Network.Indices)
			if err != nil {
				return err
			}
			d.Estimator = e.M.Estimator
			d.Observations = append(d.Observations, Observation{Arch: a, Seconds: e.M.Seconds})
			d.MeasuredUntil = measuredUntil(d.MeasuredUntil, e)
			return nil
		})
		if err != nil {
			return o, err
		}
		parts = append(parts, d)
		o.Invalid += invalid
	}
	var err error
	o.Data, err = Merge(parts...)
	return o, err
}

// ObservedFeatures are the measurements of sweeps of listed models, joined, and how many were
// INVALID.
type ObservedFeatures struct {
	FeatureData
	Invalid int // left out unless they were asked for
}

// ObserveFeatures is Observe for FitFeatures: it reads the features stored with the networks.
func ObserveFeatures(ctx context.Context, st bench.Reader, sweeps []bench.Sweep, withInvalid bool) (ObservedFeatures, error) {
	var o ObservedFeatures
	var parts []FeatureData
	for _, m := range sweeps {
		d := FeatureData{Provenance: ProvenanceOf(m)}
		invalid, err := eachMeasured(ctx, st, m.ID, withInvalid, func(e bench.Estimate) error {
			d.Estimator = e.M.Estimator
			d.Rows = append(d.Rows, FeatureRow{
				Name: e.Network.Name, Model: e.Network.Model, Features: e.Network.Features, Seconds: e.M.Seconds,
			})
			d.MeasuredUntil = measuredUntil(d.MeasuredUntil, e)
			return nil
		})
		if err != nil {
			return o, err
		}
		parts = append(parts, d)
		o.Invalid += invalid
	}
	var err error
	o.FeatureData, err = MergeFeatures(parts...)
	return o, err
}

// measuredUntil is the later of a time and the end of an estimate's last block. A simulator's
// clock is virtual and says nothing of when anything was measured.
func measuredUntil(until time.Time, e bench.Estimate) time.Time {
	if e.M.Kind == devices.Simulated {
		return until
	}
	for i := range e.Blocks {
		if end := e.Blocks[i].Ended(); end.After(until) {
			until = end
		}
	}
	return until
}

// eachMeasured calls f with the estimates of a sweep that a fit may take.
func eachMeasured(ctx context.Context, st bench.Reader, sweep string, withInvalid bool, f func(bench.Estimate) error) (invalid int, err error) {
	for e, err := range bench.Estimates(ctx, st, sweep) {
		if err != nil {
			return 0, err
		}
		if e.M == nil || e.Network.Status != bench.Measured {
			continue
		}
		if e.M.Verdict == bench.Invalid {
			invalid++
			if !withInvalid {
				continue
			}
		}
		if err := f(e); err != nil {
			return 0, err
		}
	}
	return invalid, nil
}
