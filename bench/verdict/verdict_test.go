package verdict

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/devices"
)

// goodInput is three blocks without any doubt.
func goodInput() Input {
	p, err := protocol.Named("default")
	if err != nil {
		panic(err)
	}
	in := Input{
		Protocol: p, Pooled: stats.Noise{SumSquares: 0.01, DF: 100},
		Info: devices.Info{Name: "d", Kind: devices.Measured, Threads: 1, CPUs: []int{2, 1}},
	}
	for _, base := range []float64{0.100, 0.101, 0.0995} {
		b := devices.Block{Runtime: "r", ModelSHA256: "m", Elapsed: 2, CPUs: []int{1, 2}, FirstSeconds: 0.2, PeakMemoryBytes: 5}
		b.Delegation = devices.Delegation{Name: "xnnpack", Nodes: 10, Delegated: 10, Partitions: 1}
		for i := range 12 {
			b.Samples = append(b.Samples, base*(1+0.001*float64(i%3)))
			b.CPUSamples = append(b.CPUSamples, base*0.99)
		}
		b.Before = devices.State{
			TemperaturesC: map[string]*float64{"cpu": new(40.0), "off": nil}, FrequenciesHz: map[string]*float64{"cpu1": new(2e9), "cpu2": new(1.9e9), "cpu3": new(9e9), "cpu4": nil},
			Governor: "performance", ThrottleCount: new(int64(4)), StealSeconds: new(1.0), LoadAverage: new(0.9),
			Turbo: new(false), OnBattery: new(false),
		}
		b.After = b.Before
		b.After.TemperaturesC = map[string]*float64{"cpu": new(45.0), "skin": new(30.0)}
		in.Blocks = append(in.Blocks, b)
	}
	return in
}

func (in *Input) each(f func(b *devices.Block)) {
	for i := range in.Blocks {
		f(&in.Blocks[i])
	}
}

func codes(ds []Doubt) string {
	var cs []string
	for _, d := range ds {
		cs = append(cs, d.Code)
	}
	return strings.Join(cs, " ")
}

func TestMeasure(t *testing.T) {
	m, ok := Measure(goodInput())
	if !ok || m.Verdict != Valid || codes(m.Reasons) != "" || codes(m.Warnings) != "" {
		t.Fatalf("%v %+v", ok, m)
	}
	if m.Seconds != 0.1*1.001 || m.Blocks != 3 || m.Samples != 36 || *m.TemperatureC != 45 || *m.MinSeconds != 0.0995 {
		t.Errorf("%+v", m)
	}
	if m.Estimator != stats.MedianOfUndisturbed || *m.UndisturbedShare != 1 || m.Method != stats.PooledT || m.Confidence != 0.95 {
		t.Errorf("%+v", m)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"latency_seconds":0.1`, `"low_seconds":0.`, `"verdict":"VALID"`, `"reasons":[]`, `"warnings":[]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("JSON lacks %s: %s", want, text)
		}
	}
}

// TestPercentiles: they need samples enough in as many blocks as the protocol asks for; the latency of a protocol of
// a percentile is that percentile, under a name of its own.
func TestPercentiles(t *testing.T) {
	in := goodInput()
	m, _ := Measure(in)
	if m.P90Seconds != nil || m.P99Seconds != nil || m.P90Low != nil {
		t.Errorf("percentiles of 12 samples: %v %v", m.P90Seconds, m.P99Seconds)
	}
	in.each(func(b *devices.Block) {
		for range 3 {
			b.Samples, b.CPUSamples = append(b.Samples, b.Samples[:12]...), append(b.CPUSamples, b.CPUSamples[:12]...)
		}
	})
	m, _ = Measure(in)
	if m.P90Seconds == nil || math.Abs(*m.P90Seconds-0.1002) > 1e-9 || !(*m.P90Low < *m.P90Seconds && *m.P90Seconds < *m.P90High) || m.P99Seconds != nil {
		t.Errorf("%v in %v to %v; %v", m.P90Seconds, m.P90Low, m.P90High, m.P99Seconds)
	}
	of := in
	of.Protocol.Percentile = 0.9
	tail, _ := Measure(of)
	if tail.Seconds != *m.P90Seconds || *tail.P90Seconds != tail.Seconds || tail.Low != tail.P90Low || tail.Estimator != "median of block 90th percentiles v1" {
		t.Errorf("%v by %q", tail.Seconds, tail.Estimator)
	}
	of.Info.Deterministic = true
	of.Protocol.Percentile = 0
	if m, _ := Measure(of); m.P90Seconds != nil {
		t.Error("a percentile of a deterministic device")
	}
	// The tail of a busy machine is not the network's.
	in.each(func(b *devices.Block) {
		for i := range 6 {
			b.CPUSamples[i] /= 2
		}
	})
	in.Protocol.Percentile = 0.9
	m, _ = Measure(in)
	if m.Verdict != Invalid || codes(m.Reasons) != ReasonDisturbed {
		t.Errorf("%s: %s", m.Verdict, codes(m.Reasons))
	}
	if i := slices.IndexFunc(m.Warnings, func(d Doubt) bool { return d.Code == WarnDisturbed }); i < 0 || strings.Contains(m.Warnings[i].Text, "left out") {
		t.Errorf("no sample of a percentile is left out: %v", m.Warnings)
	}
}

