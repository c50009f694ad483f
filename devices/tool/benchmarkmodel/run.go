package benchmarkmodel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/internal/text"
	"latlab/sampler/model"
	tflitereader "latlab/sampler/tflite/reader"
)

// Run times one block: one run of the program.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	op := "time " + m.Name
	if err := tool.Accepts(d.info, m, op); err != nil {
		return nil, err
	}
	return d.m.Block(ctx, op, func(b *devices.Block) error {
		r, err := d.run(ctx, op, m, plan)
		if err != nil {
			return err
		}
		return d.fill(ctx, b, r)
	})
}

type run struct {
	op     string
	model  *model.Model
	sha256 string
	how    *call
	out    tool.Output
	result *Result
	counts [2]*int64 // the driver's counter before and after the run
}

func (r *run) all() string { return r.out.Stdout + r.out.Stderr }

func (r *run) error(k failureKind, err error) *devices.Error {
	return &devices.Error{Fault: k.fault, Op: r.op, Reason: k.reason, Err: err, Advice: k.advice, Output: r.out.Text()}
}

func (d *Device) run(ctx context.Context, op string, m *model.Model, plan devices.Plan, more ...string) (*run, error) {
	staged, err := d.m.Stage(ctx, op, m)
	if err != nil {
		return nil, err
	}
	defer staged.Close()
	file, err := d.resultFile(ctx, op)
	if err != nil {
		return nil, err
	}
	if file != "" {
		more = append(more, "--result_file_path="+d.temp.Path(file))
	}
	how, err := d.call(ctx, op, m)
	if err != nil {
		return nil, err
	}
	defer how.close()
	r := &run{op: op, model: m, sha256: staged.SHA256, how: how}
	args := slices.Concat([]string{"--graph=" + staged.Path}, d.args, how.args, planArgs(plan), d.serialize(staged), more)
	if r.counts[0], err = d.count(ctx, op); err != nil {
		return nil, err
	}
	r.out, err = tool.Do(ctx, d.m, tool.Run{Op: op, Program: program, CPUs: d.o.CPUs, Timeout: plan.Timeout,
		Command: transport.Command{Path: d.program, Args: args, Env: d.env}})
	if err != nil {
		return nil, d.died(r, err)
	}
	if r.counts[1], err = d.count(ctx, op); err != nil {
		return nil, err
	}
	if err := d.read(r); err != nil {
		return nil, err
	}
	if n := r.result.Regular.Count; n < int64(plan.MinRuns) {
		return nil, r.out.Garbage(r.op, fmt.Errorf("benchmark_model timed %d runs, %d were asked for", n, plan.MinRuns))
	}
	if err := d.refine(ctx, r, file); err != nil {
		return nil, err
	}
	return r, nil
}

func (d *Device) read(r *run) error {
	if other := otherOutput(lines(r.all())); other != nil {
		return r.error(failureKind{"", devices.FaultUser, devices.ReasonMissing, otherAdvice}, other)
	}
	if r.out.Exit.Code != 0 {
		return d.exited(r)
	}
	var err error
	if r.result, err = Parse(r.out.Stdout, r.out.Stderr); err != nil {
		return r.out.Garbage(r.op, err)
	}
	if unused := r.result.Proof.Unused; unused != "" {
		return r.error(failureKind{"", devices.FaultUser, "usage", "use a build of benchmark_model that has them"},
			fmt.Errorf("benchmark_model ignored flags that it does not know: %s", unused))
	}
	return nil
}

// exited explains an exit code by the first known line of the output.
func (d *Device) exited(r *run) *devices.Error {
	code := r.out.Exit.Code
	k, text := ending(r.all())
	if k == nil {
		return r.error(failureKind{fault: devices.FaultDevice, reason: devices.ReasonExited}, fmt.Errorf("benchmark_model ended with exit code %d and does not say why", code))
	}
	if d.kind.accelerator && (k.has == "failed to prepare" || k.has == "failed to invoke") {
		return r.error(failureKind{"", devices.FaultDevice, devices.ReasonDelegate, d.kind.advice}, errors.New(text))
	}
	return r.error(*k, errors.New(text))
}

// died: a library that is not a delegate's crashes the tool when it is loaded, before any model is.
// The model is not at fault then.
//
// Source: alanhc/pixel-bench, article-zh.md (a library without tflite_plugin_create_delegate).
func (d *Device) died(r *run, err error) error {
	var e *devices.Error
	if !errors.As(err, &e) || e.Reason != devices.ReasonCrashed || d.kind.name != External {
		return err
	}
	if strings.Contains(r.all(), "EXTERNAL delegate created") {
		return err
	}
	e.Fault, e.Reason = devices.FaultDevice, devices.ReasonDelegate
	e.Err = fmt.Errorf("benchmark_model crashed while it loaded %s: %w", d.o.Library.base(), e.Err)
	e.Advice = "a delegate's library exports tflite_plugin_create_delegate: `nm -D` of it says so"
	return e
}

