package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"latlab/devices"
	"latlab/devices/sim"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

func asUser(err error, to **devices.Error) bool {
	return errors.As(err, to) && (*to).Fault == devices.FaultUser
}

// maxRuns is the most runs that are simulated. For more, the program really takes the time.
const maxRuns = 20000

// block returns the simulator's latencies of a run, in microseconds.
func (p *program) block(m *model.Model, d delegated) (warmUp, regular []int64, init int64, peak int64) {
	device, err := sim.Open(sim.Options{Name: d.simulator})
	if err != nil {
		_ = p.broken(err)
	}
	runs, longest := p.flags.number("num_runs"), p.flags.number("max_secs")
	if runs > maxRuns || p.flags.number("warmup_runs") > maxRuns {
		time.Sleep(time.Duration(min(longest, 1e9) * float64(time.Second)))
		runs = maxRuns
	}
	b, err := device.Run(context.Background(), m, devices.Plan{
		WarmUpRuns: int(min(maxRuns, p.flags.number("warmup_runs"))), WarmUpSeconds: p.flags.number("warmup_min_secs"),
		MinRuns: int(runs), MinSeconds: p.flags.number("min_secs"), Timeout: 365 * 24 * time.Hour, Block: p.runNumber + 1,
	})
	if err != nil {
		_ = p.broken(err)
	}
	slow := 1.0
	if d.provider != "XNNPACK" && d.simulator == p.c.Host && d.taken == 0 && p.flags["use_xnnpack"] == "false" {
		slow = 5 // the runtime's own kernels
	}
	micros := func(s []float64) (us []int64) {
		for _, x := range s {
			us = append(us, int64(math.Round(x*slow*1e6)))
		}
		return us
	}
	warmUp = append(micros([]float64{b.FirstSeconds}), micros(b.WarmUp)...)
	return within(warmUp, longest), within(micros(b.Samples), longest), micros([]float64{b.InitSeconds})[0], b.PeakMemoryBytes
}

// within drops runs that would begin after the given number of seconds.
func within(us []int64, seconds float64) []int64 {
	var sum int64
	for i, v := range us {
		if float64(sum) > seconds*1e6 {
			return us[:i]
		}
		sum += v
	}
	return us
}

// line formats as StatWithPercentiles does.
func (p *program) line(us []int64) string {
	s := fmt.Sprintf("count=%d", len(us))
	at := func(int) int64 { return 0 }
	if len(us) > 0 {
		sorted := slices.Sorted(slices.Values(us))
		at = func(percent int) int64 { return sorted[len(us)*percent/100] }
		least, most := sorted[0], sorted[len(us)-1]
		switch {
		case least == most && len(us) == 1:
			s += fmt.Sprintf(" curr=%d", us[0])
		case least == most:
			s += fmt.Sprintf(" curr=%d(all same)", us[0])
		default:
			mean, deviation := moments(us)
			s += fmt.Sprintf(" first=%d curr=%d min=%d max=%d avg=%s std=%d", us[0], us[len(us)-1], least, most, number(mean), int64(deviation))
		}
	}
	if p.c.Percentiles {
		s += fmt.Sprintf(" p5=%d median=%d p95=%d", at(5), at(50), at(95))
	}
	return s
}

func moments(us []int64) (mean, deviation float64) {
	for _, v := range us {
		mean += float64(v) / float64(len(us))
	}
	for _, v := range us {
		deviation += (float64(v) - mean) * (float64(v) - mean) / float64(len(us))
	}
	return mean, math.Sqrt(deviation)
}

func (p *program) benchmark(m *model.Model, d delegated) error {
	if p.fault == "crash" {
		die(syscall.SIGSEGV)
	}
	warmUp, regular, init, peak := p.block(m, d)
	if p.fault == "zero" {
		regular = make([]int64, len(regular))
	}
	p.info("The input model file size (MB): %s", number(float64(fileSize(p.flags.text("graph")))/1e6))
	p.info("Initialized session in %sms.", number(float64(init)/1e3))
	for _, r := range []struct {
		runs, secs string
		us         []int64
	}{{"warmup_runs", "warmup_min_secs", warmUp}, {"num_runs", "min_secs", regular}} {
		p.info("Running benchmark for at least %s iterations and at least %s seconds but terminate if exceeding %s seconds.",
			p.flags[r.runs], number(p.flags.number(r.secs)), number(p.flags.number("max_secs")))
		p.info("%s\n", p.line(r.us))
	}
	w, _ := moments(warmUp)
	r, _ := moments(regular)
	p.info("Inference timings in us: Init: %d, First inference: %d, Warmup (avg): %s, Inference (avg): %s", init, warmUp[0], number(w), number(r))
	p.info("Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your discretion.")
	p.info("Memory footprint delta from the start of the tool (MB): init=%s overall=%s", number(float64(peak)/2e6), number(float64(peak)/(1<<20)))
	if p.c.Counter != "" && d.accelerator {
		add(p.c.Counter, int64(len(warmUp)+len(regular)))
	}
	if p.flags.is("enable_op_profiling") {
		p.profile(m, d)
	}
	if file := p.flags.text("result_file_path"); file != "" {
		p.save(file, warmUp, regular, init)
	}
	return nil
}

