package trtexec

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"time"

	"latlab/devices"
	"latlab/devices/tool"
)

type job struct {
	op       string
	engine   *engine
	plan     devices.Plan
	deadline time.Time
}

// timesFile is the exported trace, in the block's own folder.
const timesFile = "times.json"

// maxTimes limits its size: a row has some 300 bytes.
const maxTimes = 64 << 20

// export is a file that a run of an engine writes: its name, its largest size, and the flags for it.
type export struct {
	name  string
	limit int64
	flags func(path string) []string
}

// execution is a run of an engine that ended well.
type execution struct {
	out    tool.Output
	report *report
	data   []byte // of the exported file
}

// execute runs an engine in a fresh process.
func (d *Device) execute(ctx context.Context, j job, x export) (*execution, error) {
	dir, err := d.m.Temp(ctx, j.op)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	args := slices.Concat([]string{"--loadEngine=" + j.engine.dir.Path(engineFile)}, x.flags(dir.Path(x.name)),
		d.o.unitFlags(), d.o.given(timeOnly), d.loop(j.plan), j.engine.inputs)
	out, err := d.run(ctx, j.op, args, j.deadline)
	if err != nil {
		return nil, err
	}
	r, err := parseLog(out.Stdout, out.Stderr)
	if err != nil {
		return nil, out.Garbage(j.op, err)
	}
	if out.Exit.Code != 0 || !r.passed {
		return nil, d.timeError(j.op, r, out)
	}
	data, err := dir.ReadFile(ctx, j.op, x.name, x.limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, out.Garbage(j.op, fmt.Errorf("trtexec says that it passed and exported no %s", x.name))
	}
	if err != nil {
		return nil, err
	}
	return &execution{out, r, data}, nil
}

// time runs one block.
func (d *Device) time(ctx context.Context, j job, b *devices.Block) error {
	x, err := d.execute(ctx, j, export{timesFile, maxTimes, func(path string) []string { return []string{"--exportTimes=" + path} }})
	if err != nil {
		return err
	}
	if err := d.fillBlock(b, j, x.report, x.data); err != nil {
		return x.out.Garbage(j.op, err)
	}
	b.CPUs = x.out.CPUs
	return nil
}

// maxIterations is below the largest int32, with room for what a warm-up can add.
const maxIterations = 1 << 30

// loop translates the plan into trtexec's flags. trtexec warms up for a time, in whole milliseconds;
// before 8.6 seconds are whole too. If the time gives too few warm-up runs, the rest is taken from the
// timed ones (fillBlock).
//
// --exposeDMA keeps copies from overlapping with the next inference. --useSpinWait keeps the
// enqueueing thread awake, so that its wake-up does not delay the start of the next inference.
func (d *Device) loop(p devices.Plan) []string {
	seconds := p.MinSeconds
	if p.MaxSeconds > 0 {
		seconds = min(seconds, p.MaxSeconds)
	}
	streams := "--streams=1"
	if d.program.has("--infStreams") {
		streams = "--infStreams=1"
	}
	return []string{
		"--warmUp=" + strconv.Itoa(wholeUp(p.WarmUpSeconds*1e3)),
		"--iterations=" + strconv.Itoa(min(maxIterations, max(p.MinRuns, 1)+max(p.WarmUpRuns, 0))),
		"--duration=" + strconv.Itoa(wholeUp(seconds)),
		"--avgRuns=100", streams, "--exposeDMA", "--useSpinWait",
	}
}

func wholeUp(x float64) int { return int(min(math.Ceil(max(x, 0)), math.MaxInt32/2)) }

// timeError is the error of running an engine that was built, so the model is not at fault: the GPU
// is, or a program that shares it.
func (d *Device) timeError(op string, r *report, out tool.Output) error {
	text := out.Stdout + out.Stderr
	e := &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: devices.ReasonExited, Output: out.Text(),
		Err: fmt.Errorf("trtexec did not time it (exit code %d): %s", out.Exit.Code, lastError(text))}
	switch {
	case r.passed:
		e.Reason, e.Err = devices.ReasonGarbage, fmt.Errorf("trtexec says that it passed, and ends with exit code %d", out.Exit.Code)
	case out.Exit.Code == 0 && lastError(text) == "it does not say why":
		e.Reason, e.Err = devices.ReasonGarbage, errors.New("trtexec does not say that it passed")
	default:
		e.Reason = cmp.Or(gpuReason(text), e.Reason)
	}
	return e
}

