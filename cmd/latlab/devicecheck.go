package main

import (
	"context"
	"fmt"
	"time"

	"latlab/bench/source"
	"latlab/bench/verdict"
	"latlab/devices/inventory"
	"latlab/internal/text"
	"latlab/internal/ui"
)

// checkTimeout bounds a check of one device, which may copy the agent's 18 MB there at a megabyte
// a second over a weak radio link.
const checkTimeout = 2 * time.Minute

// checks checks what timing on a device needs, and then times a tiny network.
func (o *devicesOptions) checks(ctx context.Context, name string) ([]inventory.Step, error) {
	l, err := o.lab()
	if err != nil {
		return nil, err
	}
	checking, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	checks, err := l.Check(checking, name)
	if err != nil {
		return nil, err
	}
	if inventory.Failed(checks) != nil {
		return checks, nil
	}
	return append(checks, o.timingCheck(ctx, name)), nil
}

// timingCheck times a tiny network as the verb time would. An INVALID measurement is a note.
func (o *devicesOptions) timingCheck(ctx context.Context, name string) inventory.Step {
	k := inventory.Step{Name: "timing", State: inventory.OK}
	m, err := o.timeTiny(ctx, name)
	if err != nil {
		k.State, k.Detail = inventory.Missing, ui.OneLine(err)
		if out := toolOutput(err); out != "" {
			k.Detail += "; its output: " + text.LastLine(out)
		}
		return k
	}
	k.Detail = fmt.Sprintf("a network of 3 ops takes %s, %s, %s", ui.Seconds(m.Seconds), ui.Kind(m.Kind), m.Verdict)
	for _, d := range m.Reasons {
		k.State = inventory.Note
		k.Detail += "; " + d.Text
	}
	return k
}

func (o *devicesOptions) timeTiny(ctx context.Context, name string) (*verdict.Measurement, error) {
	d, err := o.openNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	cache, err := o.cache.open()
	if err != nil {
		return nil, err
	}
	return source.TimeTiny(ctx, d, cache)
}