func fileSize(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

// save writes a BenchmarkResult.
func (p *program) save(file string, warmUp, regular []int64, init int64) {
	mean, deviation := moments(regular)
	warm, _ := moments(warmUp)
	sorted := slices.Sorted(slices.Values(regular))
	var latency, misc, all []byte
	for n, us := range map[protowire.Number]float64{
		1: mean, 2: float64(sorted[0]), 3: float64(sorted[len(sorted)-1]), 4: deviation, 5: float64(sorted[len(sorted)/2]),
		8: float64(init), 9: float64(warmUp[0]), 10: warm,
	} {
		latency = protowire.AppendTag(latency, n, protowire.Fixed32Type)
		latency = protowire.AppendFixed32(latency, math.Float32bits(float32(us/1000)))
	}
	for n, v := range map[protowire.Number]int{2: len(regular), 3: len(warmUp)} {
		misc = protowire.AppendTag(misc, n, protowire.VarintType)
		misc = protowire.AppendVarint(misc, uint64(v))
	}
	for n, msg := range map[protowire.Number][]byte{2: latency, 4: misc} {
		all = protowire.AppendTag(all, n, protowire.BytesType)
		all = protowire.AppendBytes(all, msg)
	}
	p.info("Saving benchmark result to: %s", file)
	if err := os.WriteFile(file, all, 0o600); err != nil {
		p.error("Failed to save benchmark result to: %s", file)
		return
	}
	p.info("Saved benchmark result to: %s", file)
}

// profile prints the tables of a profiler. XNNPACK and the GPU's delegate put their ops in place of their kernel,
// an external delegate may print them in a table of its own, and of NNAPI and Hexagon only the kernel has a time.
func (p *program) profile(m *model.Model, d delegated) {
	device, err := sim.Open(sim.Options{Name: d.simulator})
	if err != nil {
		_ = p.broken(err)
	}
	profile, err := device.Profile(context.Background(), m, devices.Plan{})
	if err != nil {
		_ = p.broken(err)
	}
	ops := profile.Layers[:len(profile.Layers)-1]
	taken := ops[:min(d.taken, len(ops))]
	p.info("Operator-wise Profiling Info for Regular Benchmark Runs:")
	var rows, internal []row
	for i, op := range taken {
		kernel := kernelOf(m, i)
		internal = append(internal, row{"DelegateOpInvoke", fmt.Sprintf("Delegate/%s:%d", kernel, i), op.Seconds})
		if d.perOperator() {
			rows = append(rows, row{kernel, internal[i].name, op.Seconds})
		}
	}
	if !d.perOperator() && len(taken) > 0 {
		rows = append(rows, row{d.kernel, fmt.Sprintf("[output]:%d", len(ops)), 0})
		for _, op := range taken {
			rows[0].seconds += op.Seconds
		}
	}
	for i, op := range ops[len(taken):] {
		rows = append(rows, row{strings.ToUpper(op.Op), fmt.Sprintf("[%s]:%d", op.Name, len(taken)+i), op.Seconds})
	}
	p.table(rows)
	if d.provider == "EXTERNAL" && len(taken) > 0 {
		fmt.Fprintln(p.out, "Delegate internal: ")
		p.table(internal)
	}
}

func (d delegated) perOperator() bool { return d.provider == "XNNPACK" || d.provider == "GPU" }

// kernelOf is XNNPACK's name of an operator's kernel.
func kernelOf(m *model.Model, i int) string {
	typ := "F32"
	if m.Precision == model.Int8 {
		typ = "QC8"
	}
	switch op := m.Graph.Ops[i]; {
	case op.Kind == graph.DepthwiseConv:
		return "Convolution (NHWC, " + typ + ") DWConv"
	case op.Kind == graph.FullyConnected, op.Kind == graph.Conv2D && op.Kernel == [2]int{1, 1} && op.Stride == [2]int{1, 1}:
		return "Fully Connected (NC, " + typ + ") GEMM"
	case op.HasWeights():
		return "Convolution (NHWC, " + typ + ") IGEMM"
	case op.Kind == graph.Add:
		return "Add (ND, " + typ + ")"
	default:
		return strings.ReplaceAll(string(op.Kind), "_", " ") + " (NC, " + typ + ")"
	}
}

// row is a row of a table: the node's type and name, and its time.
type row struct {
	typ, name string
	seconds   float64
}

func (p *program) table(rows []row) {
	fmt.Fprintln(p.out, "============================== Run Order ==============================")
	fmt.Fprintf(p.out, "\t%40s\t%9s\t%9s\t%8s\t%8s\t%10s\t%9s\t%s\n", "[node type]", "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]", "[times called]", "[Name]")
	for _, r := range rows {
		ms := r.seconds * 1e3
		fmt.Fprintf(p.out, "\t%40s\t%9.3f\t%9.3f\t%7.3f%%\t%7.3f%%\t%10.3f\t%9d\t%s\n", r.typ, ms, ms, 1.0, 1.0, 0.0, 1, r.name)
	}
	fmt.Fprintln(p.out)
}