// serialize gives every model its own token in the user's folder of compiled models: with one token
// for all, a model would get the compiled program of a different one.
func (d *Device) serialize(s *machine.Staged) []string {
	if d.o.Flags["delegate_serialize_dir"] == "" {
		return nil
	}
	return []string{"--delegate_serialize_token=" + s.SHA256[:32]}
}

// maxCounter limits a file that holds one number.
const maxCounter = 64

// count reads the driver's counter; nil if there is none or it holds no number. The error is that of a
// device that went away.
func (d *Device) count(ctx context.Context, op string) (*int64, error) {
	if d.o.Counter == "" {
		return nil, nil
	}
	text, err := d.m.ReadFile(ctx, op, d.o.Counter, maxCounter)
	var known *devices.Error
	if errors.As(err, &known) && known.Reason == devices.ReasonOffline || ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		return nil, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return nil, nil
	}
	return &n, nil
}

const micro = 1e-6

func (d *Device) fill(ctx context.Context, b *devices.Block, r *run) error {
	res := r.result
	b.ModelSHA256, b.Runtime, b.CPUs = r.sha256, d.runtime, r.out.CPUs
	b.Summary = res.Regular.summary()
	b.InitSeconds = float64(res.InitMicros) * micro
	b.FirstSeconds = float64(res.WarmUp.First) * micro
	b.Counters = res.counters()
	b.PeakMemoryBytes = res.Memory.peakBytes()
	if err := d.prove(ctx, b, r); err != nil {
		return err
	}
	b.Doubts = append(b.Doubts, d.doubts(r)...)
	b.Warnings = append(b.Warnings, d.warnings(r)...)
	return nil
}

func (s *Stat) summary() *devices.Summary {
	seconds := func(us *int64) *float64 {
		if us == nil {
			return nil
		}
		return new(float64(*us) * micro)
	}
	return &devices.Summary{
		Count: int(s.Count), Mean: s.Mean * micro, Min: seconds(&s.Min), Max: seconds(&s.Max),
		StdDev: seconds(s.StdDev), Median: seconds(s.Median), Line: s.Line,
	}
}

func (r *Result) counters() map[string]float64 {
	c := map[string]float64{"warmup_runs": float64(r.WarmUp.Count), "mean_resolution_seconds": r.Regular.Resolution * micro}
	if r.WarmUp.Count > 0 {
		c["warmup_mean_seconds"] = r.WarmUp.Mean * micro
	}
	for name, us := range map[string]*int64{"p5_seconds": r.Regular.P5, "p95_seconds": r.Regular.P95} {
		if us != nil {
			c[name] = float64(*us) * micro
		}
	}
	for name, bytes := range map[string]*int64{"init_growth_bytes": r.Memory.Init, "overall_growth_bytes": r.Memory.Overall} {
		if bytes != nil {
			c[name] = float64(*bytes)
		}
	}
	return c
}

// peakBytes is the peak that the tool monitored, if that was requested. Otherwise it is the growth of
// the peak resident set since the start, which excludes the tool's own few megabytes.
func (m *Memory) peakBytes() int64 {
	switch {
	case m.Peak != nil:
		return *m.Peak
	case m.Overall != nil:
		return *m.Overall
	}
	return 0
}

// prove fills in the delegation. It looks up the model's number of nodes only if the output does not
// have it.
func (d *Device) prove(ctx context.Context, b *devices.Block, r *run) error {
	p := &r.result.Proof
	if n := r.model.Network; n != nil {
		p.Drop(n.Idle)
		b.Signature = n.Signature
	}
	nodes := 0
	if d.kind.name != None && len(p.Failures) == 0 {
		var probe devices.Delegation
		if !p.count(d.kind, &probe) || probe.Nodes == 0 {
			nodes = nodesOf(ctx, r.model)
		}
	}
	proof, not := p.prove(d.kind, d.info.Delegate, nodes)
	if not != nil {
		return r.error(not.kind, not.err)
	}
	b.Delegation = proof
	return nil
}

// nodesOf counts the operators of a model's file; 0 if they cannot be counted.
func nodesOf(ctx context.Context, m *model.Model) int {
	n := m.Network
	if n == nil {
		f, err := m.Open(ctx)
		if err != nil {
			return 0
		}
		defer f.Close()
		data, err := os.ReadFile(f.Path)
		if err != nil {
			return 0
		}
		if n, err = tflitereader.Read(data); err != nil {
			return 0
		}
	}
	sum := 0
	for _, o := range n.Operators {
		sum += o.Count
	}
	return sum
}

