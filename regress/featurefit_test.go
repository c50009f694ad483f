package regress

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"latlab/regress/features"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// lineRows are networks of latency 1e-3 + 2e-6 a - 3e-6 b exactly.
func lineRows(n int) []FeatureRow {
	var rows []FeatureRow
	for i := range n {
		a, b := float64(i*i%37), float64(i*7%23)
		rows = append(rows, FeatureRow{
			Name: fmt.Sprint("net", i), Model: fmt.Sprintf("%04d", i),
			Features: map[string]float64{"a": a, "b": b}, Seconds: 1e-3 + 2e-6*a - 3e-6*b,
		})
	}
	return rows
}

func TestFitFeaturesFindsALine(t *testing.T) {
	m, err := FitFeatures(t.Context(), FeatureData{Rows: lineRows(40)}, Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if m.Method != string(Own) || m.Networks != 40 {
		t.Errorf("method %s of %d networks, want features of 40", m.Method, m.Networks)
	}
	near := cmpopts.EquateApprox(1e-4, 0)
	got := []float64{m.Bias, m.Weights[0].Weight, m.Weights[1].Weight}
	if diff := cmp.Diff([]float64{1e-3, 2e-6, -3e-6}, got, near); diff != "" {
		t.Errorf("bias and weights (-want +got):\n%s", diff)
	}
	if m.Figures.R2 == nil || *m.Figures.R2 < 0.9999 {
		t.Errorf("held-out r2 is %v", m.Figures.R2)
	}
	y, err := m.Predict(map[string]float64{"a": 10, "b": 1})
	if diff := cmp.Diff(1e-3+2e-5-3e-6, y, near); err != nil || diff != "" {
		t.Errorf("prediction: %v %s", err, diff)
	}
	if _, err := m.Predict(map[string]float64{"a": 10}); err == nil {
		t.Error("a prediction without a feature is no error")
	}
}

// TestFeatureUnitsDoNotMatter: what a feature is counted in, and from where, changes no
// prediction.
func TestFeatureUnitsDoNotMatter(t *testing.T) {
	rows := lineRows(30)
	for i := range rows {
		rows[i].Seconds *= 1 + 0.05*math.Sin(float64(i)) // so that a penalty is needed
	}
	fit := func(rows []FeatureRow) *FeatureModel {
		m, err := FitFeatures(t.Context(), FeatureData{Rows: rows}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	base := fit(rows)
	rapid.Check(t, func(rt *rapid.T) {
		scale := math.Pow(10, rapid.Float64Range(-9, 9).Draw(rt, "decades"))
		shift := rapid.Float64Range(-100, 100).Draw(rt, "shift")
		var moved []FeatureRow
		for _, r := range rows {
			r.Features = map[string]float64{"a": (r.Features["a"] + shift) * scale, "b": r.Features["b"]}
			moved = append(moved, r)
		}
		m := fit(moved)
		for i, r := range moved {
			want, _ := base.Predict(rows[i].Features)
			got, err := m.Predict(r.Features)
			if err != nil || math.Abs(got/want-1) > 1e-6 {
				rt.Fatalf("network %d: %v s, want %v s (%v)", i, got, want, err)
			}
		}
	})
}

func TestGraphFeaturesEqualTheTable(t *testing.T) {
	s, err := sampler.Builtin("mobiledet_cpu_tucker")
	if err != nil {
		t.Fatal(err)
	}
	l := newLayout(s)
	f, err := newEntryFeatures(t.Context(), l, features.All())
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, 5, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range archs {
		g, err := graph.Lower(s, a)
		if err != nil {
			t.Fatal(err)
		}
		got := features.OfGraph(g)
		if got[features.GraphMACs] != float64(g.TotalMACs()) {
			t.Errorf("%s: %v MACs, want %d", a.ID(), got[features.GraphMACs], g.TotalMACs())
		}
		for k, want := range f.network(l.row(a)) {
			if name := features.Prefix + f.features[k].Name; math.Abs(got[name]-want) > 1e-9*want {
				t.Errorf("%s: %s is %v, want %v", a.ID(), name, got[name], want)
			}
		}
	}
}

func TestFitFeaturesOfOps(t *testing.T) {
	var rows []FeatureRow
	for i := range 30 {
		macs := float64(1+i) * 1e6
		rows = append(rows, FeatureRow{Name: fmt.Sprint(i), Model: fmt.Sprint(i), Seconds: 1e-4 + 1e-10*macs,
			Features: map[string]float64{features.GraphMACs: macs, "op:macs/conv1x1": macs, "op:ops/add": 0}})
	}
	for _, method := range []Method{"", Ops, MACs} {
		m, err := FitFeatures(t.Context(), FeatureData{Rows: rows}, Options{Method: method})
		if err != nil {
			t.Fatalf("%q: %v", method, err)
		}
		if *m.Figures.MAPE > 1e-3 {
			t.Errorf("%s: held-out MAPE is %v", m.Method, *m.Figures.MAPE)
		}
	}
}

func TestFitFeaturesRefuses(t *testing.T) {
	change := func(f func([]FeatureRow)) []FeatureRow {
		rows := lineRows(25)
		f(rows)
		return rows
	}
	var few *TooFewError
	var feature *features.Error
	var option *OptionError
	for _, c := range []struct {
		name string
		rows []FeatureRow
		o    Options
		as   any
		says string
	}{
		{"few", lineRows(19), Options{}, &few, "19 networks"},
		{"one model again and again", change(func(r []FeatureRow) {
			for i := range r {
				r[i].Model = "same"
			}
		}), Options{}, &few, "1 networks"},
		{"indicator", lineRows(25), Options{Method: Indicator}, &option, "needs a space"},
		{"unknown method", lineRows(25), Options{Method: "guess"}, &option, `"guess" is unknown; methods are features, ops, macs`},
		{"no ops", lineRows(25), Options{Method: Ops}, &feature, "it has no stored op-level features"},
		{"missing", change(func(r []FeatureRow) { delete(r[7].Features, "b") }), Options{}, &feature, "net7: its features are a, the first network's are a, b"},
		{"none", change(func(r []FeatureRow) { r[7].Features = nil }), Options{Method: Own}, &feature, "net7: it has no own features"},
		{"NaN", change(func(r []FeatureRow) { r[7].Features["a"] = math.NaN() }), Options{}, &feature, "net7: feature a is not a finite number"},
		{"no latency", change(func(r []FeatureRow) { r[7].Seconds = 0 }), Options{}, &feature, "net7: latency is 0 s"},
	} {
		_, err := FitFeatures(t.Context(), FeatureData{Rows: c.rows}, c.o)
		if !errors.As(err, c.as) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.says)
		}
	}
}

func TestFitFeaturesWarns(t *testing.T) {
	rows := lineRows(25)
	for i := range rows {
		rows[i].Features["constant"] = 0.1
	}
	rows = append(rows, rows[0])
	m, err := FitFeatures(t.Context(), FeatureData{Rows: rows}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Warnings) != 2 || !strings.Contains(m.Warnings[0], "constant is 0.1 in every network") || !strings.Contains(m.Warnings[1], "1 observations") {
		t.Errorf("warnings are %q", m.Warnings)
	}
	for _, w := range m.Weights {
		if w.Name == "constant" && w.Weight != 0 {
			t.Errorf("a constant has weight %v", w.Weight)
		}
	}
}

// BenchmarkFitFeatures fits a user's own features: a few, and as many as a list of every layer
// would have.
func BenchmarkFitFeatures(b *testing.B) {
	for _, features := range []int{8, 64, 256} {
		b.Run(strconv.Itoa(features), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			d := FeatureData{Provenance: simulated()}
			for i := range 400 {
				r := FeatureRow{Name: strconv.Itoa(i), Model: strconv.Itoa(i), Seconds: 1e-3, Features: map[string]float64{}}
				for k := range features {
					x := rng.Float64()
					r.Features["f"+strconv.Itoa(k)] = x
					r.Seconds += x * float64(k+1) * 1e-5
				}
				d.Rows = append(d.Rows, r)
			}
			for b.Loop() {
				if _, err := FitFeatures(context.Background(), d, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
