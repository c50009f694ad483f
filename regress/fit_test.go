package regress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/devices"
	"latlab/regress/features"
	"latlab/sampler"
	"latlab/sampler/model"
)

// tiny has 1,296 networks and 39 slots: small enough that 300 networks see every entry.
const tiny = `
name: tiny
input: {height: 64, width: 64, channels: 3}
activation: h-swish
choices:
  - {name: conv_k3, type: conv, kernel: 3}
  - {name: ibn_k3_e4, type: ibn, kernel: 3, expansion: 4, se: 0.25}
  - {name: fused_k5_e4, type: fused, kernel: 5, expansion: 4}
  - {name: tucker, type: tucker, kernel: 3, in_ratio: 0.25, out_ratio: 0.75}
  - {name: skip, type: skip}
stages:
  - name: stem
    widths: [8, 16]
    layers:
      - {stride: 2, choices: [conv_k3]}
  - name: stage1
    widths: [8, 16, 24]
    layers:
      - {stride: 2, choices: [ibn_k3_e4, fused_k5_e4, tucker]}
      - {stride: 1, residual: true, choices: [ibn_k3_e4, fused_k5_e4, tucker, skip]}
  - name: stage2
    widths: [16, 40]
    layers:
      - {stride: 2, choices: [ibn_k3_e4, fused_k5_e4, tucker]}
      - {stride: 1, residual: true, choices: [ibn_k3_e4, tucker, skip]}
head:
  type: ssdlite
  classes: 3
  taps: [stage1, stage2]
  extra: [32]
  anchors: [3, 6, 6]
`

func load(t testing.TB, yaml string) *sampler.Space {
	t.Helper()
	s, err := sampler.Load([]byte(yaml), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func near(a, b, tolerance float64) bool {
	return math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b))
}

// From 20 networks on, every method must give finite figures and be at least as good as a
// constant prediction.
func TestFewNetworks(t *testing.T) {
	s := builtin(t, "mobiledet_edgetpu_tucker")
	for _, n := range []int{20, 21, 33, 60} {
		d := cpuRoofline().measure(t, s, n, 0.02, uint64(n))
		low, high := math.Inf(1), 0.0
		for _, o := range d.Observations {
			low, high = min(low, o.Seconds), max(high, o.Seconds)
		}
		for _, method := range Methods() {
			if method == Profile && n > 20 {
				continue // slow, and TestFewProfiles has more of it
			}
			m := fit(t, d, Options{Method: method})
			f := m.Figures
			if f.R2 == nil || f.MAPE == nil || *f.MAPE > 0.8 || method != Indicator && *f.R2 < 0.9 {
				t.Errorf("%s on %d networks: figures %+v", method, n, f)
			}
			if f.NTrain+f.NTest != n {
				t.Errorf("%s on %d networks: trained on %d, tested on %d", method, n, f.NTrain, f.NTest)
			}
			for _, a := range sample(t, s, 50, 999) {
				if y := m.Predict(s, a); !(y > low/10 && y < high*10) {
					t.Errorf("%s on %d networks predicts %v s, measured were %v to %v s", method, n, y, low, high)
				}
			}
		}
	}
}

// The collapsed table must predict the same as the feature weights.
func TestTableEqualsFeatures(t *testing.T) {
	for _, s := range []*sampler.Space{load(t, tiny), builtin(t, "mobiledet_cpu_tucker")} {
		l := newLayout(s)
		f, err := newEntryFeatures(context.Background(), l, features.All())
		if err != nil {
			t.Fatal(err)
		}
		archs := sample(t, s, 200, 1)
		rapid.Check(t, func(t *rapid.T) {
			w := rapid.SliceOfN(rapid.Float64Range(0, 1e-9), len(f.features), len(f.features)).Draw(t, "weights")
			intercept := rapid.Float64Range(0, 1).Draw(t, "intercept")
			row := l.row(archs[rapid.IntRange(0, len(archs)-1).Draw(t, "arch")])
			table := f.collapse(intercept, w).predict(row)
			features := intercept + dot(w, f.network(row))
			if !near(table, features, 1e-9) {
				t.Fatalf("table says %v, features say %v", table, features)
			}
		})
	}
}