// doubts are reasons why a block's time must not be used.
func (d *Device) doubts(r *run) []devices.Doubt {
	var list []devices.Doubt
	if d.kind.name == None {
		if r.result.Proof.XNNPACK {
			list = append(list, devices.Doubt{Code: "delegated_anyway", Text: "no delegate was asked for, and this build applies XNNPACK by itself"})
		}
		for _, x := range r.result.Proof.Replaced {
			list = append(list, devices.Doubt{Code: "delegated_anyway", Text: fmt.Sprintf("no delegate was asked for, and %s took %d nodes", text.OneLine(x.Delegate), x.Delegated)})
		}
	}
	if d.kind.accelerator {
		if n := r.result.ErrorsDropped; n > 0 {
			list = append(list, devices.Doubt{Code: "tool_error", Text: fmt.Sprintf("benchmark_model printed %d more errors than are kept", n)})
		}
		for _, line := range r.result.Errors {
			if !strings.Contains(line, "Failed to save benchmark result") && !slices.ContainsFunc(d.o.Harmless, func(h string) bool { return strings.Contains(line, h) }) {
				list = append(list, devices.Doubt{Code: "tool_error", Text: "benchmark_model printed an error: " + text.OneLine(line)})
				break
			}
		}
	}
	for _, w := range r.result.Warnings {
		if tool.ChoseShape(w) {
			list = append(list, devices.Doubt{Code: tool.ReasonShape, Text: "benchmark_model chose the shape of an input: " + text.OneLine(w)})
			break
		}
	}
	return append(list, d.countDoubt(r)...)
}

// countDoubt compares the driver's counter with the number of runs: the only proof that does not come
// from the runtime.
//
// Source: alanhc/pixel-bench, npu-bench.sh (480 + 983 runs, and the counter grew by 1463).
func (d *Device) countDoubt(r *run) []devices.Doubt {
	if d.o.Counter == "" {
		return nil
	}
	runs := r.result.WarmUp.Count + r.result.Regular.Count
	if r.counts[0] == nil || r.counts[1] == nil {
		return []devices.Doubt{{Code: "driver_count", Text: fmt.Sprintf("the driver's counter %s cannot be read", text.OneLine(d.o.Counter))}}
	}
	if grown := *r.counts[1] - *r.counts[0]; grown != runs {
		return []devices.Doubt{{Code: "driver_count", Text: fmt.Sprintf("the driver counted %d inferences, benchmark_model ran %d", grown, runs)}}
	}
	return nil
}

// coarse is the mean below which the resolution of the tool's clock, one microsecond, is more than a
// thousandth.
const coarse = 1000

func (d *Device) warnings(r *run) []string {
	var list []string
	if m := r.result.Regular.Mean; m < coarse {
		list = append(list, fmt.Sprintf("the mean of %.4g us is near the tool's resolution of 1 us", m))
	}
	list = append(list, r.how.warnings...)
	for _, w := range r.result.Warnings {
		list = append(list, "benchmark_model warns: "+text.OneLine(w))
	}
	return list
}

// maxResult limits the result file, which has some hundred bytes.
const maxResult = 64 << 10

// resultFile is the path, for this run alone, where the tool writes its figures with one more digit;
// empty if this build writes none. All runs share one folder, because on a phone making and removing
// one would take longer than some blocks.
func (d *Device) resultFile(ctx context.Context, op string) (string, error) {
	if !d.usage["result_file_path"] {
		return "", nil
	}
	if d.temp == nil {
		t, err := d.m.Temp(ctx, op)
		if err != nil {
			return "", err
		}
		d.temp = t
	}
	d.runs++
	return "result-" + strconv.Itoa(d.runs) + ".pb", nil
}

// refine reads the file. If a build wrote none, its printed lines are used.
func (d *Device) refine(ctx context.Context, r *run, file string) error {
	if file == "" {
		return nil
	}
	text, err := d.temp.ReadFile(ctx, r.op, file, maxResult)
	if errors.Is(err, fs.ErrNotExist) {
		d.temp.Close() // somebody may have removed it: the next run makes a new one
		d.temp = nil
		return nil
	}
	if err != nil {
		return err
	}
	f, err := parseResultFile(text)
	if err == nil {
		err = f.refine(&r.result.Regular)
	}
	if err != nil {
		return r.out.Garbage(r.op, err)
	}
	return nil
}
