// Package exporttest fills stores with what exports trip over: names that are commands of a
// spreadsheet or break a line, figures that decimal text rounds, networks that failed.
package exporttest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/devices"
	"latlab/sampler"
)

// Hostile are names of files and devices that somebody could have.
func Hostile() []string {
	return []string{
		"a,b.tflite", `say "hi".tflite`, "it's; DROP TABLE networks--", "two\nlines", "carriage\rreturn", "both\r\nends", "tab\there",
		"=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(\"http://example.com\")", "NA", "null", "None", "nan", "inf", "TRUE", "007", "1e5", "2020-01-01",
		" leading", "trailing ", "  ", "a/b/c=d", "100%", "%41", "model-4", "model-4-", "Benchmark", "key: value", "*", "#comment", "Unit x better=lower",
		"Größe", "模型", "🚀", "e\u0301", "\u202eltr", "\u2028line", "\u00a0blank", "\u200bzero", "<script>alert(1)</script>", "$(rm -rf ~)", "`id`", "\\", "\\n", "../../x",
		"wrong\xffbyte", "half\xe2\x82", "nul\x00byte", "\x1b[31mred", "\ufeffmark", "{}", "[1,2]", "'", "''",
	}
}

// Listed adds a sweep of models of these names, which has all that a sweep may have: valid
// and INVALID networks, some not measured, blocks with and without samples, a disturbed one, sensors that
// say nothing, features that not all networks have. The device's name is the first one.
func Listed(t testing.TB, st bench.Store, names []string) bench.Sweep {
	t.Helper()
	m := bench.Sweep{ModelsHash: "0", Sampling: bench.Listed, Device: info(names[0])}
	m.Device.Threads = 1 // so that CPU times show what was disturbed
	nets := make([]bench.Network, len(names))
	for i, name := range names {
		nets[i] = bench.Network{Index: i, Name: name, Model: fmt.Sprint(i), Features: map[string]float64{"depth": float64(i) / 3}}
		if i%4 == 1 {
			nets[i].Features = map[string]float64{"depth": 0.30000000000000004, name: 1}
		}
	}
	return fill(t, st, m, nets, names)
}

// Points adds a sweep of points of a space.
func Points(t testing.TB, st bench.Store, s *sampler.Space, n int) bench.Sweep {
	t.Helper()
	archs, err := sampler.Sample(s, n, 1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.YAML()
	if err != nil {
		t.Fatal(err)
	}
	nets := make([]bench.Network, n)
	for i, a := range archs {
		nets[i] = bench.Network{Index: i, Name: s.Name + "-" + a.ID(), Space: s.Name, Indices: a.String(), Model: fmt.Sprint(i)}
	}
	m := bench.Sweep{Space: s.Name, SpaceFile: string(text), Sampling: bench.Uniform, Device: info("pixel-4")}
	return fill(t, st, m, nets, []string{"a reason", "another\none"})
}

func info(name string) devices.Info {
	return devices.Info{
		Name: name, Kind: devices.Measured, Harness: "latlab-agent", Delegate: "xnnpack", Threads: 2,
		Fingerprint: map[string]string{"cpu": name},
	}
}

func fill(t testing.TB, st bench.Store, m bench.Sweep, nets []bench.Network, texts []string) bench.Sweep {
	t.Helper()
	protocol, err := protocol.Named("default")
	if err != nil {
		t.Fatal(err)
	}
	m.SchemaVersion, m.Networks, m.Protocol, m.Precision, m.Format = bench.SweepSchema, len(nets), protocol, "float32", "tflite"
	m.Created = time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC)
	m.ID = m.Identity()
	var slots []bench.Slot
	var done []bench.Finished
	var failed []bench.Failure
	for i, n := range nets {
		if i%7 == 6 {
			slots = append(slots, bench.Slot{Order: len(slots), Network: i})
			failed = append(failed, bench.Failure{Network: i, Name: n.Name, Fault: devices.FaultModel, Reason: "refused", Final: true, Time: m.Created})
			continue
		}
		for round := range 3 {
			slot := bench.Slot{Order: len(slots), Network: i, Round: round}
			slots = append(slots, slot)
			done = append(done, bench.Finished{Slot: slot, Block: block(i, round, m.Created, texts[i%len(texts)])})
		}
	}
	ctx := t.Context()
	must(t, st.CreateSweep(ctx, m))
	must(t, st.Plan(ctx, m.ID, nets, slots))
	must(t, st.Finish(ctx, m.ID, done))
	for _, f := range failed {
		must(t, st.Fail(ctx, m.ID, f))
	}
	m, err = st.Sweep(ctx, m.ID)
	must(t, err)
	return m
}

// block is the figures of a network's round: no two alike, none with a short decimal form.
func block(network, round int, began time.Time, text string) *devices.Block {
	at := began.Add(time.Duration(3*network+round) * 1234567891 * time.Nanosecond)
	s := math.Nextafter(float64(network+3)/3000, 1)
	b := &devices.Block{
		Samples: []float64{s, s * (1 + float64(round)/300), s * 1.1}, FirstSeconds: s * 2, InitSeconds: 0.30000000000000004,
		PeakMemoryBytes: 1<<53 + 1, Delegation: devices.Delegation{Name: "xnnpack", Nodes: 64, Delegated: 60, Partitions: 2},
		Runtime: "tflite 2.21.0", ModelSHA256: "00e1", Started: at, Elapsed: 0.4 + s*9,
		Before: devices.State{Time: at, TemperaturesC: map[string]*float64{"cpu": new(41.7), "off": nil}},
		After:  devices.State{Time: at, TemperaturesC: map[string]*float64{"cpu": new(41.8)}},
	}
	switch network % 5 {
	case 2: // a tool that gives a summary, on a device without sensors
		b.Samples, b.Before.TemperaturesC, b.After.TemperaturesC = nil, nil, nil
		b.Summary = &devices.Summary{Count: 30, Mean: s, Min: new(s / 2)}
		b.PeakMemoryBytes, b.FirstSeconds, b.Delegation = 0, 0, devices.Delegation{}
	case 4: // with CPU times and a measured clock; its first block is disturbed
		b.CPUSamples = []float64{b.Samples[0], b.Samples[1], b.Samples[2]}
		if round == 0 {
			b.CPUSamples[1] /= 2
		}
		b.Clock = []devices.Clock{{Hz: 2.1e9 + 0.1, CPU: round}}
	case 3:
		b.Doubts = []devices.Doubt{{Code: "ops_without_cost", Text: text}}
	}
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
