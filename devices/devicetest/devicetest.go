// Package devicetest is the conformance suite that every Device passes: the local agent,
// and later phones, boards, vendors' tools and simulators. A new device supplies a Suite
// and gets every test.
package devicetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// Suite is what a device brings to be tested.
type Suite struct {
	// Open makes a fresh device.
	Open func(t *testing.T) devices.Device
	// Good is a small model that the device takes, Bad one that its tool rejects.
	Good, Bad func(t *testing.T) *model.Model
	// Processes counts the programs that the device has running now; nil where it has none.
	Processes func() int
}

// Plan is a quick block.
func Plan() devices.Plan {
	return devices.Plan{WarmUpRuns: 1, MinRuns: 3, MaxRuns: 5, MaxSeconds: 1, Timeout: time.Minute, Seed: 1}
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	for name, test := range map[string]func(*testing.T, Suite){
		"describes itself":                testInfo,
		"gives a whole block":             testBlock,
		"names the model's fault":         testBadModel,
		"goes on after an error":          testAfterError,
		"stops when the context ends":     testCancel,
		"keeps its blocks apart":          testTwoBlocks,
		"refuses what it does not take":   testUnsupported,
		"returns at once on a dead ctx":   testDeadContext,
		"proves its delegation":           testDelegation,
		"survives a plan without minimum": testSmallPlan,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func open(t *testing.T, s Suite) devices.Device {
	t.Helper()
	d := s.Open(t)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if s.Processes != nil && s.Processes() != 0 {
			t.Errorf("%d programs are still running after Close", s.Processes())
		}
	})
	return d
}

func testInfo(t *testing.T, s Suite) {
	i := open(t, s).Info()
	if i.Name == "" || i.Harness == "" || len(i.Formats) == 0 || len(i.Precisions) == 0 || i.Threads < 1 || len(i.Fingerprint) == 0 {
		t.Errorf("Info is incomplete: %+v", i)
	}
	if i.Kind != devices.Measured && i.Kind != devices.Estimated && i.Kind != devices.Simulated {
		t.Errorf("Kind is %q", i.Kind)
	}
}

func block(t *testing.T, d devices.Device, m *model.Model) *devices.Block {
	t.Helper()
	b, err := d.Run(t.Context(), m, Plan())
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	return b
}

func testBlock(t *testing.T, s Suite) {
	b := block(t, open(t, s), s.Good(t))
	if b.Summary == nil && (len(b.Samples) < 3 || len(b.Samples) > 5) {
		t.Errorf("%d samples, the plan asks for 3 to 5", len(b.Samples))
	}
	for i, x := range b.Samples {
		if !(x > 0) || x > 60 {
			t.Errorf("sample %d is %v s", i, x)
		}
	}
	if len(b.CPUSamples) != 0 && len(b.CPUSamples) != len(b.Samples) {
		t.Errorf("%d samples of CPU time, %d of wall time", len(b.CPUSamples), len(b.Samples))
	}
	if b.Started.IsZero() || b.Elapsed < 0 || b.Before.Time.IsZero() || b.After.Time.Before(b.Before.Time) {
		t.Errorf("times are missing or in the wrong order: %+v", b)
	}
	if b.Runtime == "" {
		t.Error("Runtime is empty")
	}
}

func testBadModel(t *testing.T, s Suite) {
	_, err := open(t, s).Run(t.Context(), s.Bad(t), Plan())
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultModel || e.Reason == "" {
		t.Errorf("a model that the tool rejects gives %#v, want an Error whose fault is the model's", err)
	}
}

func testAfterError(t *testing.T, s Suite) {
	d := open(t, s)
	if _, err := d.Run(t.Context(), s.Bad(t), Plan()); err == nil {
		t.Fatal("the bad model ran")
	}
	block(t, d, s.Good(t))
}

func testCancel(t *testing.T, s Suite) {
	d := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	plan := Plan()
	plan.MinRuns, plan.MaxRuns, plan.MaxSeconds, plan.Timeout = 1<<30, 0, 0, time.Hour
	time.AfterFunc(300*time.Millisecond, cancel)
	if _, err := d.Run(ctx, s.Good(t), plan); !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v, want context.Canceled", err)
	}
}

func testDeadContext(t *testing.T, s Suite) {
	d := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Run(ctx, s.Good(t), Plan()); !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v, want context.Canceled", err)
	}
}

func testTwoBlocks(t *testing.T, s Suite) {
	d, m := open(t, s), s.Good(t)
	a, b := block(t, d, m), block(t, d, m)
	if b.Started.Before(a.Started) {
		t.Error("the second block started before the first")
	}
	if a.ModelSHA256 != b.ModelSHA256 {
		t.Error("two blocks of one model had different bytes")
	}
}

func testUnsupported(t *testing.T, s Suite) {
	m := *s.Good(t)
	m.Precision = "float7"
	_, err := open(t, s).Run(t.Context(), &m, Plan())
	if devices.FaultOf(err) != devices.FaultUser {
		t.Errorf("a precision that nobody has gives %v, want the user's fault", err)
	}
}

func testDelegation(t *testing.T, s Suite) {
	d := open(t, s)
	b := block(t, d, s.Good(t))
	if d.Info().Delegate == "" {
		return
	}
	p := b.Delegation
	if p.Name != d.Info().Delegate || p.Nodes < 1 || p.Delegated > p.Nodes || p.Delegated > 0 && p.Partitions < 1 {
		t.Errorf("delegation is not proven: %+v", p)
	}
}

func testSmallPlan(t *testing.T, s Suite) {
	b, err := open(t, s).Run(t.Context(), s.Good(t), devices.Plan{MinRuns: 1, Timeout: time.Minute})
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if b.Summary == nil && len(b.Samples) != 1 {
		t.Errorf("%d samples, the plan asks for 1", len(b.Samples))
	}
}
