package devicetest

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// forever is a deadline that no check reaches, even in virtual time.
const forever = 100 * 365 * 24 * time.Hour

// patience ends a check whose device does not return. It is generous: a correct device is far below
// it, even on a busy host.
const patience = time.Minute

// subject is a device under one check.
type subject struct {
	testing.TB
	Suite
	dev   devices.Device
	close func() // closes dev once, however often it is called
}

// open opens a fresh device for the subject.
func (s *subject) open() devices.Device {
	s.Helper()
	s.use(s.Open(s))
	return s.dev
}

// use sets the subject's device, which is closed at the check's end.
func (s *subject) use(d devices.Device) {
	s.Helper()
	s.dev = d
	s.close = sync.OnceFunc(func() {
		if err := d.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
		s.noProcesses("after Close")
	})
	s.Cleanup(s.close)
}

// dying is how long a killed program may take to end. Only a program that goes on running takes all
// of it, so it costs a passing suite nothing, and it allows for a busy host.
const dying = 20 * time.Second

func (s *subject) noProcesses(when string) {
	s.Helper()
	if s.Processes == nil {
		return
	}
	n := s.Processes()
	// A program killed on another machine ends a moment after the kill was answered, and on a busy
	// machine that takes longer. A program that was not killed stays.
	for end := time.Now().Add(dying); n != 0 && time.Now().Before(end); n = s.Processes() {
		time.Sleep(10 * time.Millisecond)
	}
	if n != 0 {
		s.Errorf("%d programs are still running %s", n, when)
	}
}

// run calls Run and checks what must be true of every answer: a block or an error, never both; an
// error that is the context's or names its culprit; and that it returns.
func (s *subject) run(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	s.Helper()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a := make(chan answer, 1)
	go func() {
		b, err := s.dev.Run(limited, m, p)
		a <- answer{b, err}
	}()
	var got answer
	select {
	case got = <-a:
	case <-time.After(2 * patience):
		s.Fatalf("Run does not return, and does not end with its context either")
	}
	if errors.Is(got.err, context.DeadlineExceeded) && ctx.Err() == nil {
		s.Fatalf("Run did not return within %v; its plan's timeout is %v", patience, p.Timeout)
	}
	if (got.b == nil) == (got.err == nil) {
		s.Fatalf("Run returned block %v and error %v", got.b, got.err)
	}
	if got.err != nil && ctx.Err() == nil {
		_ = s.culprit(got.err)
	}
	return got.b, got.err
}

type answer struct {
	b   *devices.Block
	err error
}

var word = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

// culprit checks the form of a device's error and returns it.
func (s *subject) culprit(err error) *devices.Error {
	s.Helper()
	var e *devices.Error
	if !errors.As(err, &e) {
		s.Fatalf("error %v (%T) is no devices.Error: whose fault is it?", err, err)
	}
	if e.Op == "" || e.Err == nil || !word.MatchString(e.Reason) {
		s.Errorf("error is incomplete: operation %q, reason %q, %v", e.Op, e.Reason, e.Err)
	}
	return e
}

// good runs a quick block of the good model, which must succeed.
func (s *subject) good() *devices.Block {
	s.Helper()
	return s.succeeds(s.Good(s), Plan())
}

func (s *subject) succeeds(m *model.Model, p devices.Plan) *devices.Block {
	s.Helper()
	b, err := s.run(s.Context(), m, p)
	if err != nil {
		s.Fatalf("Run: %v", err)
	}
	return b
}

// fails runs a block that must fail with one of the faults and one of the reasons; no reasons
// means any.
func (s *subject) fails(m *model.Model, p devices.Plan, faults []devices.Fault, reasons ...string) {
	s.Helper()
	_, err := s.run(s.Context(), m, p)
	if err == nil {
		s.Fatalf("Run succeeded, want an error by fault of %q for reason %q", faults, reasons)
	}
	e := s.culprit(err)
	if !slices.Contains(faults, e.Fault) || len(reasons) > 0 && !slices.Contains(reasons, e.Reason) {
		s.Errorf("fault %q, reason %q; want %q, %q: %v", e.Fault, e.Reason, faults, reasons, err)
	}
}

func fault(f ...devices.Fault) []devices.Fault { return f }
