package bench

import (
	"context"
	"errors"
	"time"
)

// Condition is what a sweep's process said that it does, at a moment. The last one of a process
// that was killed stays as it was: a sweep that says it runs and brings no blocks has stalled.
type Condition struct {
	State   MemberState `json:"state"`
	Reason  string      `json:"reason,omitempty"`  // of Ended: one of the End constants
	Message string      `json:"message,omitempty"` // one line
	Time    time.Time   `json:"time"`
}

// Reasons of Ended.
const (
	EndDone        = "done"
	EndInterrupted = "interrupted"
	EndFailed      = "failed"
)

// note stores what the sweep does now, for whoever watches. It is no part of the measurement,
// so a note that cannot be written is let go: what made it fail shows itself at the next block.
func note(ctx context.Context, st Store, sweep string, c Condition) {
	c.Time = time.Now().UTC()
	_ = st.Note(context.WithoutCancel(ctx), sweep, c)
}

// endOf says how a run ended.
func endOf(err error) Condition {
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
