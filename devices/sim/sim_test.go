package sim

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/fixtures/fixturetest"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func open(t testing.TB, o Options) *Device {
	t.Helper()
	o.Start = start
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// modelOf makes a model without bytes, which must not be needed.
func modelOf(g *graph.Graph, f model.Form) *model.Model {
	return &model.Model{Name: g.Name, Graph: g, Form: f, Identity: g.Hash()}
}

// formOf returns a simulator's default form.
func formOf(d *Device) model.Form {
	return model.Form{Format: d.Info().Formats[0], Precision: d.Info().Precisions[0]}
}

// sampled returns networks of a built-in space.
func sampled(t testing.TB, space string, n int) []*graph.Graph {
	t.Helper()
	s, err := sampler.Builtin(space)
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, n, 1)
	if err != nil {
		t.Fatal(err)
	}
	var gs []*graph.Graph
	for _, a := range archs {
		g, err := graph.Lower(s, a)
		if err != nil {
			t.Fatal(err)
		}
		gs = append(gs, g)
	}
	return gs
}

// once injects a fault at the first Run.
func once(f Fault) func(*model.Model) Fault {
	return func(*model.Model) Fault {
		defer func() { f = NoFault }()
		return f
	}
}

func TestConformance(t *testing.T) {
	for _, name := range Names() {
		for _, profile := range []Profile{Exact, Quiet, Phone} {
			full := name + ":" + string(profile)
			t.Run(full, func(t *testing.T) {
				t.Parallel() // the tests mostly wait for a context
				devicetest.Run(t, suite(t, full, ""))
			})
		}
		for _, p := range open(t, Options{Name: name}).Info().Precisions[1:] {
			t.Run(name+" "+string(p), func(t *testing.T) {
				t.Parallel()
				devicetest.Run(t, suite(t, name, p))
			})
		}
	}
}

// suite uses models of a precision; the device's own if it is empty.
func suite(t *testing.T, name string, p model.Precision) devicetest.Suite {
	form := formOf(open(t, Options{Name: name}))
	if p != "" {
		form.Precision = p
	}
	good := modelOf(block(80, 16).conv(3, 32).conv(1, 16).g, form)
	bad := modelOf(&graph.Graph{Name: "nothing"}, form)
	broken := func(f Fault) func(testing.TB) (devices.Device, *model.Model) {
		return func(t testing.TB) (devices.Device, *model.Model) {
			return open(t, Options{Name: name, Inject: once(f)}), good
		}
	}
	s := devicetest.Suite{
		Open:  func(t testing.TB) devices.Device { return open(t, Options{Name: name}) },
		Good:  func(testing.TB) *model.Model { return good },
		Bad:   func(testing.TB) *model.Model { return bad },
		Crash: broken(Crash), Hang: broken(Hang), Offline: broken(Offline), Partial: broken(Partial),
		Cannot: map[string]string{
			"Processes": "a simulator starts none",
			"State":     "a simulator changes nothing outside of itself",
		},
	}
	if spec, err := builtin(name); err == nil && spec.Host == nil {
		s.Partial = nil
		s.Cannot["Partial"] = "it has no delegate"
	}
	return s
}

