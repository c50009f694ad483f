package edgetpu

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

// Options are the options of the compile step.
type Options struct {
	Compiler string // path of edgetpu_compiler on this host; empty = from PATH
	// MinRuntime is the oldest version of libedgetpu that has to run the models, 10 and later (-m); 0
	// = the compiler's newest.
	MinRuntime int
	Budget     int64  // bytes of compiled models kept on this host; 0 = machine.DefaultBudget
	Dir        string // parent of the private folder; empty = the system's temporary folder
}

// compileTimeout of a model is longer than the compiler's own, 180 seconds.
const compileTimeout = 4 * time.Minute

// program is the compiler's name.
const program = "edgetpu_compiler"

const advice = "edgetpu_compiler is of coral.ai/docs/edgetpu/compiler, for x86-64 Debian: compiler: PATH in the inventory names one"

func (o Options) complete() Options {
	o.Compiler = cmp.Or(o.Compiler, program)
	o.Budget = cmp.Or(o.Budget, machine.DefaultBudget)
	return o
}

const probeTimeout = time.Minute

var versionLine = regexp.MustCompile(`(?m)^Edge TPU Compiler version ([0-9]+(?:\.[0-9]+){1,3})\s*$`)

// probe returns the compiler's part of the fingerprint.
func probe(ctx context.Context, op string, o Options) (map[string]string, error) {
	if o.MinRuntime != 0 && (o.MinRuntime < 10 || o.MinRuntime > 99) {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: "options",
			Err: fmt.Errorf("there is no Edge TPU runtime %d", o.MinRuntime), Advice: "10 to 14"}
	}
	path, err := tool.LookPath(o.Compiler)
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonMissing, Err: err, Advice: advice}
	}
	out, err := tool.Do(ctx, machine.Here("this host"), tool.Run{Op: op, Program: program, Timeout: probeTimeout,
		Command: transport.Command{Path: o.Compiler, Args: []string{"--version"}}})
	var known *devices.Error
	if errors.As(err, &known) && known.Fault != devices.FaultUser {
		known.Fault = devices.FaultLab // no model and no device was involved
	}
	if err != nil {
		return nil, err
	}
	m := versionLine.FindStringSubmatch(out.Stdout)
	if m == nil {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonMissing, Advice: advice,
			Err: fmt.Errorf("%s is no edgetpu_compiler: it does not tell its version", o.Compiler), Output: out.Text()}
	}
	sum, err := tool.SHA256(path)
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonMissing, Err: err, Advice: advice}
	}
	found := map[string]string{"edgetpu_compiler": m[1], "edgetpu_compiler_sha256": sum}
	if o.MinRuntime > 0 {
		found["edgetpu_min_runtime"] = strconv.Itoa(o.MinRuntime)
	}
	return found, nil
}

// Compiled adds the delegate edgetpu to a tool that loads libraries as delegates.
func Compiled(t tool.Tool) tool.Tool {
	inner := t.New
	t.Delegates = append(t.Delegates, tool.Delegate{Name: Delegate, Library: true, Precisions: []model.Precision{model.Int8}})
	t.New = func() tool.Setup { return &setup{Setup: inner()} }
	return t
}

// setup holds the inner tool's settings, and the compiler's if the delegate is an Edge TPU.
type setup struct {
	tool.Setup
	o Options
}

func (s *setup) Fields() []tool.Field {
	return append(s.Setup.Fields(),
		tool.HostPath("compiler", "edgetpu_compiler, a file of this host, for the delegate edgetpu; default: from PATH", &s.o.Compiler),
		tool.Field{Name: "min_runtime", Form: "number", Means: "oldest libedgetpu that can run what edgetpu_compiler writes, 10 to 14; default: the newest",
			Read: tool.Into(&s.o.MinRuntime, func(v strictyaml.Value) int { return v.Int(10, 14) })})
}

func (s *setup) Check(o strictyaml.Object, d tool.Device) {
	s.Setup.Check(o, d)
	for _, f := range []string{"compiler", "min_runtime"} {
		if o.Has(f) && d.Delegate.Name != Delegate {
			o.Fail(f, "is of the delegate edgetpu, not of %s", d.Delegate.Name)
		}
	}
}

func (s *setup) Describe(d tool.Device) (devices.Info, error) {
	info, err := s.Setup.Describe(d)
	if err != nil || d.Delegate.Name != Delegate {
		return info, err
	}
	return Describe(info), nil
}

func (s *setup) Open(ctx context.Context, m *machine.Machine, d tool.Device) (devices.Device, error) {
	inner, err := s.Setup.Open(ctx, m, d)
	if err != nil || d.Delegate.Name != Delegate {
		return inner, err
	}
	o := s.o
	o.Budget = d.Budget
	c, err := Wrap(ctx, inner, o)
	if err != nil {
		_ = inner.Close() // err is the cause
		return nil, &tool.StepError{Step: "compiler", Err: err}
	}
	return c, nil
}