func (d *Device) fillBlock(b *devices.Block, j job, r *report, data []byte) error {
	rows, err := parseTimes(data)
	if err != nil {
		return fmt.Errorf("the exported times: %w", err)
	}
	warm, timed, err := split(rows, r, float64(wholeUp(j.plan.WarmUpSeconds*1e3)))
	if err != nil {
		return err
	}
	if err := check(timed, r); err != nil {
		return err
	}
	fromFirst := len(warm) > 0 || r.warmed <= 0 // the trace includes the first inference
	if more := min(j.plan.WarmUpRuns-max(len(warm), r.warmed), len(timed)-1); more > 0 {
		warm, timed = append(slices.Clone(warm), timed[:more]...), timed[more:]
	}
	if len(timed) < j.plan.MinRuns {
		return fmt.Errorf("%d inferences were timed, %d were asked for", len(timed), j.plan.MinRuns)
	}
	b.Counters = map[string]float64{}
	if m := j.plan.MaxRuns; m > 0 && len(timed) > m {
		b.Counters["runs_beyond_plan"] = float64(len(timed) - m)
		timed = timed[:m]
	}
	d.take(b, warm, timed, fromFirst)
	b.InitSeconds = r.load
	d.describe(b, j, r)
	coarse(b, timed)
	if !d.profilesApart() {
		// Source: samples/opensource/trtexec/trtexec.cpp of releases 7.0 and 7.1.
		b.Warnings = append(b.Warnings, "this TensorRT attaches its profiler to every run that exports times, which makes them longer: TensorRT 7.2 and later do not")
	}
	return nil
}

// describe fills in what a block says of the engine and of a run of it.
func (d *Device) describe(b *devices.Block, j job, r *report) {
	if b.Counters == nil {
		b.Counters = map[string]float64{}
	}
	b.Runtime, b.ModelSHA256 = d.program.runtime(), j.engine.sha256
	b.Delegation = j.engine.table.delegation(d.o)
	b.Counters["engine_bytes"], b.Counters["build_seconds"] = float64(j.engine.bytes), j.engine.build
	for _, said := range slices.Concat(j.engine.report.warnings, r.warnings) {
		if !slices.Contains(b.Warnings, said) {
			b.Warnings = append(b.Warnings, said)
		}
	}
	b.Doubts = append(b.Doubts, doubts(j.engine.report, r)...)
	j.engine.table.judge(d.o, b)
}

// split separates warm-up from timed rows as trtexec does: the first row that begins after the
// warm-up's time is timed, and so are all behind it. Exports contain the warm-up up to 8.4 and not
// since. If the number of warm-up queries was printed, the export must match one of the two forms.
func split(rows []row, r *report, warmMs float64) (warm, timed []row, err error) {
	if len(rows) == 0 {
		return nil, nil, errors.New("no inference was timed")
	}
	i := slices.IndexFunc(rows, func(x row) bool { return *x.StartComputeMs >= warmMs })
	if i >= 0 && r.timings >= 0 && len(rows)-i != r.timings {
		// With six digits the first timed row may fall on the wrong side.
		i = len(rows) - r.timings
	}
	if i < 0 || i >= len(rows) || i > 0 && r.warmed >= 0 && i != r.warmed {
		return nil, nil, fmt.Errorf("%d rows were exported, and printed are %d of warm-up and %d timed", len(rows), r.warmed, r.timings)
	}
	return rows[:i], rows[i:], nil
}

func check(timed []row, r *report) error {
	if !r.timed {
		return errors.New("trtexec printed no times")
	}
	if err := statsOf(column(timed, computeOf)).agrees(r.compute, len(timed)); err != nil {
		return fmt.Errorf("GPU compute time: %w", err)
	}
	if err := statsOf(column(timed, latencyOf)).agrees(r.latency, len(timed)); err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	return nil
}

func (d *Device) take(b *devices.Block, warm, timed []row, fromFirst bool) {
	of := computeOf
	if d.o.Latency {
		of = latencyOf
	}
	b.Samples = seconds(column(timed, of))
	b.WarmUp = seconds(column(warm, of))
	if fromFirst && len(b.WarmUp) > 0 {
		b.FirstSeconds, b.WarmUp = b.WarmUp[0], b.WarmUp[1:]
	}
	for name, f := range map[string]func(row) float64{"gpu_compute": computeOf, "latency": latencyOf, "h2d": h2dOf, "d2h": d2hOf, "enqueue": enqueueOf} {
		b.Counters[name+"_median_seconds"] = tool.Median(column(timed, f)) / 1e3
	}
}

func seconds(ms []float64) []float64 {
	for i := range ms {
		ms[i] /= 1e3
	}
	return ms
}

// coarse warns if the trace cannot resolve the times: each is the difference of two points in time in
// single precision, which are 4 us apart after a minute.
func coarse(b *devices.Block, timed []row) {
	const tolerable = 0.005
	end := float32(*timed[len(timed)-1].EndComputeMs)
	step := float64(math.Nextafter32(end, math.MaxFloat32)-end) / 1e3
	if m := tool.Median(b.Samples); step > tolerable*m {
		b.Warnings = append(b.Warnings, fmt.Sprintf("trtexec's times are in steps of %.2g us: shorter blocks have finer ones", step*1e6))
	}
}

