package qnnrun

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/internal/text"
)

type job struct {
	op       string
	identity string
	context  *compiled
	plan     devices.Plan
	detailed bool // the processor observes every op
	deadline time.Time
}

// pilotRuns are enough to show that a context runs, and roughly how long it takes.
const pilotRuns = 3

func (d *Device) pilot(ctx context.Context, j job) error {
	p, _, err := d.run(ctx, j, pilotRuns)
	if err != nil {
		return err
	}
	d.median.Store(j.identity, tool.Median(p.netRun)/1e6)
	return nil
}

// maxRuns limits one run: its profile has ten rows for an execution.
const maxRuns = 100_000

// count is how many executions a plan needs, if each takes as long as the last one did.
func (d *Device) count(j job) int {
	p, last := j.plan, d.last(j.identity)
	runs := func(seconds float64) int {
		if last <= 0 || seconds <= 0 {
			return 0
		}
		return int(min(math.Ceil(seconds/last), math.MaxInt32/4))
	}
	timed := max(p.MinRuns, 1)
	fill := runs(p.MinSeconds)
	if p.MaxSeconds > 0 {
		fill = min(fill, runs(p.MaxSeconds))
	}
	timed = max(timed, fill)
	if p.MaxRuns > 0 {
		timed = min(timed, max(p.MaxRuns, p.MinRuns))
	}
	n := timed + max(p.WarmUpRuns, runs(p.WarmUpSeconds))
	return max(min(n, maxRuns), p.MinRuns) // the plan's own number always applies
}

func (d *Device) time(ctx context.Context, j job, b *devices.Block) error {
	p, cpus, err := d.run(ctx, j, d.count(j))
	if err != nil {
		return err
	}
	d.median.Store(j.identity, tool.Median(p.netRun)/1e6)
	warm := d.warm(p.netRun, j.plan)
	b.Samples, b.WarmUp = seconds(p.netRun[warm:]), seconds(p.netRun[:warm])
	if m := j.plan.MaxRuns; m > 0 && len(b.Samples) > m {
		b.Samples = b.Samples[:m]
	}
	if warm > 0 {
		b.FirstSeconds, b.WarmUp = b.WarmUp[0], b.WarmUp[1:]
	}
	b.InitSeconds, b.CPUs = p.init/1e6, cpus
	b.Counters = map[string]float64{"context_bytes": float64(j.context.bytes), "compile_seconds": j.context.took}
	for name, xs := range p.backend {
		b.Counters[name+"_median_seconds"] = tool.Median(xs[warm:]) / 1e6
	}
	d.describe(j, p, b)
	return nil
}

// describe fills in what a block says of the context.
func (d *Device) describe(j job, p *profile, b *devices.Block) {
	b.Runtime, b.ModelSHA256 = d.info.Fingerprint["compiler"], j.context.sha256
	b.Delegation = j.context.qnn.Delegation
	b.Warnings = append(b.Warnings, d.compiler.Warnings()...)
	j.context.qnn.Warnings.AddTo(b)
	p.warnings.AddTo(b)
	if f := j.context.qnn.Floats; len(f) > 0 {
		b.Doubts = append(b.Doubts, devices.Doubt{Code: "precision_not_reached",
			Text: fmt.Sprintf("%d tensors or operators are computed in floating point: %s", len(f), text.Line(strings.Join(f, ", "), maxKept))})
	}
}

// warm is how many of the executions are warm-up: the plan's number, and as many as fill its seconds.
func (d *Device) warm(us []float64, p devices.Plan) int {
	n, sum := 0, 0.0
	for n < len(us)-max(p.MinRuns, 1) && (n < p.WarmUpRuns || sum < p.WarmUpSeconds*1e6) {
		sum += us[n]
		n++
	}
	return n
}

func seconds(us []float64) []float64 {
	s := make([]float64, len(us))
	for i, x := range us {
		s[i] = x / 1e6
	}
	return s
}

// run executes a context n times in a fresh process and reads the profile.
func (d *Device) run(ctx context.Context, j job, n int) (*profile, []int, error) {
	dir, err := d.m.Temp(ctx, j.op)
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	out, err := tool.Do(ctx, d.m, tool.Run{Op: j.op, Program: program, CPUs: d.o.CPUs, Timeout: time.Until(j.deadline),
		Crash:   devices.FaultDevice, // the network compiled, so a library of a different version is likelier
		Command: transport.Command{Path: d.there.netRun, Args: d.args(j, dir, n), Env: d.there.env(), Dir: j.context.dir.Dir}})
	if err != nil {
		return nil, nil, err
	}
	if out.Exit.Code != 0 {
		return nil, nil, failed(j.op, out)
	}
	text, err := d.table(ctx, j, dir, out)
	if err != nil {
		return nil, nil, err
	}
	p, err := parseProfile(text)
	if err == nil {
		err = p.check(n)
	}
	if errors.Is(err, errNoProcessor) {
		return nil, nil, &devices.Error{Fault: devices.FaultDevice, Op: j.op, Reason: devices.ReasonFallBack, Err: err, Output: tool.Tail(text)}
	}
	if err != nil {
		return nil, nil, &devices.Error{Fault: devices.FaultDevice, Op: j.op, Reason: devices.ReasonGarbage,
			Err: fmt.Errorf("the profile: %w", err), Output: tool.Tail(text)}
	}
	p.warnings = out.Warnings(program)
	return p, out.CPUs, nil
}

