package edgetpu

import (
	"context"
	"errors"
	"fmt"
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
	"latlab/sampler/model"
)

// compiler keeps compiled models in a private folder.
type compiler struct {
	o    Options
	dir  string
	host *machine.Machine
	kept *tool.Cache[*result]
}

type result struct {
	model    *model.Model
	report   *report
	warnings tool.Warnings
	folder   string
	bytes    int64
}

func (r *result) remove() { _ = os.RemoveAll(r.folder) }

func newCompiler(op string, o Options) (*compiler, error) {
	dir, err := os.MkdirTemp(o.Dir, "latlab-edgetpu-")
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: machine.ReasonFolder, Err: err}
	}
	return &compiler{o: o, dir: dir, host: machine.Here("this host"), kept: tool.NewCache(o.Budget, (*result).remove)}, nil
}

func (c *compiler) close() error { return os.RemoveAll(c.dir) }

// compiled returns the compiled model, and a function that ends its use.
func (c *compiler) compiled(ctx context.Context, op string, m *model.Model, timeout time.Duration) (*result, func(), error) {
	return c.kept.Get(ctx, m.Identity, func(*result) (bool, error) { return true, nil }, func() (*result, int64, error) {
		return c.compile(ctx, op, m, time.Now().Add(timeout))
	})
}

// attempts is how often the compiler is started if it prints "Internal compiler error": the same
// command was seen to succeed after several attempts (google-coral/edgetpu#211).
const attempts = 3

func (c *compiler) compile(ctx context.Context, op string, m *model.Model, deadline time.Time) (*result, int64, error) {
	f, err := tool.OpenModel(ctx, op, m)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	for i := 1; ; i++ {
		r, err := c.once(ctx, op, m, f.Path, deadline)
		switch {
		case err == nil:
			return r, r.bytes, nil
		case i == attempts || !errors.Is(err, errInternal):
			return nil, 0, err
		}
	}
}

// inputName is the file name that the compiler gets, so that no model's name is taken for an option;
// outputName is the file that the compiler makes of it.
const (
	inputName  = "model.tflite"
	outputName = "model_edgetpu.tflite"
)

func (c *compiler) once(ctx context.Context, op string, m *model.Model, path string, deadline time.Time) (r *result, err error) {
	folder, err := os.MkdirTemp(c.dir, "model-")
	if err == nil {
		err = os.Symlink(path, filepath.Join(folder, inputName))
	}
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: machine.ReasonFolder, Err: err}
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(folder)
		}
	}()
	out, err := tool.Do(ctx, c.host, tool.Run{Op: op, Program: program, Timeout: time.Until(deadline), Late: devices.FaultModel, // this host is not the device
		Command: transport.Command{Path: c.o.Compiler, Args: c.args(folder), Dir: folder}})
	if err != nil {
		return nil, err
	}
	if out.Exit.Code != 0 || strings.Contains(out.Stdout+out.Stderr, "Compilation failed") || errors.Is(complaint(out.Stdout+out.Stderr), errInternal) {
		return nil, refused(op, out)
	}
	return c.read(op, m, folder, out)
}

func (c *compiler) args(folder string) []string {
	args := []string{"-s", "-o", folder}
	if c.o.MinRuntime > 0 {
		args = append(args, "-m", strconv.Itoa(c.o.MinRuntime))
	}
	return append(args, filepath.Join(folder, inputName))
}

func refused(op string, out tool.Output) error {
	text := out.Stdout + out.Stderr
	e := out.Rejected(op, fmt.Errorf("edgetpu_compiler failed: %w", complaint(text)))
	if strings.Contains(text, "No space left on device") {
		e.Fault, e.Reason, e.Advice = devices.FaultLab, devices.ReasonFull, "this host's temporary folder is full; TMPDIR names another"
	}
	return e
}

func (c *compiler) read(op string, m *model.Model, folder string, out tool.Output) (*result, error) {
	rep, err := parseReport(out.Stdout)
	if err != nil {
		return nil, out.Garbage(op, fmt.Errorf("the compiler's report: %w", err))
	}
	if rep.onTPU() == 0 {
		return nil, out.Rejected(op, fmt.Errorf("the Edge TPU runs none of its %d operators: %s", rep.total, text.Line(strings.Join(rep.why(), "; "), maxKept)))
	}
	made, err := model.FromFile(filepath.Join(folder, outputName), model.Call{})
	if err != nil {
		return nil, out.Garbage(op, fmt.Errorf("the compiled file: %w", err))
	}
	info, err := os.Stat(filepath.Join(folder, outputName))
	if err != nil {
		return nil, out.Garbage(op, err)
	}
	// To the inner device it has the original model's precision: the types left in the file around the
	// compiled part do not matter.
	made.Name, made.Form = m.Name, m.Form
	return &result{model: made, report: rep, warnings: out.Warnings(program), folder: folder, bytes: info.Size()}, nil
}

// merge puts the report and the compiler's warnings into the block. If the inner device's delegate took less than was compiled for
// it, the Edge TPU did not run it.
func (r *result) merge(op string, b *devices.Block) error {
	rep, inner := r.report, b.Delegation
	if int64(inner.Delegated) < rep.subgraphs {
		return &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: devices.ReasonFallBack,
			Err:    fmt.Errorf("%d parts were compiled for the Edge TPU, and the delegate took %d of %d nodes", rep.subgraphs, inner.Delegated, inner.Nodes),
			Advice: "is libedgetpu as new as the compiler, or min_runtime as old?"}
	}
	b.Delegation = devices.Delegation{Name: Delegate, Nodes: int(rep.total), Delegated: int(rep.onTPU()),
		Partitions: int(rep.subgraphs), Why: rep.why()}
	if rep.onTPU() == rep.total && inner.Delegated < inner.Nodes {
		// The compiler reports that it mapped everything, but the runtime ran something on the CPU.
		b.Delegation.Nodes += inner.Nodes - inner.Delegated
		b.Delegation.Why = append(b.Delegation.Why, inner.Why...)
	}
	r.warnings.AddTo(b)
	if b.Counters == nil {
		b.Counters = map[string]float64{}
	}
	for name, x := range map[string]int64{"on_chip_bytes": rep.onChip, "on_chip_remaining_bytes": rep.remaining, "off_chip_bytes": rep.offChip, "compiled_bytes": r.bytes} {
		b.Counters[name] = float64(x)
	}
	b.Counters["compile_seconds"] = float64(rep.millis) / 1e3
	return nil
}