// The same holds for the feature weights in a fitted model's file.
func TestModelEqualsItsFeatures(t *testing.T) {
	s := builtin(t, "mobiledet_edgetpu_tucker")
	m := fit(t, cpuRoofline().measure(t, s, 60, 0.01, 3), Options{})
	f, err := newEntryFeatures(context.Background(), newLayout(s), features.All())
	if err != nil {
		t.Fatal(err)
	}
	l := newLayout(s)
	for _, a := range sample(t, s, 100, 4) {
		want := m.Features["intercept"]
		for k, v := range f.network(l.row(a)) {
			want += v * m.Features[f.features[k].Name]
		}
		if got := m.Predict(s, a); !near(got, want, 1e-9) {
			t.Errorf("%s: table says %v, features say %v", a, got, want)
		}
	}
}

// Noise-free additive latencies on a space that the sample covers: nothing is left to err.
func TestIndicatorRecoversTable(t *testing.T) {
	s := load(t, tiny)
	archs := sample(t, s, 864, 1)
	rapid.Check(t, func(t *rapid.T) {
		truth := randomTable(s, rapid.Uint64().Draw(t, "seed"))
		d := Data{Space: s, Provenance: simulated()}
		for _, a := range archs[:300] {
			d.Observations = append(d.Observations, Observation{Arch: a, Seconds: truth.Predict(s, a)})
		}
		absolute := rapid.Bool().Draw(t, "absolute")
		m, err := Fit(context.Background(), d, Options{Method: Indicator, Absolute: absolute, Penalties: []float64{1e-10}})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range archs[300:] {
			if got, want := m.Predict(s, a), truth.Predict(s, a); !near(got, want, 1e-5) {
				t.Fatalf("%s: predicts %v, true is %v", a, got, want)
			}
		}
		if *m.Figures.R2 < 0.999999 || *m.Figures.Within5 != 1 {
			t.Fatalf("held-out figures of an exact fit: r2 %v, within 5 %% %v", *m.Figures.R2, *m.Figures.Within5)
		}
	})
}

func randomTable(s *sampler.Space, seed uint64) *CostModel {
	r := rand.New(rand.NewPCG(seed, 0))
	m := &CostModel{SchemaVersion: SchemaVersion, Space: s.Name, Unit: Unit, Bias: 0.01 + r.Float64(),
		Device: "phone", Kind: devices.Simulated, Precision: model.Float32, Method: "ops"}
	for _, p := range s.Positions() {
		t := TablePosition{Name: p.Name, Weights: make([]float64, p.Slots()), Seen: make([]int, p.Slots())}
		for e := range t.Weights {
			if p.Reachable(e) {
				t.Weights[e] = r.Float64()
			}
		}
		m.Table = append(m.Table, t)
	}
	return m
}

// Latencies made of the method's own features, without noise: predictions come back, though
// collinear weights need not.
func TestOpsRecoversItsFeatures(t *testing.T) {
	s := builtin(t, "mobiledet_cpu_tucker")
	l := newLayout(s)
	f, err := newEntryFeatures(context.Background(), l, features.All())
	if err != nil {
		t.Fatal(err)
	}
	archs := sample(t, s, 400, 1)
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 0))
		w := make([]float64, len(f.features))
		for k := range w {
			if typical := f.network(l.row(archs[0]))[k]; typical > 0 && r.IntN(3) == 0 {
				w[k] = r.Float64() / typical
			}
		}
		truth := f.collapse(0.1, w)
		d := Data{Space: s, Provenance: simulated()}
		for _, a := range archs[:200] {
			d.Observations = append(d.Observations, Observation{Arch: a, Seconds: truth.predict(l.row(a))})
		}
		m := fit(t, d, Options{})
		for _, a := range archs[200:] {
			if got, want := m.Predict(s, a), truth.predict(l.row(a)); !near(got, want, 1e-4) {
				t.Errorf("seed %d, %s: predicts %v, true is %v", seed, a, got, want)
			}
		}
	}
}

