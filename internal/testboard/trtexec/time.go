package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"latlab/internal/testboard/trtfake"
)

// chance causes a fault at a timing run with the control's rate.
func (p *program) chance() {
	if p.fault != "" || p.opts["--loadEngine"] == "" || len(p.Faults) == 0 {
		return
	}
	r := rand.New(rand.NewPCG(p.Seed, uint64(p.index)))
	if r.Float64() < p.Rate {
		p.fault = p.Faults[r.IntN(len(p.Faults))]
	}
}

func (p *program) time() int {
	data, err := os.ReadFile(p.opts["--loadEngine"])
	if err != nil {
		return p.fail("Error opening engine file: " + p.opts["--loadEngine"])
	}
	var e plan
	if json.Unmarshal(data, &e) != nil || e.Magic != magic || e.Version != p.Version {
		return p.fail("Error[1]: Serialization assertion stdVersionRead == serializationVersion failed.")
	}
	if e.DLA != p.opts["--useDLACore"] {
		return p.fail("Error[1]: the engine is of another DLA core")
	}
	if err := p.resize(e); err != nil {
		return p.fail(err.Error())
	}
	if p.Version >= 8000 {
		info("Engine loaded in 0.0125 sec.")
	}
	return p.infer(e)
}

// trace holds the times of one inference in milliseconds, in single precision as CUDA's events.
type trace struct{ enqStart, enqEnd, h2dStart, h2dEnd, start, end, d2hStart, d2hEnd float32 }

func (t trace) compute() float32 { return t.end - t.start }
func (t trace) latency() float32 { return t.h2dEnd - t.h2dStart + t.compute() + t.d2hEnd - t.d2hStart }

// maxVirtualMs is more milliseconds than any test needs; longer times are really waited for.
const maxVirtualMs = 3600e3

// infer follows the loop of sampleInference.cpp with one query at a time.
func (p *program) infer(e plan) int {
	if err := p.load(e); err != nil {
		return p.fail(err.Error())
	}
	r := rand.New(rand.NewPCG(p.Seed^0x9e3779b97f4a7c15, uint64(p.index)))
	ms := e.Seconds * 1e3 * math.Exp(p.BlockNoise*r.NormFloat64())
	warmUp := float64(p.number("--warmUp", 200))
	iterations, until := p.number("--iterations", 10), float64(p.number("--duration", 3))*1e3+warmUp
	if float64(iterations)*ms > maxVirtualMs || until > maxVirtualMs {
		time.Sleep(24 * time.Hour)
	}
	info("Starting inference")
	var all []trace
	now, duration, skip := 0.05, 0.0, 0
	for i := 0; i < iterations+skip || duration < until; i++ {
		one := ms * math.Exp(p.SampleNoise*r.NormFloat64())
		if p.fault == trtfake.Zero {
			one = 0
		}
		h2d, d2h := 0.02+ms/50, 0.01+ms/100
		t := trace{enqStart: float32(now), h2dStart: float32(now), h2dEnd: float32(now + h2d), start: float32(now + h2d),
			enqEnd: float32(now + h2d/2), end: float32(now + h2d + one), d2hStart: float32(now + h2d + one), d2hEnd: float32(now + h2d + one + d2h)}
		all = append(all, t)
		duration = max(duration, float64(t.start))
		if duration < warmUp {
			skip++
		}
		now += h2d + one + d2h + 0.01
	}
	if code := p.report(all, float32(warmUp)); code != 0 {
		return code
	}
	if to := p.opts["--exportProfile"]; to != "" && p.fault != trtfake.NoFile {
		if p.opts["--separateProfileRun"] == "" && p.opts["--dumpProfile"] == "" && p.opts["--exportTimes"] == "" {
			panic("trtexec of TensorRT 7 dereferences no profiler")
		}
		if err := os.WriteFile(to, p.torn(p.profile(e, len(all))), 0o600); err != nil {
			return p.fail(err.Error())
		}
	}
	return p.pass()
}

// profile is what exportJSONProfile writes of a run: the layers take five percent longer than without it.
func (p *program) profile(e plan, runs int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "[\n  { \"count\" : %d }\n", runs)
	for _, l := range p.profiled(e) {
		ms := e.Seconds * 1.05 * l.share * 1e3
		fmt.Fprintf(&b, ", { \"name\" : \"%s\", \"timeMs\" : %.6g, \"averageMs\" : %.6g", l.name, ms*float64(runs), ms)
		if p.Version >= 8400 {
			fmt.Fprintf(&b, ", \"medianMs\" : %.6g", ms)
		}
		fmt.Fprintf(&b, ", \"percentage\" : %.6g }\n", l.share*100)
	}
	b.WriteString("]\n")
	return []byte(b.String())
}

type share struct {
	name  string
	share float64 // of the whole time
}

// profiled are the layers of an engine with equal shares of its time. What the DLA runs is one of them.
func (p *program) profiled(e plan) []share {
	var all []share
	for _, l := range e.Layers {
		all = append(all, share{l.Name, 1 / float64(len(e.Layers))})
	}
	if e.Foreign != "" {
		all = []share{{e.Foreign, 0.8}, {all[0].name, 0.2}}
	}
	return all
}

