package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"latlab/bench"
	"latlab/devices"
	"latlab/exporters/prom"
)

// TestFirstPage: it lists sweeps and devices, whatever they are called, and links to the report.
func TestFirstPage(t *testing.T) {
	sweep := &prom.Sweep{
		Manifest: bench.Sweep{ID: "abc123", Space: "<script>", Networks: 1200, Run: 1, Device: devices.Info{Name: "pixel", Kind: devices.Simulated}},
		Tally:    bench.Tally{Measured: 1100, Invalid: 7}, State: bench.Running,
	}
	made := 0
	fails := false
	h := newHandler(t, Options{
		Lab:     func() prom.Lab { return prom.Lab{Read: time.Unix(1, 0), Sweeps: []*prom.Sweep{sweep}} },
		Devices: func() []Device { return []Device{{Info: devices.Info{Name: "board", Kind: devices.Measured}}} },
		Prober:  stillProber{},
		Report: func(_ context.Context, w io.Writer) error {
			if fails {
				return errors.New("no\nstore")
			}
			made++
			_, err := io.WriteString(w, "the report")
			return err
		},
	})
	get := func(path string) (int, string, http.Header) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String(), w.Header()
	}
	_, body, _ := get("/")
	for _, want := range []string{`href="/report"`, `href="/report#s0">abc123<`, "1,200 of &lt;script&gt;, run 2", "SIMULATED", ">1,100<", ">7<", "running", "board", "not reachable"} {
		if !strings.Contains(body, want) {
			t.Errorf("the first page lacks %q:\n%s", want, body)
		}
	}
	fails = true
	if code, body, _ := get("/report"); code != 500 || body != "the report cannot be made: no store\n" {
		t.Errorf("%d %q", code, body)
	}
	fails = false
	for range 2 {
		code, body, header := get("/report")
		if code != 200 || body != "the report" || !strings.Contains(header.Get("Content-Security-Policy"), "script-src 'unsafe-inline'") {
			t.Errorf("%d %q %v", code, body, header)
		}
	}
	if made != 1 {
		t.Errorf("the report was made %d times for two requests", made)
	}
}

type stillProber struct{}

func (stillProber) Targets(context.Context) []Target { return nil }
func (stillProber) Probe(context.Context, string, Module) (Finding, error) {
	return Finding{}, ErrNoTarget
}
