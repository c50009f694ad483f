package machine

import (
	"context"
	"fmt"
	"time"

	"latlab/devices"
)

// CoolDown is a gate: a block begins when the hottest sensor is below a temperature, or after
// the longest wait; in the second case the block carries a warning.
type CoolDown struct {
	BelowC float64       // degrees Celsius; 0 = no gate
	Limit  time.Duration // the longest wait; 0 = DefaultLimit
}

// DefaultLimit is how long a block waits by default for a machine to cool: the cap of
// pixel-bench, whose gate is 38 degrees.
const DefaultLimit = 2 * time.Minute

// pollEvery is the time between two readings of a machine that cools. Reading all sensors of a
// phone is work for it, which warms it.
const pollEvery = 5 * time.Second

// Block runs one block: it waits until the machine is cool, reads its state, runs f, which
// fills in what the tool reported, and reads the state again. A second block at the same time
// is refused (devices.ReasonBusy). The wait is not part of the block's time.
func (m *Machine) Block(ctx context.Context, op string, f func(*devices.Block) error) (*devices.Block, error) {
	if !m.busy.CompareAndSwap(false, true) {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: devices.ReasonBusy,
			Err: fmt.Errorf("device %s times another model: two at once would both be slow", m.o.Name)}
	}
	defer m.busy.Store(false)
	before, warnings, err := m.cool(ctx)
	if err != nil {
		return nil, err
	}
	b := &devices.Block{Started: time.Now(), Before: before}
	if err := f(b); err != nil {
		return nil, err
	}
	b.Elapsed = time.Since(b.Started).Seconds()
	b.Warnings = append(warnings, b.Warnings...)
	if b.After, err = m.State(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// cool waits at the gate. It returns the last state that it read, which becomes the block's
// first: a second reading would take tenths of a second on a phone and give the same figures.
func (m *Machine) cool(ctx context.Context) (s devices.State, warnings []string, err error) {
	gate := m.o.CoolDown
	if gate.Limit <= 0 {
		gate.Limit = DefaultLimit
	}
	rested := rest{}
	for start := time.Now(); ; {
		if s, err = m.State(ctx); err != nil || gate.BelowC <= 0 {
			return s, nil, err
		}
		for _, name := range rested.see(s) {
			c := *s.TemperaturesC[name]
			m.constants.add(name, c)
			warnings = append(warnings, fmt.Sprintf("sensor %s stayed at exactly %g C while the device rested: it is left out", name, c))
		}
		m.constants.leaveOut(&s)
		hottest := s.HottestC()
		left := gate.Limit - time.Since(start)
		switch {
		case hottest == nil && len(s.UnclearTemperatures) > 0:
			return s, append(warnings, fmt.Sprintf("no temperature sensor is understood (%s): whether it was below %g C is not known", s.Unclear(), gate.BelowC)), nil
		case hottest == nil:
			return s, append(warnings, fmt.Sprintf("no temperature sensor: whether it was below %g C is not known", gate.BelowC)), nil
		case *hottest < gate.BelowC:
			return s, warnings, nil
		case left <= 0:
			return s, append(warnings, fmt.Sprintf("still %.1f C after %.0f s, %g C were asked for", *hottest, time.Since(start).Seconds(), gate.BelowC)), nil
		}
		select {
		case <-ctx.Done():
			return s, nil, ctx.Err()
		case <-time.After(min(left, pollEvery)):
		}
	}
}
