package bench

import (
	"context"
	"errors"
	"time"
)

// Condition is what a sweep's process reported at a moment. The last condition of a killed
// process stays: a sweep that is "running" without new blocks has stalled.
type Condition struct {
	State   SweepState `json:"state"`
	Reason  string     `json:"reason,omitempty"`  // of Ended: one of the End constants
	Message string     `json:"message,omitempty"` // one line
	Time    time.Time  `json:"time"`
	// Refused are the networks that were asked for and cannot be timed, of a process that is Running.
	Refused []Refused `json:"refused,omitempty"`
}

// Refused is a network that was named and is not in the sweep: no such file, no model, another precision.
type Refused struct {
	Name   string `json:"name"` // as the user named it, or the line of a list
	Reason string `json:"reason"`
}

// RefusedOf returns what the last run of a sweep refused. A file that was mended and named again is a
// network of the sweep, so earlier runs do not count.
func RefusedOf(ctx context.Context, st Reader, sweep string) ([]Refused, error) {
	refused := []Refused{}
	for c, err := range st.Conditions(ctx, sweep) {
		if err != nil {
			return nil, err
		}
		if c.State == Running {
			refused = append(refused[:0:0], c.Refused...)
		}
	}
	return refused, nil
}

// SweepState is what a sweep's process is doing.
type SweepState string

// The states of a sweep. A quarantined device's sweep is kept: the same call resumes it.
const (
	Running     SweepState = "running"
	BackingOff  SweepState = "backing off"
	Quarantined SweepState = "quarantined"
	Ended       SweepState = "ended"
)

// Reasons of Ended.
const (
	EndDone        = "done"
	EndInterrupted = "interrupted"
	EndFailed      = "failed"
)

// Note stores the sweep's condition for monitoring. It is not part of the measurement, so an
// error is ignored: its cause will show when the next block is stored.
func Note(ctx context.Context, st Store, sweep string, c Condition) {
	c.Time = time.Now().UTC()
	_ = st.Note(context.WithoutCancel(ctx), sweep, c)
}

// EndOf says how a run ended.
func EndOf(err error) Condition {
	c := Condition{State: Ended, Reason: EndDone}
	switch {
	case err == nil:
	case errors.Is(err, ErrStopped), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		c.Reason = EndInterrupted
	default:
		c.Reason, c.Message = EndFailed, err.Error()
	}
	return c
}