// args: "basic" is the cheapest profile that has the times of whole executions. One output is kept, so
// that a long run does not fill the disk.
func (d *Device) args(j job, dir *machine.Temp, n int) []string {
	level := "basic"
	if j.detailed {
		level = "detailed"
	}
	return []string{
		"--retrieve_context", j.context.dir.Path(contextFile), "--backend", d.there.backend,
		"--input_list", listFile, "--output_dir", dir.Dir,
		"--use_native_input_files", "--use_native_output_files",
		"--num_inferences", strconv.Itoa(n), "--keep_num_outputs", "1",
		"--profiling_level", level, "--perf_profile", d.o.PerfProfile, "--log_level", "warn",
	}
}

// failed is the error of a network that compiled whole, so the model is not at fault: the machine's
// runtime or the files copied to it are.
func failed(op string, out tool.Output) error {
	text := out.Stdout + out.Stderr
	e := &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: devices.ReasonExited, Output: tool.Tail(text),
		Err: fmt.Errorf("qnn-net-run ended with exit code %d: %s", out.Exit.Code, tool.LastLine(text))}
	for _, part := range []string{"Unable to load backend", "dlopen", "cannot open shared object", "Could not initialize symbols"} {
		if strings.Contains(text, part) {
			e.Fault, e.Reason, e.Advice = devices.FaultUser, devices.ReasonMissing, "are libQnnHtp.so, its Stub and its Skel of this chip's Hexagon version, and of one SDK?"
			return e
		}
	}
	if strings.Contains(strings.ToLower(text), "context") {
		e.Advice = "the context is of one chip (soc) and needs an SDK that is not older than onnxruntime-qnn's"
	}
	return e
}

// Logs that qnn-net-run writes into its output folder, in later SDKs and in early ones.
var logs = []string{"qnn-profiling-data_0.log", "qnn-profiling-data.log"}

// maxLog limits the bytes of one log.
const maxLog = 256 << 20

// table copies the profile to this host and runs the viewer on it.
func (d *Device) table(ctx context.Context, j job, dir *machine.Temp, out tool.Output) (string, error) {
	var data []byte
	var err error
	for _, name := range logs {
		if data, err = dir.ReadFile(ctx, j.op, name, maxLog); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
		return "", out.Garbage(j.op, errors.New("qnn-net-run ended well and wrote no profile"))
	}
	if err != nil {
		return "", err
	}
	here, err := os.MkdirTemp(d.dir, "profile-")
	if err == nil {
		err = os.WriteFile(filepath.Join(here, logs[0]), data, 0o600)
	}
	if err != nil {
		return "", hostError(j.op, err)
	}
	defer os.RemoveAll(here)
	return d.view(ctx, j, here)
}

// viewTimeout limits the viewer, which takes a fraction of a second.
const viewTimeout = time.Minute

func (d *Device) view(ctx context.Context, j job, here string) (string, error) {
	table := filepath.Join(here, "profile.csv")
	out, err := tool.Do(ctx, d.host, tool.Run{Op: j.op, Program: viewer, Timeout: viewTimeout,
		Command: transport.Command{Path: d.o.Viewer, Args: []string{"--input_log", filepath.Join(here, logs[0]), "--output", table}}})
	var known *devices.Error
	if errors.As(err, &known) {
		known.Fault = devices.FaultLab // neither the model nor the device is at fault
	}
	if err != nil {
		return "", err
	}
	if out.Exit.Code != 0 {
		return "", out.Garbage(j.op, fmt.Errorf("qnn-profile-viewer cannot read the profile (exit code %d): %s", out.Exit.Code, tool.LastLine(out.Stdout+out.Stderr)))
	}
	text, err := tool.ReadFile(table, maxLog)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", out.Garbage(j.op, errors.New("qnn-profile-viewer wrote no table"))
	case errors.As(err, new(tool.SizeError)):
		return "", out.Garbage(j.op, fmt.Errorf("the table %w", err))
	case err != nil:
		return "", hostError(j.op, err)
	}
	return text, nil
}

// maxKept is how many bytes of a program's output an error or a fact keeps.
const maxKept = 300