func (p *program) report(all []trace, warmUp float32) int {
	warm := slices.IndexFunc(all, func(t trace) bool { return t.start >= warmUp })
	timed := all[warm:]
	// Before TensorRT 8 an explicit batch made both numbers 0.
	batch := 1
	if p.Version < 8000 {
		batch = 0
	}
	walltime := float64(timed[len(timed)-1].d2hEnd - timed[0].h2dStart)
	info("Warmup completed %d queries over %.6g ms", warm*batch, warmUp)
	info("Timing trace has %d queries over %.6g s", len(timed)*batch, walltime/1e3)
	info("=== Trace details ===")
	info("Average on 10 runs - GPU latency: %.6g ms - Host latency: %.6g ms (enqueue 0.1 ms)", timed[0].compute(), timed[0].latency())
	if p.Version < 8000 {
		p.oldSummary(timed)
	} else {
		p.summary(timed)
	}
	if to := p.opts["--exportTimes"]; to != "" && p.fault != trtfake.NoFile {
		if p.Version < 8500 {
			warm = 0 // the warm-up was exported too
		}
		if err := p.export(to, all[warm:]); err != nil {
			return p.fail(err.Error())
		}
	}
	return 0
}

// figures returns the summary's figures, added up in single precision as trtexec does.
func figures(ts []trace, of func(trace) float32) (least, most, mean, median float32) {
	var xs []float32
	for _, t := range ts {
		xs = append(xs, of(t))
	}
	slices.Sort(xs)
	for _, x := range xs {
		mean += x
	}
	median = xs[len(xs)/2]
	if len(xs)%2 == 0 {
		median = (xs[len(xs)/2-1] + median) / 2
	}
	return xs[0], xs[len(xs)-1], mean / float32(len(xs)), median
}

func (p *program) summary(ts []trace) {
	info("=== Performance summary ===")
	info("Throughput: 81.2 qps")
	for _, s := range []struct {
		name string
		of   func(trace) float32
	}{
		{"Latency", trace.latency},
		{"Enqueue Time", func(t trace) float32 { return t.enqEnd - t.enqStart }},
		{"H2D Latency", func(t trace) float32 { return t.h2dEnd - t.h2dStart }},
		{"GPU Compute Time", trace.compute},
		{"D2H Latency", func(t trace) float32 { return t.d2hEnd - t.d2hStart }},
	} {
		least, most, mean, median := figures(ts, s.of)
		percentiles := fmt.Sprintf("percentile(99%%) = %.6g ms", most)
		if p.Version >= 8500 {
			percentiles = fmt.Sprintf("percentile(90%%) = %.6g ms, percentile(95%%) = %.6g ms, %s", most, most, percentiles)
		}
		info("%s: min = %.6g ms, max = %.6g ms, mean = %.6g ms, median = %.6g ms, %s", s.name, least, most, mean, median, percentiles)
	}
	info("Total Host Walltime: 3.01 s")
	info("Total GPU Compute Time: 2.99 s")
	least, most, mean, _ := figures(ts, trace.compute)
	if most-least > 0.05*mean {
		log(os.Stderr, "W", fmt.Sprintf("* GPU compute time is unstable, with coefficient of variance = %.6g%%.", 100*(most-least)/mean/4))
		log(os.Stderr, "W", "  If not already in use, locking GPU clock frequency or adding --useSpinWait may improve the stability.")
	}
	info("Explanations of the performance metrics are printed in the verbose logs.")
	info("")
}

// oldSummary prints TensorRT 7's summary.
func (p *program) oldSummary(ts []trace) {
	for _, s := range []struct {
		name, more string
		of         func(trace) float32
	}{
		{"Host Latency", " (end to end 9.9 ms)", trace.latency},
		{"Enqueue Time", "", func(t trace) float32 { return t.enqEnd - t.enqStart }},
		{"GPU Compute", "", trace.compute},
	} {
		least, most, mean, median := figures(ts, s.of)
		info("%s", s.name)
		info("min: %.6g ms%s", least, s.more)
		info("max: %.6g ms%s", most, s.more)
		info("mean: %.6g ms%s", mean, s.more)
		info("median: %.6g ms%s", median, s.more)
		info("percentile: %.6g ms at 99%%", most)
		if s.name == "Host Latency" {
			info("throughput: 0 qps")
			info("walltime: 3.01 s")
		}
	}
	info("total compute time: 2.99 s")
}

func (p *program) export(path string, ts []trace) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	if p.fault == trtfake.Torn {
		ts = ts[:len(ts)/2]
	}
	fmt.Fprintln(w, "[")
	sep := "  "
	for _, t := range ts {
		if p.fault == trtfake.Mismatch {
			t.end += t.compute() / 2
			t.d2hStart, t.d2hEnd = t.end, t.end+t.d2hEnd-t.d2hStart
		}
		fmt.Fprintf(w, "%s{ \"startEnqMs\" : %.6g, \"endEnqMs\" : %.6g, \"startH2dMs\" : %.6g, \"endH2dMs\" : %.6g", sep, t.enqStart, t.enqEnd, t.h2dStart, t.h2dEnd)
		fmt.Fprintf(w, ", \"startComputeMs\" : %.6g, \"endComputeMs\" : %.6g, \"startD2hMs\" : %.6g, \"endD2hMs\" : %.6g", t.start, t.end, t.d2hStart, t.d2hEnd)
		fmt.Fprintf(w, ", \"h2dMs\" : %.6g, \"computeMs\" : %.6g, \"d2hMs\" : %.6g, \"latencyMs\" : %.6g", t.h2dEnd-t.h2dStart, t.compute(), t.d2hEnd-t.d2hStart, t.latency())
		if p.Version < 8500 {
			fmt.Fprintf(w, ", \"endToEndMs\" : %.6g", t.d2hEnd-t.h2dStart)
		}
		fmt.Fprintln(w, " }")
		sep = ", "
	}
	if p.fault != trtfake.Torn {
		fmt.Fprintln(w, "]")
	}
	return w.Flush()
}
