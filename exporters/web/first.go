package web

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"sync"
	"time"

	"latlab/devices"
	"latlab/exporters/prom"
	"latlab/internal/ui"
)

// reportAge is how long a report is served before it is made anew: it reads the whole store.
const reportAge = time.Minute

//go:embed first.html
var firstHTML string

type firstPage struct {
	Version          string
	Store, Read      bool // there is a store; it was read
	Report           bool
	Sweeps           []firstSweep
	Devices          []firstDevice
	HasDevices, Cost bool
}

type firstSweep struct {
	ID, Networks, Device, Kind, State, Created string
	Measured, Failed, Imprecise, Invalid       string
}

type firstDevice struct{ Name, Kind, Transport, State string }

// first shows the store's sweeps, the devices, and links to everything else.
func (h *handler) first() http.Handler {
	page := template.Must(template.New("first").Parse(firstHTML))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		if err := page.Execute(&b, h.firstPage()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(b.Bytes())
	})
}

func (h *handler) firstPage() firstPage {
	p := firstPage{
		Version: h.o.Version, Store: h.o.Lab != nil, Report: h.o.Report != nil,
		HasDevices: h.o.Prober != nil, Cost: len(h.o.CostModels()) > 0,
	}
	if h.o.Lab != nil {
		lab := h.o.Lab()
		p.Read = !lab.Read.IsZero()
		for _, s := range lab.Sweeps {
			p.Sweeps = append(p.Sweeps, firstSweepOf(s))
		}
	}
	if h.o.Devices != nil {
		for _, d := range h.o.Devices() {
			p.Devices = append(p.Devices, firstDevice{d.Info.Name, ui.Kind(d.Info.Kind), d.Transport(), stateOf(d)})
		}
	}
	return p
}

func firstSweepOf(s *prom.Sweep) firstSweep {
	m := s.Manifest
	networks := ui.Plural(m.Networks, "listed model")
	if m.Space != "" {
		networks = ui.Thousands(m.Networks) + " of " + m.Space
	}
	if m.Run > 0 {
		networks += fmt.Sprintf(", run %d", m.Run+1)
	}
	return firstSweep{
		ID: m.ID, Networks: networks, Device: m.Device.Name, Kind: ui.Kind(m.Device.Kind), State: string(s.State),
		Created:  m.Created.UTC().Format(time.DateTime),
		Measured: ui.Thousands(s.Tally.Measured), Failed: ui.Thousands(s.Tally.Failed), Imprecise: ui.Thousands(s.Tally.Imprecise), Invalid: ui.Thousands(s.Tally.Invalid),
	}
}

func stateOf(d Device) string {
	switch {
	case d.Busy:
		return "timing"
	case d.Info.Kind != devices.Measured || d.Up:
		return "ready"
	}
	return "not reachable"
}

// reports serves the report of the whole store, one at a time, made at most once in reportAge.
type reports struct {
	write func(context.Context, io.Writer) error
	mu    sync.Mutex
	made  time.Time
	page  []byte
}

func (r *reports) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.page == nil || time.Since(r.made) > reportAge {
		var b bytes.Buffer
		if err := r.write(req.Context(), &b); err != nil {
			http.Error(w, "the report cannot be made: "+ui.OneLine(err), http.StatusInternalServerError)
			return
		}
		r.page, r.made = b.Bytes(), time.Now()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// The page names its own script by its hash; both policies apply.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	_, _ = w.Write(r.page)
}