// row is one inference in the form of --exportTimes, in milliseconds since the run began. Later
// TensorRTs have no endToEndMs, and versions may add fields: only fields that are used are required.
type row struct {
	StartComputeMs *float64 `json:"startComputeMs"`
	EndComputeMs   *float64 `json:"endComputeMs"`
	StartEnqMs     *float64 `json:"startEnqMs"`
	EndEnqMs       *float64 `json:"endEnqMs"`
	H2DMs          *float64 `json:"h2dMs"`
	ComputeMs      *float64 `json:"computeMs"`
	D2HMs          *float64 `json:"d2hMs"`
	LatencyMs      *float64 `json:"latencyMs"`
}

// maxRows limits a trace: a million inferences are 300 MB of text, and more than any plan asks for.
const maxRows = 1 << 20

// parseTimes reads the exported trace. Every row must be complete, consistent and start after the one
// before; a time of zero is refused.
func parseTimes(data []byte) ([]row, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("it is no list")
	}
	var rows []row
	last := math.Inf(-1)
	for dec.More() {
		var r row
		if err := dec.Decode(&r); err != nil {
			return nil, fmt.Errorf("row %d: %w", len(rows)+1, err)
		}
		if err := r.check(last); err != nil {
			return nil, fmt.Errorf("row %d: %w", len(rows)+1, err)
		}
		if len(rows) == maxRows {
			return nil, fmt.Errorf("it has more than %d rows", maxRows)
		}
		last = *r.StartComputeMs
		rows = append(rows, r)
	}
	if t, err := dec.Token(); err != nil || t != json.Delim(']') {
		return nil, errors.New("it does not end")
	}
	if dec.More() {
		return nil, errors.New("something follows it")
	}
	return rows, nil
}

func (r row) check(last float64) error {
	for name, x := range map[string]*float64{
		"startComputeMs": r.StartComputeMs, "endComputeMs": r.EndComputeMs, "startEnqMs": r.StartEnqMs, "endEnqMs": r.EndEnqMs,
		"h2dMs": r.H2DMs, "computeMs": r.ComputeMs, "d2hMs": r.D2HMs, "latencyMs": r.LatencyMs,
	} {
		if x == nil {
			return fmt.Errorf("it has no %s", name)
		}
		if *x < 0 || math.IsInf(*x, 0) {
			return fmt.Errorf("%s is %v", name, *x)
		}
	}
	switch start, end := *r.StartComputeMs, *r.EndComputeMs; {
	case *r.ComputeMs == 0:
		return errors.New("computeMs is 0")
	case start < last:
		return errors.New("it began before the one before it")
	case math.Abs(end-start-*r.ComputeMs) > step(end)+digits(*r.ComputeMs):
		return fmt.Errorf("computeMs is %v, from %v to %v", *r.ComputeMs, start, end)
	}
	if sum := *r.H2DMs + *r.ComputeMs + *r.D2HMs; math.Abs(sum-*r.LatencyMs) > 3*digits(sum) {
		return fmt.Errorf("latencyMs is %v, its parts are %v", *r.LatencyMs, sum)
	}
	return nil
}

// digits is how far a figure printed with six significant digits, as all are, may be from the exact
// value.
func digits(x float64) float64 { return 1e-5 * x }

// step is the resolution of the difference of two points in time that are printed with six digits.
func step(x float64) float64 { return 2 * digits(x) }

// statsOf computes the figures that trtexec prints from the exported values.
func statsOf(ms []float64) stats {
	s := stats{min: slices.Min(ms), max: slices.Max(ms), median: tool.Median(ms)}
	for _, x := range ms {
		s.mean += x / float64(len(ms))
	}
	return s
}

// agrees compares the printed figures with those of the export. Both are rounded to six digits; the
// mean was also summed in single precision, which loses more digits the more values there are.
func (s stats) agrees(printed stats, n int) error {
	for _, f := range []struct {
		name      string
		got, want float64
		slack     float64
	}{
		{"min", s.min, printed.min, 2e-5}, {"max", s.max, printed.max, 2e-5}, {"median", s.median, printed.median, 2e-5},
		{"mean", s.mean, printed.mean, 2e-5 + float64(n)*0x1p-24},
	} {
		if !(math.Abs(f.got-f.want) <= f.slack*f.want) {
			return fmt.Errorf("its %s is printed as %v ms and exported as %v ms", f.name, f.want, f.got)
		}
	}
	return nil
}

func column(rows []row, of func(row) float64) []float64 {
	xs := make([]float64, len(rows))
	for i, r := range rows {
		xs[i] = of(r)
	}
	return xs
}

func computeOf(r row) float64 { return *r.ComputeMs }
func latencyOf(r row) float64 { return *r.LatencyMs }
func h2dOf(r row) float64     { return *r.H2DMs }
func d2hOf(r row) float64     { return *r.D2HMs }
func enqueueOf(r row) float64 { return max(0, *r.EndEnqMs-*r.StartEnqMs) }
