package regress

import (
	"errors"
	"strings"
	"testing"
)

// TestFewProfiles: three profiled networks are better than the same three latencies by far, and each is held out once.
func TestFewProfiles(t *testing.T) {
	s := builtin(t, "mobiledet_cpu_ibn")
	d := cpuRoofline().measure(t, s, 60, 0.01, 3)
	for _, n := range []int{3, 6} {
		few := d
		few.Observations, few.Profiles = d.Observations[:n], d.Profiles[:n]
		m := fit(t, few, Options{Method: Profile})
		var rest pairs
		for _, o := range d.Observations[n:] {
			rest.add(o.Seconds, m.Predict(s, o.Arch))
		}
		if limit := map[int]float64{3: 0.08, 6: 0.04}[n]; !(rest.mape() < limit) {
			t.Errorf("MAPE of networks outside is %.3f after %d profiles, want below %v", rest.mape(), n, limit)
		}
		f := m.Figures
		if !strings.HasPrefix(f.Split, aloneRule) || f.NTrain != n-1 || f.NTest != 1 || f.Judged() != n || f.Rule() != "leave-one-network-out" || f.MAPE == nil {
			t.Errorf("figures of %d networks: %+v", n, f)
		}
		if n == 3 && f.AdjustedR2 != nil {
			t.Errorf("adjusted r2 of three networks is %v", *f.AdjustedR2)
		}
		if m.Negative() != "" {
			t.Errorf("%d profiles: %s", n, m.Negative())
		}
	}
}

// Every training part has its share of the profiled networks.
func TestPartsHaveProfiles(t *testing.T) {
	for _, tc := range []struct{ n, train, profiled, least int }{{40, 0, 3, 2}, {40, 0, 8, 6}, {40, 20, 4, 2}, {40, 3, 3, 1}, {12, 0, 3, 2}} {
		h := heldOut{seconds: make([]float64, tc.n)}
		for i := range tc.profiled {
			h.first = append(h.first, 5+i)
		}
		ps, _ := h.parts(Options{Seed: 1, Train: tc.train})
		for _, p := range ps {
			have := 0
			for _, i := range p.train {
				if i >= 5 && i < 5+tc.profiled {
					have++
				}
			}
			if have < tc.least || len(p.train)+len(p.test) != tc.n {
				t.Errorf("%+v: a part trains on %d profiled of %d and tests on %d", tc, have, len(p.train), len(p.test))
			}
		}
	}
}

func TestTooFewProfiles(t *testing.T) {
	d := cpuRoofline().measure(t, load(t, tiny), 30, 0.01, 1)
	for n, want := range map[int]string{0: "none of the networks fitted is profiled", 2: "only 2 of the networks fitted are profiled"} {
		d.Profiles = d.Profiles[:n:n]
		_, err := Fit(t.Context(), d, Options{Method: Profile})
		var option *OptionError
		if !errors.As(err, &option) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "`--profile N`") {
			t.Errorf("%d profiles: %v", n, err)
		}
		d = cpuRoofline().measure(t, load(t, tiny), 30, 0.01, 1)
	}
}