func TestMeasureIsPure(t *testing.T) {
	a, b := goodInput(), goodInput()
	first, _ := Measure(a)
	second, _ := Measure(a)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("the input was changed: %s", diff)
	}
	if _, ok := Measure(Input{}); ok {
		t.Error("a measurement of nothing")
	}
}

// clocks gives the blocks readings in GHz, each block's repeated as often as it has to be; the last is that of the others.
func clocks(ghz ...[]float64) func(*Input) {
	return func(in *Input) {
		for i := range in.Blocks {
			b := &in.Blocks[i]
			for k := range 6 {
				of := ghz[min(i, len(ghz)-1)]
				b.Clock = append(b.Clock, devices.Clock{Samples: 2 * k, Hz: 1e9 * of[k%len(of)], CPU: 1})
			}
		}
	}
}

// threads returns blocks of several threads with the given ratios of CPU time to wall time.
func threads(n int, ratios ...float64) func(*Input) {
	return func(in *Input) {
		in.Info.Threads = n
		for i, r := range ratios {
			for j, s := range in.Blocks[i].Samples {
				in.Blocks[i].CPUSamples[j] = r * s
			}
		}
	}
}

func TestVerdicts(t *testing.T) {
	scale := func(b *devices.Block, by float64) {
		for i := range b.Samples {
			b.Samples[i] *= by
			b.CPUSamples[i] *= by
		}
	}
	for name, tc := range map[string]struct {
		change            func(in *Input)
		reasons, warnings string
	}{
		"two blocks":        {func(in *Input) { in.Blocks = in.Blocks[:2] }, "few_blocks", ""},
		"no affinity asked": {func(in *Input) { in.Info.CPUs = nil }, "", ""},
		"wrong affinity":    {func(in *Input) { in.Blocks[1].CPUs = []int{3} }, "affinity", ""},
		"accelerator falls back": {func(in *Input) {
			in.Info.Accelerator = true
			in.Blocks[2].Delegation.Delegated = 9
		}, "not_delegated", ""},
		"accelerator may fall back": {func(in *Input) {
			in.Info.Accelerator, in.Protocol.AllowPartial = true, true
			in.Blocks[2].Delegation.Delegated = 9
		}, "", "partly_delegated"},
		"accelerator falls back wholly": {func(in *Input) {
			in.Info.Accelerator, in.Protocol.AllowPartial = true, true
			in.Blocks[2].Delegation.Delegated = 0
		}, "not_delegated", ""},
		"device doubts": {func(in *Input) {
			in.each(func(b *devices.Block) {
				b.Doubts = []devices.Doubt{{Code: "ops_without_cost", Text: "2 operators have no cost"}}
			})
		}, "ops_without_cost", ""},
		"deterministic": {func(in *Input) {
			in.Info.Deterministic, in.Blocks = true, in.Blocks[:1]
			in.Blocks[0].Samples, in.Blocks[0].CPUSamples = []float64{0.1}, nil
		}, "", ""},
		"estimator on a busy machine": {func(in *Input) {
			in.Info.Kind, in.Info.Deterministic, in.Info.CPUs = devices.Estimated, true, []int{7}
			in.Blocks = in.Blocks[:1]
			b := &in.Blocks[0]
			b.CPUSamples[0], b.Before.LoadAverage, b.After.StealSeconds, b.After.ThrottleCount = 0, new(9.0), new(9.0), new(int64(9))
			b.Before.TemperaturesC, b.After.TemperaturesC = nil, nil
		}, "", ""},
		"accelerator without proof": {func(in *Input) {
			in.Info.Accelerator = true
			in.each(func(b *devices.Block) { b.Delegation = devices.Delegation{} })
		}, "not_delegated", ""},
		"accelerator waits": {func(in *Input) {
			in.Info.Accelerator = true
			in.each(func(b *devices.Block) { b.CPUSamples[0] = 0.001; scale(b, 1); slices.Sort(b.CPUSamples) })
		}, "", ""},
		"xnnpack takes part": {func(in *Input) { in.Blocks[0].Delegation.Delegated = 3 }, "", "partly_delegated"},
		"no delegate asked": {func(in *Input) {
			in.each(func(b *devices.Block) { b.Delegation = devices.Delegation{Nodes: 10} })
		}, "", ""},
		"noisy sweep":  {func(in *Input) { in.Pooled = stats.Noise{SumSquares: 1, DF: 100} }, "precision", "pooled_noise"},
		"alone":        {func(in *Input) { in.Pooled = stats.Noise{} }, "", "noise_poorly_known"},
		"a step":       {func(in *Input) { scale(&in.Blocks[1], 1.4) }, "precision step", "unlike_others noise_poorly_known"},
		"a small step": {func(in *Input) { scale(&in.Blocks[1], 1.1) }, "precision", "unlike_others noise_poorly_known"},
		"a step within wide noise": {func(in *Input) {
			scale(&in.Blocks[1], 1.4)
			in.Pooled = stats.Noise{SumSquares: 4, DF: 100}
		}, "precision", ""},
		"drift in blocks": {func(in *Input) {
			in.each(func(b *devices.Block) {
				for i := range b.Samples {
					b.Samples[i] *= 1 + 0.04*float64(i)
					b.CPUSamples[i] = b.Samples[i]
				}
			})
		}, "drift", "above_minimum"},
		"drift over blocks": {func(in *Input) {
			in.Blocks = append(in.Blocks, goodInput().Blocks...)
			for i := range in.Blocks {
				scale(&in.Blocks[i], 1+0.04*float64(i))
			}
			in.Protocol.HalfWidth = 0.5
		}, "drift", "unlike_others"},
		"steady clock":      {clocks([]float64{2}), "", ""},
		"a turbo clock":     {clocks([]float64{3.70, 3.44, 3.54, 3.87, 3.68, 3.70}, []float64{3.69, 3.71, 3.87, 3.68, 3.97, 3.95}, []float64{3.94, 4.02, 4.01, 3.70, 3.43, 3.69}), "", ""},
		"a few per cent":    {clocks([]float64{2}, []float64{1.92}, []float64{1.95}), "", ""},
		"a third is slow":   {clocks([]float64{2}, []float64{2, 2, 1}), "", ""},
		"half is slow":      {clocks([]float64{2}, []float64{2, 1}, []float64{2}), "throttled", "slow_blocks"},
		"one block is slow": {clocks([]float64{2}, []float64{1.8}, []float64{2}), "throttled", "slow_blocks"},
		"it was run again": {func(in *Input) {
			in.Blocks = append(in.Blocks, in.Blocks[0])
			clocks([]float64{2}, []float64{1.8}, []float64{2})(in)
		}, "", "slow_blocks"},
		"slower than the sweep": {func(in *Input) {
			in.Clock = stats.CoreClock{Hz: 2.2e9}
			clocks([]float64{2})(in)
		}, "throttled", ""},
		"an allowance for the clock": {func(in *Input) {
			in.Clock, in.Protocol.ClockLimit = stats.CoreClock{Hz: 2.2e9}, 0.1
			clocks([]float64{2})(in)
		}, "", ""},
		"the host of an accelerator": {func(in *Input) {
			in.Info.Accelerator = true
			clocks([]float64{2}, []float64{1}, []float64{2})(in)
		}, "", ""},
		"measured, not what a sensor says after it": {func(in *Input) {
			in.Blocks[1].After.FrequenciesHz = map[string]*float64{"cpu1": new(1e9), "cpu2": new(1e9)}
			clocks([]float64{2})(in)
		}, "", ""},
		"cores of two kinds": {func(in *Input) {
			clocks([]float64{1.8})(in)
			in.each(func(b *devices.Block) { b.Before.MaxFrequencyHz = map[string]float64{"cpu1": 1.8e9, "cpu2": 2.4e9} })
			for i := range in.Blocks[2].Clock {
				in.Blocks[2].Clock[i].CPU = 2
			}
		}, "core", ""},
		"throttle counter": {func(in *Input) { in.Blocks[1].After.ThrottleCount = new(int64(9)) }, "throttled", ""},
		"clock falls": {func(in *Input) {
			in.Blocks[1].After.FrequenciesHz = map[string]*float64{"cpu1": new(1e9), "cpu2": new(1e9)}
		}, "throttled", ""},
		"clock falls by the governor": {func(in *Input) {
			in.each(func(b *devices.Block) { b.After.Governor = "schedutil" })
			in.Blocks[1].After.FrequenciesHz = map[string]*float64{"cpu1": new(1e9), "cpu2": new(1e9)}
		}, "", "frequency"},
		"core shared": {func(in *Input) {
			in.each(func(b *devices.Block) { b.CPUSamples = slices.Repeat([]float64{0.05}, 12) })
		}, "disturbed", "disturbed_samples"},
		"core shared once": {func(in *Input) { in.Blocks[0].CPUSamples = slices.Repeat([]float64{0.08}, 12) }, "disturbed", "disturbed_samples"},
		"core shared once, with a block more": {func(in *Input) {
			in.Blocks = append(in.Blocks, in.Blocks[0])
			in.Blocks[0].CPUSamples = slices.Repeat([]float64{0.08}, 12)
		}, "", "disturbed_samples"},
		"core shared at times": {func(in *Input) {
			in.each(func(b *devices.Block) {
				for i := range 8 {
					b.Samples[i] *= 2 // disturbed samples do not count, however slow
				}
			})
		}, "", "disturbed_samples"},
		"two threads":                   {threads(2, 1.7, 1.7, 1.65), "", ""},
		"two threads share a core":      {threads(2, 1.0, 1.0, 1.0), "cpu_time_below_wall", ""},
		"two threads share it once":     {threads(2, 1.9, 1.9, 1.5), "", "cpu_time_of_a_block"},
		"two threads share it at times": {threads(2, 1.9, 1.4, 1.4), "cpu_time_below_wall", ""},
		"four threads":                  {threads(4, 3.4, 3.3, 3.4), "", ""},
		"four threads share a core":     {threads(4, 2.1, 2.1, 2.1), "cpu_time_below_wall", ""},
		"two threads of which one has little to do": {func(in *Input) {
			threads(2, 1.10, 1.08, 1.09)(in)
			in.each(func(b *devices.Block) { b.Delegation.Delegated = 7 })
		}, "", "partly_delegated"},
		"two threads of which one has little to do share a core once": {func(in *Input) {
			threads(2, 1.10, 1.08, 0.95)(in)
			in.each(func(b *devices.Block) { b.Delegation.Delegated = 7 })
		}, "", "partly_delegated cpu_time_of_a_block"},
		"a thread waited": {func(in *Input) {
			threads(2, 1.7, 1.7, 1.7)(in)
			in.each(func(b *devices.Block) { b.WaitSeconds = new(0.5) })
		}, "cpu_time_below_wall", ""},
		"a thread waited once": {func(in *Input) {
			threads(2, 1.7, 1.7, 1.7)(in)
			in.Blocks[1].WaitSeconds, in.Blocks[0].WaitSeconds, in.Blocks[2].WaitSeconds = new(0.2), new(0.01), new(0.0)
		}, "", "cpu_time_of_a_block"},
		"one thread does not wait for others": {func(in *Input) {
			in.each(func(b *devices.Block) { b.WaitSeconds = new(0.5) })
		}, "", ""},
		"quota": {func(in *Input) {
			in.Blocks[1].Before.QuotaStops, in.Blocks[1].Before.QuotaSeconds = new(3.0), new(0.5)
			in.Blocks[1].After.QuotaStops, in.Blocks[1].After.QuotaSeconds = new(9.0), new(0.51)
		}, "", "cpu_quota"},
		"stopped by a quota": {func(in *Input) {
			in.Blocks[1].Before.QuotaSeconds, in.Blocks[1].After.QuotaSeconds = new(0.5), new(0.75)
		}, "disturbed", "disturbed_samples"},
		"quota not reached": {func(in *Input) {
			in.each(func(b *devices.Block) {
				b.Before.QuotaStops, b.After.QuotaStops = new(3.0), new(3.0)
				b.Before.QuotaSeconds, b.After.QuotaSeconds = new(0.5), new(0.5)
			})
		}, "", ""},
		"no CPU time": {func(in *Input) { in.each(func(b *devices.Block) { b.CPUSamples = nil }) }, "", ""},
		"no sensor": {func(in *Input) {
			in.each(func(b *devices.Block) { b.Before.TemperaturesC, b.After.TemperaturesC = nil, nil })
		}, "", "no_temperature_sensor"},
		"no sensor on a simulator": {func(in *Input) {
			in.Info.Kind = devices.Simulated
			in.each(func(b *devices.Block) { b.Before.TemperaturesC, b.After.TemperaturesC = nil, nil })
		}, "", ""},
		"load":    {func(in *Input) { in.Blocks[0].Before.LoadAverage = new(3.0) }, "", "load_average"},
		"steal":   {func(in *Input) { in.Blocks[0].After.StealSeconds = new(1.5) }, "", "steal"},
		"turbo":   {func(in *Input) { in.Blocks[0].After.Turbo = new(true) }, "", "turbo"},
		"battery": {func(in *Input) { in.Blocks[0].After.OnBattery = new(true) }, "", "battery"},
		"bimodal": {func(in *Input) {
			for i := 0; i < 12; i += 2 {
				in.Blocks[0].Samples[i], in.Blocks[0].CPUSamples[i] = 0.13, 0.13
			}
		}, "precision", "above_minimum bimodal unlike_others noise_poorly_known"},
		"another runtime": {func(in *Input) { in.Blocks[0].Runtime = "s" }, "", "mixed_runs"},
		"device warns": {func(in *Input) {
			in.each(func(b *devices.Block) { b.Warnings = []string{"fan is off"} })
		}, "", "device"},
	} {
		t.Run(name, func(t *testing.T) {
			in := goodInput()
			tc.change(&in)
			if in.Pooled.DF > 0 { // what is pooled includes the network itself
				blocks, values, _ := in.rule().Usable(in.Blocks)
				in.Pooled = in.Pooled.Add(stats.ReplicateNoise(blocks, values))
			}
			m, ok := Measure(in)
			if !ok {
				t.Fatal("no measurement")
			}
			if got := codes(m.Reasons); got != tc.reasons {
				t.Errorf("reasons %q, want %q: %+v", got, tc.reasons, m.Reasons)
			}
			if got := codes(m.Warnings); got != tc.warnings {
				t.Errorf("warnings %q, want %q: %+v", got, tc.warnings, m.Warnings)
			}
			want := Invalid
			switch tc.reasons {
			case "":
				want = Valid
			case "precision":
				want = Imprecise
			}
			if m.Verdict != want {
				t.Errorf("verdict %s, want %s", m.Verdict, want)
			}
		})
	}
}

