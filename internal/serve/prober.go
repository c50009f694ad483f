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

// looker is what of inventory.Lab a prober needs.
type looker interface {
	Targets(ctx context.Context) []inventory.Target
	Look(ctx context.Context, name string, reachOnly bool) (inventory.Status, error)
}

// labProber looks at the lab's devices. Of one that is timing it knows what the store's last
// block says.
type labProber struct {
	lab looker
	// last is a device's condition after its last stored block, nil where there is none.
	last func(device string) *devices.State
	// timing reports whether a sweep of the store goes on on a device: this machine has no lock. nil =
	// there is no store.
	timing func(device string) bool
}

// Targets are the devices that may be asked for.
func (p *labProber) Targets(ctx context.Context) []web.Target {
	var list []web.Target
	for _, t := range p.lab.Targets(ctx) {
		d := web.Device{Info: t.Info}
		list = append(list, web.Target{Name: t.Name, Kind: string(t.Kind), Transport: d.Transport(), Source: t.Source})
	}
	return list
}

// Probe looks at one.
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
	if nobodys(s) {
		found = nil
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(web.DeviceMetrics(func() []web.Device { return found }, true)); err != nil {
		return web.Finding{}, err
	}
	return web.Finding{Metrics: registry, OK: d.Up || s.Now != nil, Log: probeLog(s)}, nil
}

// nobodys reports whether it is this machine without an agent, which nobody times on: a host that
// only serves phones must not alarm. One that the inventory's file names is somebody's.
func nobodys(s inventory.Status) bool {
	return s.Source == inventory.SourceBuiltIn && s.State == inventory.NotReady && s.Kind == devices.Measured
}

// all is how the devices are that are timed on, the computed ones left out: a simulator is
// always there. All are looked at together; Look bounds each.
func (p *labProber) all(ctx context.Context) []web.Device {
	targets := slices.DeleteFunc(p.lab.Targets(ctx), func(t inventory.Target) bool { return t.Kind != devices.Measured })
	found := make([]*web.Device, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			s, err := p.lab.Look(ctx, t.Name, false)
			// A phone that was unplugged since it was listed is unknown now.
			if err != nil || nobodys(s) {
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

// seen is a Status as the metrics have it. A hot device waits until it is cooler, and a busy one
// is used: both are up.
func (p *labProber) seen(s inventory.Status) web.Device {
	d := web.Device{
		Info: s.Info, Source: s.Source, Model: deref(s.Model), SoC: deref(s.SoC), OS: deref(s.OS), Condition: s.Now,
		Up:   s.State == inventory.Ready || s.State == inventory.Hot || s.State == inventory.Busy,
		Busy: s.State == inventory.Busy,
	}
	// One that is gone while its sweep waits for it is not busy.
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
	log := []string{fmt.Sprintf("%s: %s, of the %s list", s.Name, s.State, s.Source)}
	if s.Problem != "" {
		log = append(log, s.Problem)
	}
	if s.Type != "" {
		log = append(log, "type: "+s.Type)
	}
	if s.State == inventory.Busy {
		log = append(log, "it was left alone: what is said of its condition is of its last stored block")
	}
	return log
}
