package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/exporters/web"
)

// looker is the part of inventory.Lab that a prober needs.
type looker interface {
	Targets(ctx context.Context) []inventory.Target
	Look(ctx context.Context, name string, reachOnly bool) (inventory.Status, error)
}

// labProber probes the inventory's devices. The condition of a busy device is taken from its last
// block in the store.
type labProber struct {
	lab looker
	// last is a device's condition after its last stored block, nil where there is none.
	last func(device string) *devices.State
	// timing reports whether a sweep of the store runs on a device, because this machine has no lock.
	// nil = there is no store.
	timing func(device string) bool
}

// Targets are the devices that can be probed.
func (p *labProber) Targets(ctx context.Context) []web.Target {
	var list []web.Target
	for _, t := range p.lab.Targets(ctx) {
		d := web.Device{Info: t.Info}
		list = append(list, web.Target{Name: t.Name, Kind: string(t.Kind), Transport: d.Transport(), Source: t.Source})
	}
	return list
}

// Probe probes one device.
func (p *labProber) Probe(ctx context.Context, name string, m web.Module) (web.Finding, error) {
	s, err := p.lab.Look(ctx, name, m == web.Reach)
	var unknown *inventory.UnknownError
	switch {
	case errors.As(err, &unknown):
		return web.Finding{}, web.ErrNoTarget
	case err != nil:
		return web.Finding{}, err
	}
	d := p.seen(s)
	found := []web.Device{d}
	if unused(s) {
		found = nil
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(web.DeviceMetrics(func() []web.Device { return found }, true)); err != nil {
		return web.Finding{}, err
	}
	return web.Finding{Metrics: registry, OK: d.Up || s.Now != nil, Log: probeLog(s)}, nil
}

// unused reports whether s is this machine without an agent, as on a host that only serves phones:
// it must not raise an alert, unless the inventory's file lists it.
func unused(s inventory.Status) bool {
	return s.Source == inventory.SourceBuiltIn && s.State == inventory.NotReady && s.Kind == devices.Measured
}

// all returns the state of all real devices, probed in parallel; Look bounds the time of each.
// Simulators and estimators are always available and omitted.
func (p *labProber) all(ctx context.Context) []web.Device {
	targets := slices.DeleteFunc(p.lab.Targets(ctx), func(t inventory.Target) bool { return t.Kind != devices.Measured })
	found := make([]*web.Device, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			s, err := p.lab.Look(ctx, t.Name, false)
			// A phone that was unplugged since the listing is unknown.
			if err != nil || unused(s) {
				return
			}
			d := p.seen(s)
			found[i] = &d
		})
	}
	wg.Wait()
	var list []web.Device
	for _, d := range found {
		if d != nil {
			list = append(list, *d)
		}
	}
	return list
}

// seen converts a Status for the metrics. Hot and busy devices are up: they work, but must cool down
// or are in use.
func (p *labProber) seen(s inventory.Status) web.Device {
	d := web.Device{
		Info: s.Info, Source: s.Source, Model: deref(s.Model), SoC: deref(s.SoC), OS: deref(s.OS), Condition: s.Now,
		Up:   s.State == inventory.Ready || s.State == inventory.Hot || s.State == inventory.Busy,
		Busy: s.State == inventory.Busy,
	}
	// A device that is offline while its sweep waits for it is not busy.
	if d.Up && p.timing != nil && p.timing(s.Name) {
		d.Busy = true
	}
	if d.Busy && d.Condition == nil && p.last != nil {
		d.Condition = p.last(s.Name)
	}
	return d
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func probeLog(s inventory.Status) []string {
	log := []string{fmt.Sprintf("%s: %s, source: %s", s.Name, s.State, s.Source)}
	if s.Problem != "" {
		log = append(log, s.Problem)
	}
	if s.Type != "" {
		log = append(log, "type: "+s.Type)
	}
	if s.State == inventory.Busy {
		log = append(log, "it was not probed; its condition is that of its last stored block")
	}
	return log
}