func TestDelegationSaysWhy(t *testing.T) {
	for partitions, words := range map[int]string{1: "1 partition", 2: "2 partitions"} {
		in := goodInput()
		in.Info.Accelerator = true
		in.Blocks[1].Delegation = devices.Delegation{Name: "npu", Nodes: 10, Delegated: 7, Partitions: partitions, Why: []string{"EXP x2: no kernel", "CUSTOM x1"}}
		m, _ := Measure(in)
		want := "npu took 7 of 10 nodes, in " + words + ": EXP x2: no kernel; CUSTOM x1"
		if len(m.Reasons) != 1 || m.Reasons[0].Text != want || *m.Reasons[0].Value != 0.7 {
			t.Errorf("reasons %+v, want %q", m.Reasons, want)
		}
	}
}

func TestEstimate(t *testing.T) {
	in := goodInput()
	in.Info.Kind, in.Info.Deterministic = devices.Estimated, true
	in.Blocks = in.Blocks[:1]
	b := &in.Blocks[0]
	b.Samples, b.CPUSamples, b.Bounds, b.Counters = []float64{0.2}, nil, &devices.Bounds{Low: 0.1, High: 0.3}, map[string]float64{"fill_bytes": 5}
	m, ok := Measure(in)
	if !ok || m.Verdict != Valid || m.Seconds != 0.2 || *m.Low != 0.2 || *m.High != 0.2 || m.Confidence != 1 || m.HalfWidth() != 0 {
		t.Errorf("%+v", m)
	}
	if m.Method != stats.Deterministic || m.Estimator != stats.ToolEstimate || m.Kind != devices.Estimated || *m.NoiseCV != 0 {
		t.Errorf("method %q, estimator %q, kind %q, noise %v", m.Method, m.Estimator, m.Kind, *m.NoiseCV)
	}
	if m.Bounds == nil || *m.Bounds != *b.Bounds || m.Counters["fill_bytes"] != 5 {
		t.Errorf("bounds %v, counters %v", m.Bounds, m.Counters)
	}
}

