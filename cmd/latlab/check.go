package main

import (
	"bytes"
	"context"
	"fmt"

	"latlab/devices"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/regress/choose"
	"latlab/sampler"
)

// checkNetworks are timed before a sweep with --check. Eight show a common factor of about the cost model's own error
// (95 % of t with 7 degrees of freedom: 0.84 of it); twice as many would show one of 0.53 of it. Their protocol is the
// sweep's. Rejected: always quick. It warms up for a shorter time, and on a device that is cold at first every cost
// model of default seemed to be off by a factor of 1.1.
const checkNetworks = 8

// checkPlan refuses a cost model that cannot be compared with what the sweep will time, before any device is opened.
func (o *sweepOptions) checkPlan(plans []sweepPlan) (*verification, error) {
	switch {
	case o.check == "":
		return nil, nil
	case o.dryRun:
		return nil, usagef("--check times networks, and --dry-run none; choose one")
	case len(plans) > 1:
		return nil, usagef("--check %s is of one device, --device names %d; check one after the other", o.check, len(plans))
	}
	p := plans[0]
	m, sp, err := loadCost(o.check)
	if err != nil {
		return nil, err
	}
	if err := spaceOfSweep(o.check, m, sp, p.space); err != nil {
		return nil, err
	}
	v := &verification{file: o.check, m: m, sp: sp}
	if err := o.addReferences(v, p.info); err != nil {
		return nil, err
	}
	info := p.info
	info.Fingerprint = v.m.Fingerprint // not known before the device is open
	_, err = v.sameDevice(info)
	return v, err
}

// spaceOfSweep refuses a sweep that is not of the cost model's space, nil if it is of none.
func spaceOfSweep(file string, m *regress.CostModel, sp, sweep *sampler.Space) error {
	if sweep == nil {
		return usagef("--check %s is for space %s, and the sweep's networks are of no one space", file, m.Space)
	}
	if err := m.CheckSpace(sweep); err != nil {
		return usagef("--check %s: %w", file, err)
	}
	a, err := sp.YAML()
	if err != nil {
		return err
	}
	if b, err := sweep.YAML(); err != nil || !bytes.Equal(a, b) {
		return usagef("--check %s: space %s has changed since the cost model was fitted; fit one for the sweep's", file, m.Space)
	}
	return nil
}

// addReferences chooses the networks to time.
func (o *sweepOptions) addReferences(v *verification, info devices.Info) error {
	form, err := o.deviceForm(info, info.Precisions[0])
	if err != nil {
		return err
	}
	cache, err := o.cache.open()
	if err != nil {
		return err
	}
	p, err := regress.NewPredictor(v.m, v.sp)
	if err != nil {
		return err
	}
	archs, err := choose.Spread(p, v.sp, checkNetworks)
	if err != nil {
		return err
	}
	for _, a := range archs {
		l, err := verifyOne(a.ID(), v.sp, a, form, cache)
		if err != nil {
			return err
		}
		v.list = append(v.list, l)
	}
	return nil
}

// runCheck times the networks, which are not stored, and says at once whether the cost model holds. The sweep then
// runs in any case: the user may end it.
func (o *sweepOptions) runCheck(ctx context.Context, s streams, v *verification, d devices.Device) error {
	unstored := o.measureOptions
	unstored.db = ""
	if err := v.measure(ctx, s, d, &unstored); err != nil {
		return err
	}
	if o.json {
		said := v.document()
		said["message_type"] = "check"
		return ui.JSON(s.err, said)
	}
	fmt.Fprintf(s.out, "check of %s by %s, %s to %s predicted:\n", v.file, ui.Plural(len(v.rows), "network"),
		ui.Seconds(v.rows[0].Predicted), ui.Seconds(v.rows[len(v.rows)-1].Predicted))
	return v.print(s)
}
