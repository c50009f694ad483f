package regress

import (
	"errors"
	"testing"

	"latlab/sampler/graph"
)

// An entry's weight is the sum over its ops, and the bias includes the fixed ops.
func TestPricesAddUpToTheTable(t *testing.T) {
	s := load(t, tiny)
	m := fit(t, cpuRoofline().measure(t, s, 300, 0.01, 1), Options{Method: Ops})
	p, err := NewPricer(m, s)
	if err != nil {
		t.Fatal(err)
	}
	price := func(ops []graph.PaidOp) float64 {
		sum := 0.0
		for _, o := range ops {
			sum += p.Seconds(o)
		}
		return sum
	}
	for i, pos := range s.Positions() {
		for e, want := range m.Table[i].Weights {
			if !pos.Reachable(e) {
				continue
			}
			ops, err := graph.EntryOps(s, i, e)
			if err != nil {
				t.Fatal(err)
			}
			if got := price(ops); !near(got, want, 1e-9) {
				t.Errorf("%s, entry %d: ops cost %v s, the entry %v s", pos.Name, e, got, want)
			}
		}
	}
	fixed, err := graph.BiasOps(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Features["intercept"] + price(fixed); !near(got, m.Bias, 1e-9) {
		t.Errorf("intercept and fixed ops cost %v s, the bias is %v s", got, m.Bias)
	}
}

func TestNoPrices(t *testing.T) {
	s := load(t, tiny)
	d := cpuRoofline().measure(t, s, 40, 0.01, 1)
	for _, method := range []Method{Indicator, MACs} {
		if _, err := NewPricer(fit(t, d, Options{Method: method}), s); !errors.Is(err, ErrNoOps) {
			t.Errorf("%s: error %v, want ErrNoOps", method, err)
		}
	}
	m := fit(t, d, Options{Method: Ops})
	m.Features["macs/conv9x9"] = 1
	if _, err := NewPricer(m, s); !errors.Is(err, ErrNoOps) {
		t.Errorf("a feature of another release's: error %v", err)
	}
	delete(m.Features, "macs/conv9x9")
	delete(m.Features, "macs/conv3x3")
	if _, err := NewPricer(m, s); !errors.Is(err, ErrNoOps) {
		t.Errorf("a feature too few: error %v", err)
	}
	if _, err := NewPricer(m, builtin(t, "mobiledet_cpu_ibn")); err == nil || errors.Is(err, ErrNoOps) {
		t.Errorf("another space: error %v", err)
	}
}