// Stores of older versions may hold blocks that cannot be true. They are INVALID, and every figure
// made of them can be written as JSON.
func TestBlocksThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(in *Input){
		"a sample of 1e300 s":      func(in *Input) { in.Blocks[1].Samples[0] = 1e300 },
		"all samples near the end": func(in *Input) { in.each(func(b *devices.Block) { setAll(b.Samples, math.MaxFloat64) }) },
		"blocks of any factor": func(in *Input) {
			setAll(in.Blocks[0].Samples, 1e300)
			setAll(in.Blocks[1].Samples, 1e-300)
			in.Pooled = stats.Noise{}
		},
		"infinite CPU time": func(in *Input) { setAll(in.Blocks[0].CPUSamples, math.Inf(1)) },
		"no CPU time":       func(in *Input) { setAll(in.Blocks[0].CPUSamples, math.NaN()) },
		"pooled noise":      func(in *Input) { in.Pooled = stats.Noise{SumSquares: 1e6, DF: 3}; in.Blocks[0].Samples[0] = 1e300 },
		"more delegated":    func(in *Input) { in.Blocks[0].Delegation.Delegated = 99 },
	} {
		t.Run(name, func(t *testing.T) {
			in := goodInput()
			in.Info.Harness, in.Info.Delegate = devices.AgentHarness, "xnnpack"
			if m, _ := Measure(in); m.Verdict != Valid {
				t.Fatalf("the blocks before: %+v", m.Reasons)
			}
			change(&in)
			m, ok := Measure(in)
			if !ok || m.Verdict != Invalid || !strings.Contains(codes(m.Reasons), devices.ReasonGarbage) {
				t.Errorf("%v %s %+v", ok, m.Verdict, m.Reasons)
			}
			if _, err := json.Marshal(m); err != nil {
				t.Error(err)
			}
		})
	}
}

func setAll(xs []float64, x float64) {
	for i := range xs {
		xs[i] = x
	}
}

func TestClusterGap(t *testing.T) {
	for _, tc := range []struct {
		samples []float64
		want    float64
	}{
		{[]float64{1, 1, 1, 1, 2}, 1},                // a fifth is a group
		{[]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 2}, 0}, // one of ten is an outlier
		{[]float64{1, 1, 1.5, 1.5}, 0.5},
	} {
		if got := clusterGap(slices.Sorted(slices.Values(tc.samples))); math.Abs(got-tc.want) > 1e-12 {
			t.Errorf("%v: gap %g, want %g", tc.samples, got, tc.want)
		}
	}
}
