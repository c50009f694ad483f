package edgetpu

import (
	"context"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

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