// A device that is c times slower is predicted to be c times slower, by every method.
func TestScale(t *testing.T) {
	s := load(t, tiny)
	d := cpuRoofline().measure(t, s, 60, 0.02, 5)
	archs := sample(t, s, 100, 6)
	for _, method := range Methods() {
		one := fit(t, d, Options{Method: method})
		for _, c := range []float64{1e-6, 1.0 / 3, 1.1, 7e5} {
			scaled := d
			scaled.Observations = nil
			for _, o := range d.Observations {
				scaled.Observations = append(scaled.Observations, Observation{Arch: o.Arch, Seconds: o.Seconds * c})
			}
			m := fit(t, scaled, Options{Method: method})
			for _, a := range archs {
				if got, want := m.Predict(s, a), c*one.Predict(s, a); !near(got, want, 1e-6) {
					t.Errorf("%s times %v: predicts %v, want %v", method, c, got, want)
				}
			}
		}
	}
}

// A store may give its rows in any order.
func TestOrderDoesNotMatter(t *testing.T) {
	d := cpuRoofline().measure(t, load(t, tiny), 60, 0.02, 5)
	turned := d
	turned.Observations = append([]Observation(nil), d.Observations...)
	slices.Reverse(turned.Observations)
	for _, method := range Methods() {
		if diff := cmp.Diff(fit(t, d, Options{Method: method}), fit(t, turned, Options{Method: method})); diff != "" {
			t.Errorf("%s: the order of observations changes the model:\n%s", method, diff)
		}
	}
}

func TestFitIsDeterministic(t *testing.T) {
	d := cpuRoofline().measure(t, load(t, tiny), 80, 0.02, 7)
	for _, method := range Methods() {
		a, b := fit(t, d, Options{Method: method, Seed: 3}), fit(t, d, Options{Method: method, Seed: 3})
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s: two fits of the same data differ:\n%s", method, diff)
		}
		other := fit(t, d, Options{Method: method, Seed: 4})
		if *a.Figures.RMSESeconds == *other.Figures.RMSESeconds {
			t.Errorf("%s: another seed held the same networks out", method)
		}
	}
}

func TestOpsWeightsAreNotNegative(t *testing.T) {
	m := fit(t, cpuRoofline().measure(t, builtin(t, "mobiledet_cpu_tucker"), 60, 0.05, 8), Options{})
	if m.Bias < 0 {
		t.Errorf("bias %v s", m.Bias)
	}
	for _, p := range m.Table {
		for e, w := range p.Weights {
			if w < 0 {
				t.Errorf("%s, entry %d: %v s", p.Name, e, w)
			}
		}
	}
}

func TestTrain(t *testing.T) {
	d := cpuRoofline().measure(t, load(t, tiny), 100, 0.02, 9)
	f := fit(t, d, Options{Train: 30}).Figures
	if f.NTrain != 30 || f.NTest != 70 {
		t.Errorf("trained on %d, tested on %d, want 30 and 70", f.NTrain, f.NTest)
	}
	if want := "10 random splits, seed 0: trained on 30 networks, tested on the other 70; mean of the splits' figures"; f.Split != want {
		t.Errorf("rule %q, want %q", f.Split, want)
	}
}