func run(t testing.TB, d *Device, m *model.Model, p devices.Plan) *devices.Block {
	t.Helper()
	b, err := d.Run(context.Background(), m, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plan is the plan of the default protocol.
func plan(block int) devices.Plan {
	return devices.Plan{WarmUpRuns: 3, WarmUpSeconds: 0.05, MinRuns: 10, MinSeconds: 0.2, MaxRuns: 50, MaxSeconds: 1,
		Timeout: time.Minute, Seed: 1, Block: block}
}

// TestExact: the sample equals the op model's time, and the layers sum to it.
func TestExact(t *testing.T) {
	for _, name := range Names() {
		d := open(t, Options{Name: name + ":exact"})
		m := modelOf(fixturetest.Graph(t, "mobiledet_edgetpu"), formOf(d))
		b := run(t, d, m, plan(0))
		p, err := d.Profile(context.Background(), m, plan(0))
		if err != nil {
			t.Fatal(err)
		}
		rows, sum := p.Layers, p.Total()
		if len(b.Samples) != 1 || math.Abs(sum/b.Samples[0]-1) > 1e-12 || len(rows) != len(m.Graph.Ops)+1 {
			t.Errorf("%s: samples %v, %d layers sum to %v", name, b.Samples, len(rows), sum)
		}
	}
}

// TestQuietNoise: blocks spread by 1.5 % around the exact time, and samples within a block are equal.
func TestQuietNoise(t *testing.T) {
	d := open(t, Options{Name: "sim-pixel1-cpu:quiet:7"})
	m := modelOf(fixturetest.Graph(t, "mobiledet_cpu"), formOf(d))
	exact := run(t, open(t, Options{Name: "sim-pixel1-cpu:exact"}), m, plan(0)).Samples[0]
	var logs []float64
	for i := range 2000 {
		b := run(t, d, m, plan(i+1))
		if slices.Min(b.Samples) != slices.Max(b.Samples) || b.FirstSeconds != b.Samples[0] || b.WarmUp[0] != b.Samples[0] {
			t.Fatalf("block %d is not of one time: first %v, warm-up %v, samples %v", i, b.FirstSeconds, b.WarmUp, b.Samples)
		}
		logs = append(logs, math.Log(b.Samples[0]/exact))
	}
	mean, sd := moments(logs)
	// 2,000 draws: the standard error of the mean is 0.0335 %, of the deviation 0.0237 %.
	if math.Abs(mean) > 0.0015 || math.Abs(sd-blockNoise) > 0.001 {
		t.Errorf("log blocks have mean %.5f and deviation %.5f, want 0 and %v", mean, sd, blockNoise)
	}
}

func moments(xs []float64) (mean, sd float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		sd += (x - mean) * (x - mean) / float64(len(xs)-1)
	}
	return mean, math.Sqrt(sd)
}

// TestQuietIsOrderless: a block depends only on its number for its model, not on earlier blocks or
// on the process: a resumed sweep has the numbers of an undisturbed one.
func TestQuietIsOrderless(t *testing.T) {
	gs := sampled(t, "mobiledet_cpu_tucker", 4)
	form := model.Form{Format: model.TFLite, Precision: model.Float32}
	times := func(order []int) map[[2]int]float64 {
		d := open(t, Options{Name: "sim-pixel1-cpu:quiet:3"})
		got := map[[2]int]float64{}
		for _, x := range order {
			k := [2]int{x / 3, x%3 + 1}
			got[k] = run(t, d, modelOf(gs[k[0]], form), plan(k[1])).Samples[0]
		}
		return got
	}
	forward := times([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	if diff := cmp.Diff(forward, times([]int{11, 3, 7, 1, 0, 10, 2, 9, 4, 8, 6, 5})); diff != "" {
		t.Errorf("another order gives other times (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(forward[[2]int{2, 3}], times([]int{8})[[2]int{2, 3}]); diff != "" {
		t.Errorf("a fresh process gives other times:\n%s", diff)
	}
	seen := map[float64]bool{}
	for _, x := range forward {
		if seen[x] {
			t.Errorf("%v appears twice: two blocks drew the same noise", x)
		}
		seen[x] = true
	}
}

// TestSameOrderSameNumbers checks that phone and hostile are reproducible for each unit.
func TestSameOrderSameNumbers(t *testing.T) {
	gs := sampled(t, "mobiledet_edgetpu_tucker", 30)
	history := func(name string) []string {
		d := open(t, Options{Name: name})
		var log []string
		for round := 1; round <= 3; round++ {
			for _, g := range gs {
				b, err := d.Run(context.Background(), modelOf(g, formOf(d)), plan(round))
				if err != nil {
					log = append(log, err.Error())
					continue
				}
				log = append(log, cmp.Diff(nil, b))
			}
		}
		return log
	}
	for _, profile := range []Profile{Phone, Hostile} {
		name := "sim-pixel4-edgetpu:" + string(profile)
		a := history(name + ":1")
		if diff := cmp.Diff(a, history(name+":1")); diff != "" {
			t.Errorf("%s: the same order gives other numbers:\n%.400s", name, diff)
		}
		if slices.Equal(a, history(name+":2")) {
			t.Errorf("%s: two units are one", name)
		}
	}
}

// TestUnits: two units differ in noise but not in the hardware.
func TestUnits(t *testing.T) {
	m := modelOf(fixturetest.Graph(t, "mobiledet_cpu"), model.Form{Format: model.TFLite, Precision: model.Float32})
	sample := func(name string) float64 { return run(t, open(t, Options{Name: name}), m, plan(1)).Samples[0] }
	if sample("sim-pixel1-cpu") == sample("sim-pixel1-cpu:quiet:1") {
		t.Error("two units draw the same noise")
	}
	if sample("sim-pixel1-cpu:exact") != sample("sim-pixel1-cpu:exact:1") {
		t.Error("two units have other times without noise")
	}
}

// TestPhone: every effect of a phone on a measurement occurs and is visible in the blocks.
func TestPhone(t *testing.T) {
	d := open(t, Options{Name: "sim-pixel1-cpu:phone:1"})
	m := modelOf(fixturetest.Graph(t, "mobiledet_cpu"), formOf(d))
	exact := run(t, open(t, Options{Name: "sim-pixel1-cpu:exact"}), m, plan(0)).Samples[0]
	var hottest, lowest float64
	var spikes, waits int
	lowest = 1
	cold, throttled := 0, int64(0)
	for i := range 800 {
		b := run(t, d, m, plan(i+1))
		hottest = max(hottest, *b.After.TemperaturesC["soc"])
		lowest = min(lowest, *b.After.FrequenciesHz["cpu0"]/b.After.MaxFrequencyHz["cpu0"])
		throttled = *b.After.ThrottleCount
		med := median(b.Samples)
		if b.FirstSeconds > 1.4*med {
			cold++
		}
		for k, x := range b.Samples {
			if x > 1.2*med {
				spikes++
			}
			if b.CPUSamples[k] < 0.97*x {
				waits++
			}
		}
		if med < 0.9*exact || med > 4*exact {
			t.Fatalf("block %d has median %v, the op model says %v", i, med, exact)
		}
	}
	spec := d.spec.Thermal
	if cold < 700 || spikes == 0 || waits == 0 || throttled == 0 || lowest == 1 || hottest < spec.ThrottleCelsius.Value {
		t.Errorf("cold %d, spikes %d, waits %d, throttled %d, lowest clock %v, hottest %v", cold, spikes, waits, throttled, lowest, hottest)
	}
	// Idle time cools it down, and the clock rises again.
	if err := d.Wait(context.Background(), time.Hour); err != nil {
		t.Fatal(err)
	}
	b := run(t, d, m, plan(900))
	if *b.Before.FrequenciesHz["cpu0"] != spec.FrequenciesHz.Values[0] || *b.Before.TemperaturesC["soc"] > spec.AmbientCelsius.Value+5 {
		t.Errorf("after an hour's rest: clock %v, %v degrees", b.Before.FrequenciesHz, b.Before.TemperaturesC)
	}
}

// TestTroubles: the trouble of a profile is in its samples and clocks, and in no sensor.
func TestTroubles(t *testing.T) {
	type seen struct {
		undisturbed, disturbed int
		cores                  map[int]bool
		clocks                 map[float64]bool
		slowest                float64 // median of a block over the exact time
	}
	exact := func(m *model.Model) float64 {
		return run(t, open(t, Options{Name: "sim-pixel1-cpu:exact"}), m, plan(0)).Samples[0]
	}
	for profile, good := range map[Profile]func(seen) bool{
		Neighbour: func(s seen) bool { return s.disturbed > 100 && s.undisturbed > s.disturbed && len(s.clocks) == 1 },
		Sawtooth:  func(s seen) bool { return s.undisturbed > 99*s.disturbed && len(s.clocks) == 2 && s.slowest > 1.3 },
		Migrating: func(s seen) bool { return len(s.cores) == 2 && len(s.clocks) == 2 && s.slowest > 2 },
	} {
		t.Run(string(profile), func(t *testing.T) {
			d := open(t, Options{Name: "sim-pixel1-cpu:" + string(profile)})
			m := modelOf(fixturetest.Graph(t, "mobilenet_v3_large_ssdlite"), formOf(d))
			one := exact(m)
			s := seen{cores: map[int]bool{}, clocks: map[float64]bool{}}
			for i := range 200 {
				b := run(t, d, m, plan(i+1))
				for k := range b.Samples {
					if devices.Undisturbed(b.Samples, b.CPUSamples, k) {
						s.undisturbed++
					} else {
						s.disturbed++
					}
				}
				for _, c := range b.Clock {
					s.cores[c.CPU], s.clocks[c.Hz] = true, true
				}
				s.slowest = max(s.slowest, median(b.Samples)/one)
				if b.After.ThrottleCount != nil || b.After.FrequenciesHz != nil || b.After.LoadAverage != nil {
					t.Fatalf("a sensor shows it: %+v", b.After)
				}
			}
			if !good(s) {
				t.Errorf("%+v", s)
			}
		})
	}
	hottest := func(p Profile) (celsius float64) {
		d := open(t, Options{Name: "sim-pixel1-cpu:" + string(p)})
		m := modelOf(fixturetest.Graph(t, "mobiledet_cpu"), formOf(d))
		for i := range 400 {
			celsius = max(celsius, *run(t, d, m, plan(i+1)).After.TemperaturesC["soc"])
		}
		return celsius
	}
	if a, b := hottest(Charging), hottest(Phone); a <= b {
		t.Errorf("charging it is at most at %v degrees, otherwise at %v", a, b)
	}
}

// TestMoreSamples: the simulator goes on like latlab-agent until enough samples are undisturbed.
func TestMoreSamples(t *testing.T) {
	p := plan(1)
	p.MaxRuns, p.MinUndisturbed, p.LimitSeconds = p.MinRuns, math.MaxInt, 10
	for name, goesOn := range map[string]bool{"sim-pixel1-cpu:neighbour": true, "sim-pixel4-edgetpu:neighbour": false} {
		d := open(t, Options{Name: name})
		fixture := map[bool]string{true: "mobiledet_cpu", false: "mobiledet_edgetpu"}[goesOn]
		if b := run(t, d, modelOf(fixturetest.Graph(t, fixture), formOf(d)), p); goesOn != (len(b.Samples) > p.MaxRuns) {
			t.Errorf("%s: %d samples", name, len(b.Samples))
		}
	}
}

func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[len(s)/2]
}

// TestHostile: every fault occurs within some thousand blocks, each with its culprit, and most
// blocks succeed.
func TestHostile(t *testing.T) {
	d := open(t, Options{Name: "sim-pixel4-edgetpu:hostile:5"})
	gs := sampled(t, "mobiledet_edgetpu_tucker", 1000)
	count := map[string]int{}
	for round := 1; round <= 3; round++ {
		for _, g := range gs {
			b, err := d.Run(context.Background(), modelOf(g, formOf(d)), plan(round))
			var e *devices.Error
			switch {
			case errors.As(err, &e):
				count[string(e.Fault)+" "+e.Reason]++
			case err != nil:
				t.Fatal(err)
			case b.Delegation.Delegated < b.Delegation.Nodes:
				count["partial"]++
				if len(b.Delegation.Why) == 0 {
					t.Errorf("%+v does not say why", b.Delegation)
				}
			default:
				count["good"]++
			}
		}
	}
	t.Log(count)
	for _, want := range []string{"device offline", "device hung", "device garbage", "device killed", "model crashed", "partial"} {
		if count[want] == 0 {
			t.Errorf("%q never happened: %v", want, count)
		}
	}
	if count["good"] < 2500 {
		t.Errorf("only %d of 3,000 blocks went well", count["good"])
	}
}

// TestDoomedModel: a model that crashes the runtime does so at every Run, and the model is blamed.
func TestDoomedModel(t *testing.T) {
	d := open(t, Options{Name: "sim-pixel4-edgetpu:hostile:5"})
	var crashed *model.Model
	for _, g := range sampled(t, "mobiledet_edgetpu_tucker", 2000) {
		m := modelOf(g, formOf(d))
		if _, err := d.Run(context.Background(), m, plan(1)); devices.FaultOf(err) == devices.FaultModel && err != nil {
			crashed = m
			break
		}
	}
	if crashed == nil {
		t.Fatal("no model crashes the runtime")
	}
	for i := range 20 {
		_, err := d.Run(context.Background(), crashed, plan(i+2))
		var e *devices.Error
		if !errors.As(err, &e) || e.Reason != devices.ReasonCrashed && e.Reason != devices.ReasonOffline {
			t.Fatalf("then it goes %v", err)
		}
	}
}

func TestRefuses(t *testing.T) {
	d := open(t, Options{Name: "sim-pixel4-edgetpu"})
	form := formOf(d)
	g := fixturetest.Graph(t, "mobiledet_edgetpu")
	loose := *g
	loose.Ops = slices.Clone(g.Ops)
	loose.Ops[3].Inputs = []int{99999}
	for _, tc := range []struct {
		name   string
		m      *model.Model
		fault  devices.Fault
		reason string
	}{
		{"no graph", &model.Model{Name: "x", Form: form}, devices.FaultUser, "no-graph"},
		{"precision", modelOf(g, model.Form{Format: model.TFLite, Precision: model.Float32}), devices.FaultUser, devices.ReasonUnsupported},
		{"format", modelOf(g, model.Form{Format: model.ONNX, Precision: model.Int8}), devices.FaultUser, devices.ReasonUnsupported},
		{"no ops", modelOf(&graph.Graph{Name: "x"}, form), devices.FaultModel, devices.ReasonRejected},
		{"tensor that is not there", modelOf(&loose, form), devices.FaultModel, devices.ReasonRejected},
	} {
		_, err := d.Run(context.Background(), tc.m, plan(1))
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != tc.fault || e.Reason != tc.reason || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", tc.name, err)
		}
		if _, err := d.Profile(context.Background(), tc.m, plan(1)); devices.FaultOf(err) != tc.fault {
			t.Errorf("%s: Profile: %v", tc.name, err)
		}
	}
}

// TestUnsupportedOps: the EdgeTPU takes neither h-swish nor any op behind it.
func TestUnsupportedOps(t *testing.T) {
	d := open(t, Options{Name: "sim-pixel4-edgetpu:exact"})
	b := run(t, d, modelOf(fixturetest.Graph(t, "mobiledet_cpu"), formOf(d)), plan(1))
	p := b.Delegation
	if p.Delegated != 1 || p.Partitions != 1 || len(p.Why) != 2 || !strings.HasPrefix(p.Why[0], "h-swish x") {
		t.Errorf("delegation of a network with h-swish is %+v", p)
	}
	whole := run(t, d, modelOf(fixturetest.Graph(t, "mobiledet_edgetpu"), formOf(d)), plan(1))
	if p := whole.Delegation; p.Delegated != p.Nodes || p.Partitions != 1 || len(p.Why) != 0 {
		t.Errorf("delegation of the device's own network is %+v", p)
	}
	if b.Samples[0] < 4*whole.Samples[0] {
		t.Errorf("on the host it takes %v s, on the EdgeTPU a network of thrice the work %v s", b.Samples[0], whole.Samples[0])
	}
}

// TestUnknownKinds: an op without a constant of its own costs the time of moving its data, which
// grows with the data.
func TestUnknownKinds(t *testing.T) {
	for _, name := range Names() {
		d := open(t, Options{Name: name + ":exact"})
		time := func(n *net) float64 { return run(t, d, modelOf(n.g, formOf(d)), plan(1)).Samples[0] }
		small, large := time(block(20, 16).other("softmax", 16)), time(block(320, 16).other("softmax", 16))
		if !(small > 0 && large > small) {
			t.Errorf("%s: softmax takes %v s and, of 256 times the elements, %v s", name, small, large)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tc := range []struct{ in, out string }{
		{"sim-pixel1-cpu", "sim-pixel1-cpu"},
		{"sim-pixel1-cpu:quiet", "sim-pixel1-cpu"},
		{"sim-pixel1-cpu:quiet:0", "sim-pixel1-cpu"},
		{"sim-pixel1-cpu:exact", "sim-pixel1-cpu:exact"},
		{"sim-pixel1-cpu:quiet:3", "sim-pixel1-cpu:quiet:3"},
		{"sim:a/b.yaml", "sim:a/b.yaml"},
		{"sim:a:b.yaml:phone:12", "sim:a:b.yaml:phone:12"},
	} {
		n, err := ParseName(tc.in)
		if err != nil || n.String() != tc.out {
			t.Errorf("%s is %s, %v", tc.in, n, err)
		}
	}
	for in, says := range map[string]string{
		"sim-pixel1-cpus":         `did you mean "sim-pixel1-cpu"?`,
		"sim-toaster":             "there are sim-",
		"sim-pixel1-cpu:exat":     `did you mean "exact"?`,
		"sim-pixel1-cpu:exact:-1": "whole number",
		"sim-pixel1-cpu:exact:1:": "more parts than",
		"sim-pixel1-cpu:":         "no profile",
		"sim:":                    "names no file",
		"sim:none.yaml":           "no such file",
		"cpu":                     "no such simulator",
	} {
		_, err := Open(Options{Name: in})
		if devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want the user's fault and %q", in, err, says)
		}
	}
	if _, err := Open(Options{Name: "sim-x"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown simulator gives %v", err)
	}
}
