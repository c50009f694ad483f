package devicetest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// gate is a context that blocks its caller at the n-th use until it is opened.
//
// It keeps a Run going without knowing the device: a simulator's Run takes microseconds, and a long
// plan changes nothing for an estimator.
type gate struct {
	context.Context
	left atomic.Int64
	held chan struct{} // closed when a caller is blocked
	open chan struct{}
}

func (g *gate) look() {
	if g.left.Add(-1) == 0 {
		close(g.held)
		<-g.open
	}
}

func (g *gate) Err() error {
	g.look()
	return g.Context.Err()
}

func (g *gate) Done() <-chan struct{} {
	g.look()
	return g.Context.Done()
}

// group is as many Runs as the device allows, each blocked at its own gate.
type group struct {
	gates []*gate
	done  []chan error
	open  chan struct{}
}

func (s *subject) hold(m *model.Model, look int) *group {
	g := &group{open: make(chan struct{})}
	for range max(1, s.dev.Info().Parallel) {
		one := &gate{Context: s.Context(), held: make(chan struct{}), open: g.open}
		one.left.Store(int64(look))
		done := make(chan error, 1)
		g.gates, g.done = append(g.gates, one), append(g.done, done)
		go func() {
			_, err := s.dev.Run(one, m, Plan())
			done <- err
		}()
	}
	return g
}

// settle waits until every Run is blocked or has ended, and reports whether all are blocked.
func (s *subject) settle(g *group) bool {
	all := true
	for i := range g.gates {
		select {
		case <-g.gates[i].held:
		case err := <-g.done[i]:
			g.done[i] <- err
			all = false
		case <-time.After(patience):
			s.Errorf("one of %d Runs neither ends nor looks at its context", len(g.gates))
			all = false
		}
	}
	return all
}

// release opens the gates and checks that every Run succeeds.
func (s *subject) release(g *group) {
	close(g.open)
	for _, done := range g.done {
		select {
		case err := <-done:
			if err != nil {
				s.Errorf("one of %d Runs at once failed, Info.Parallel allows them: %v", len(g.gates), err)
			}
		case <-time.After(patience):
			s.Errorf("one of %d Runs at once does not end", len(g.gates))
		}
	}
}

// maxLooks limits the search: a Run that was blocked so often without being counted never is.
const maxLooks = 100

// checkBusy blocks as many Runs as are allowed when they first use their context, and starts one
// more. If that one is accepted, the others may have been blocked before the device counted
// them, so they are blocked at the second use, and so on.
func checkBusy(s *subject) {
	s.open()
	m := s.Good(s)
	s.succeeds(m, Plan()) // writes its bytes, so that no Run waits for another's
	for look := 1; look <= maxLooks; look++ {
		g := s.hold(m, look)
		held := s.settle(g)
		var refused bool
		if held {
			refused = s.oneMore(m)
		}
		s.release(g)
		if refused {
			s.succeeds(m, Plan())
			return
		}
		if !held {
			break
		}
	}
	s.Errorf("%d Runs at once are allowed, and one more is never refused", max(1, s.dev.Info().Parallel))
}

// oneMore reports whether one more Run is refused, and complains if it is refused in the wrong way.
func (s *subject) oneMore(m *model.Model) bool {
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := s.dev.Run(ctx, m, Plan())
		done <- err
	}()
	select {
	case err := <-done:
		var e *devices.Error
		if err != nil && (!errors.As(err, &e) || e.Reason != devices.ReasonBusy || e.Fault != devices.FaultLab) {
			s.Errorf("one Run too many gives %v, want reason %q, fault %q", err, devices.ReasonBusy, devices.FaultLab)
		}
		return err != nil
	case <-time.After(patience):
		s.Errorf("one Run too many was made to wait; it is to be refused at once")
		return true
	}
}