// Every network is held out once a repeat and never trained on where it is held out.
func TestParts(t *testing.T) {
	ps, _ := heldOut{seconds: make([]float64, 23)}.parts(Options{Seed: 1})
	held := map[[2]int]int{}
	for _, p := range ps {
		in := map[int]bool{}
		for _, i := range p.train {
			in[i] = true
		}
		for _, i := range p.test {
			held[[2]int{p.repeat, i}]++
			if in[i] {
				t.Errorf("network %d is in both parts", i)
			}
		}
		if len(p.train)+len(p.test) != 23 {
			t.Errorf("%d and %d networks, want 23 in all", len(p.train), len(p.test))
		}
	}
	for k, n := range held {
		if n != 1 {
			t.Errorf("repeat %d: network %d held out %d times", k[0], k[1], n)
		}
	}
	if len(held) != 2*23 {
		t.Errorf("%d networks held out, want 46", len(held))
	}
}

func TestSeenAndDuplicates(t *testing.T) {
	s := load(t, tiny)
	d := cpuRoofline().measure(t, s, 30, 0, 10)
	first := d.Observations[0]
	d.Observations[0].Seconds = first.Seconds * 0.5
	d.Observations = append(d.Observations, Observation{Arch: first.Arch, Seconds: first.Seconds * 1.5})
	m := fit(t, d, Options{})
	want := []string{"1 of 30 networks were observed more than once: the observations of a network are averaged"}
	if diff := cmp.Diff(want, m.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	for _, p := range m.Table {
		seen := 0
		for _, n := range p.Seen {
			seen += n
		}
		if seen != 30 {
			t.Errorf("%s: %d networks seen, want 30", p.Name, seen)
		}
	}
	d.Observations = d.Observations[1:]
	d.Observations[len(d.Observations)-1].Seconds = first.Seconds
	once := fit(t, d, Options{})
	for _, a := range sample(t, s, 20, 11) {
		if got, want := m.Predict(s, a), once.Predict(s, a); !near(got, want, 1e-6) {
			t.Errorf("%s: two observations predict %v, their mean %v", a, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	s := load(t, tiny)
	good := cpuRoofline().measure(t, s, 25, 0, 12)
	change := func(f func(d *Data)) Data {
		d := good
		d.Observations = append([]Observation(nil), good.Observations...)
		f(&d)
		return d
	}
	third := good.Observations[2].Arch
	name := fmt.Sprintf("network %s (indices %s): ", third.ID(), third)
	latency := func(y float64) Data { return change(func(d *Data) { d.Observations[2].Seconds = y }) }
	repeated := change(func(d *Data) {
		d.Observations = append(d.Observations[:19], d.Observations[:19]...)
	})
	outside := change(func(d *Data) {
		d.Observations[2].Arch.Indices = append([]int{9}, third.Indices[1:]...)
	})
	for _, tc := range []struct {
		name    string
		data    Data
		options Options
		as      any
		want    string
	}{
		{"too few", change(func(d *Data) { d.Observations = d.Observations[:19] }), Options{}, new(*TooFewError),
			"19 networks measured, a fit needs at least 20: measure more (`sweep` with a larger -n, or a longer list)"},
		{"none", Data{Space: s}, Options{}, new(*TooFewError), "0 networks measured, a fit needs at least 20: measure more (`sweep` with a larger -n, or a longer list)"},
		{"too few but often", repeated, Options{}, new(*TooFewError), "19 networks measured, a fit needs at least 20: measure more (`sweep` with a larger -n, or a longer list)"},
		{"not a number", latency(math.NaN()), Options{}, new(*ObservationError), name + "latency is NaN, want a number"},
		{"infinite", latency(math.Inf(1)), Options{}, new(*ObservationError), name + "latency is +Inf, want a number"},
		{"zero", latency(0), Options{}, new(*ObservationError), name + "latency is 0 s, want more than 0"},
		{"negative", latency(-1), Options{}, new(*ObservationError), name + "latency is -1 s, want more than 0"},
		{"another space", change(func(d *Data) { d.Observations[2].Arch.Space = "huge" }), Options{}, new(*ObservationError), `its space is "huge", the fit's is "tiny"`},
		{"indices outside", outside, Options{}, new(*ObservationError), "index 0 is 9, but decision stem may be 0 to 0 (conv_k3)"},
		{"no space", change(func(d *Data) { d.Space = nil }), Options{}, nil, "the observations have no space"},
		{"method", good, Options{Method: "magic"}, new(*OptionError), `method: "magic" is unknown; methods are ops, profile, indicator, macs`},
		{"absolute", good, Options{Absolute: true}, new(*OptionError), "absolute: method ops always minimises relative errors; only indicator supports absolute errors"},
		{"train on all", good, Options{Train: 25}, new(*OptionError), "train: 25 networks to train on, want 2 to 24: at least one is held out"},
		{"train on one", good, Options{Train: 1}, new(*OptionError), "train: 1 networks to train on, want 2 to 24: at least one is held out"},
		{"penalty", good, Options{Penalties: []float64{0}}, new(*OptionError), "penalties: [0] must be above 0 and in falling order"},
		{"rising penalties", good, Options{Penalties: []float64{1, 2}}, new(*OptionError), "penalties: [1 2] must be above 0 and in falling order"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Fit(context.Background(), tc.data, tc.options)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if tc.as != nil && !errors.As(err, tc.as) {
				t.Errorf("error is a %T, want a %T", err, tc.as)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d := cpuRoofline().measure(t, load(t, tiny), 40, 0, 13)
	for _, m := range Methods() {
		if _, err := Fit(ctx, d, Options{Method: m}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context canceled", m, err)
		}
	}
}

// TestMergeKeepsTheLastTime: merged data are as new as the newest sweep. If no time is known, the
// file has no field for it.
func TestMergeKeepsTheLastTime(t *testing.T) {
	s := load(t, tiny)
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	for _, tc := range []struct{ a, b, want time.Time }{
		{at, at.Add(time.Hour), at.Add(time.Hour)}, {at.Add(time.Hour), at, at.Add(time.Hour)},
		{time.Time{}, at, at}, {at, time.Time{}, at}, {},
	} {
		a, b := cpuRoofline().measure(t, s, 30, 0, 1), cpuRoofline().measure(t, s, 30, 0, 2)
		a.MeasuredUntil, b.MeasuredUntil = tc.a, tc.b
		all, err := Merge(a, b)
		if err != nil {
			t.Fatal(err)
		}
		m := fit(t, all, Options{Method: MACs})
		var text bytes.Buffer
		if err := m.Write(&text); err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(text.String(), "measured_until"); said == tc.want.IsZero() || said != (m.MeasuredUntil != nil) {
			t.Errorf("%v and %v: the model has %v, the file says it: %v", tc.a, tc.b, m.MeasuredUntil, said)
		}
		if m.MeasuredUntil != nil && !m.MeasuredUntil.Equal(tc.want) {
			t.Errorf("%v and %v: %v, want %v", tc.a, tc.b, m.MeasuredUntil, tc.want)
		}
	}
}

func TestMerge(t *testing.T) {
	s := load(t, tiny)
	base := Data{Space: s, Provenance: simulated(), Observations: []Observation{{Seconds: 1}}}
	base.Fingerprint = map[string]string{"runtime": "a", "threads": "1"}
	renamed := load(t, strings.Replace(tiny, "name: tiny", "name: other", 1))
	edited := load(t, strings.Replace(tiny, "[8, 16, 24]", "[8, 16, 32]", 1))
	for _, tc := range []struct {
		name   string
		change func(d *Data)
		want   string
	}{
		{"the same", func(*Data) {}, ""},
		{"the same space, loaded again", func(d *Data) { d.Space = load(t, tiny) }, ""},
		{"device", func(d *Data) { d.Device = "phone" }, `device differs: "sim" and "phone"; a fit cannot mix them, choose one`},
		{"kind", func(d *Data) { d.Kind = "measured" }, `kind differs: "simulated" and "measured"; a fit cannot mix them, choose one`},
		{"precision", func(d *Data) { d.Precision = "int8" }, `precision differs: "float32" and "int8"; a fit cannot mix them, choose one`},
		{"estimator", func(d *Data) { d.Estimator = "mean" }, `estimator differs: "median" and "mean"; a fit cannot mix them, choose one`},
		{"fingerprint", func(d *Data) { d.Fingerprint = map[string]string{"runtime": "b", "threads": "1"} },
			`fingerprint runtime differs: "a" and "b"; a fit cannot mix them, choose one`},
		{"missing fingerprint", func(d *Data) { d.Fingerprint = map[string]string{"runtime": "a"} },
			`fingerprint threads differs: "1" and ""; a fit cannot mix them, choose one`},
		{"more fingerprint", func(d *Data) { d.Fingerprint = map[string]string{"cpus": "0", "runtime": "a", "threads": "1"} },
			`fingerprint cpus differs: "" and "0"; a fit cannot mix them, choose one`},
		{"space", func(d *Data) { d.Space = renamed }, `space differs: "tiny" and "other"; a fit cannot mix them, choose one`},
		{"space of one name", func(d *Data) { d.Space = edited }, "content of the space differs: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			other := base
			tc.change(&other)
			got, err := Merge(base, other)
			var mixed *MixedError
			if tc.want == "" {
				if err != nil || len(got.Observations) != 2 || len(base.Observations) != 1 {
					t.Errorf("%d observations, error %v, want 2", len(got.Observations), err)
				}
			} else if !errors.As(err, &mixed) || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestHash(t *testing.T) {
	d := cpuRoofline().measure(t, load(t, tiny), 20, 0, 14)
	h := d.Hash()
	o := d.Observations
	o[0], o[7] = o[7], o[0]
	if d.Hash() != h {
		t.Error("the order of observations changes the hash")
	}
	o[3].Seconds = math.Nextafter(o[3].Seconds, 1)
	if d.Hash() == h {
		t.Error("the last bit of a latency does not change the hash")
	}
}

// Every multiply-accumulate is in exactly one column of its kind and kernel, and every op
// is counted once.
func TestFeaturesAddUp(t *testing.T) {
	s := builtin(t, "mobiledet_cpu_tucker")
	l := newLayout(s)
	f, err := newEntryFeatures(context.Background(), l, append(features.All(), features.MACs()...))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range sample(t, s, 20, 1) {
		sums := map[string]float64{}
		for k, v := range f.network(l.row(a)) {
			name := f.features[k].Name
			sums[name] += v
			if strings.HasPrefix(name, "macs/at-") {
				sums["levels"] += v
			} else if strings.HasPrefix(name, "macs/") && !strings.HasSuffix(name, "strided") {
				sums["kernels"] += v
				if strings.Contains(name, "depthwise") {
					sums["levels"] += v
				}
			}
		}
		if !near(sums["kernels"], sums["macs"], 1e-12) || !near(sums["levels"], sums["macs"], 1e-12) {
			t.Errorf("%s: %v MACs, by kernel %v, by resolution and depthwise %v", a, sums["macs"], sums["kernels"], sums["levels"])
		}
	}
}

// The collapsed table must be quick to make: 4,620 entries of some fifty features.
func BenchmarkEntryFeatures(b *testing.B) {
	l := newLayout(builtin(b, "mobiledet_edgetpu_tucker"))
	for b.Loop() {
		if _, err := newEntryFeatures(context.Background(), l, features.All()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFit(b *testing.B) {
	s := builtin(b, "mobiledet_edgetpu_tucker")
	d := cpuRoofline().measure(b, s, 400, 0.015, 1)
	for _, m := range Methods() {
		b.Run(string(m), func(b *testing.B) {
			for b.Loop() {
				fit(b, d, Options{Method: m})
			}
		})
	}
}
