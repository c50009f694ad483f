package main

import (
	"io"
	"strings"
	"testing"

	"latlab/devices/sim"

	"gonum.org/v1/gonum/stat/distuv"
)

// within reports whether a share of n is between two shares, but for what chance does to n trials once in a
// thousand.
func within(share float64, n int, low, high float64) bool {
	below := func(p, x float64) float64 { return distuv.Binomial{N: float64(n), P: p}.CDF(x) }
	count := share * float64(n)
	return (low <= 0 || below(low, count+0.5) > 1e-3) && (high >= 1 || 1-below(high, count-0.5) > 1e-3)
}

// TestClaims runs the study with few networks. It takes 5 s of CPU time.
func TestClaims(t *testing.T) {
	const networks = 400
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			r, err := study(t.Context(), w, "default", networks)
			if err != nil {
				t.Fatal(err)
			}
			covered := map[claim]float64{truth: r.covered, level: r.coveredLevel}[w.claim]
			switch {
			case w.claim == invalid && !within(r.invalid, r.networks-r.failed, 0.95, 1):
				t.Errorf("%.1f %% are INVALID", 100*r.invalid)
			case w.claim == invalid, w.profile == sim.Exact:
			case !within(covered, r.used, 0.93, 0.97):
				t.Errorf("%.1f %% of the intervals hold %s", 100*covered, w.claim)
			case w.claim == truth && r.width > 1.3:
				t.Errorf("intervals are %.2f times as wide as an oracle's", r.width)
			case !within(r.invalid, r.networks-r.failed, 0, 0.03):
				t.Errorf("%.1f %% are INVALID", 100*r.invalid)
			case w.profile == sim.Quiet && w.noisy == 0 && !within(r.invalid, r.networks, 0, 0.01):
				t.Errorf("%.1f %% of a quiet device's are INVALID", 100*r.invalid)
			}
		})
	}
}

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out, []string{"-networks", "20", "-only", "exact"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "| the truth | 20") {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	if err := clocks(t.Context(), &out, "quick", 10, nil); err != nil || !strings.Contains(out.String(), "| migrating\t| ") {
		t.Errorf("%v %s", err, out.String())
	}
	for _, args := range [][]string{{"clock", "no.db"}, {"-protocol", "none"}} {
		if err := run(t.Context(), io.Discard, args); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}
