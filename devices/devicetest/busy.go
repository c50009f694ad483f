package devicetest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// gate is a context that holds whoever looks at it for the n-th time, until it is opened.
//
// It is how a Run is kept going without knowing anything of the device: a simulator's is
// over in microseconds, and a long plan means nothing to an estimator.
type gate struct {
	context.Context
	left atomic.Int64
	held chan struct{} // closed when somebody is held
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

// group is as many Runs as the device allows, each held at a gate of its own.
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

// settle waits until every Run is held or over, and reports whether all are held.
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

// release opens the gates and wants every Run to end well.
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

// maxLooks bounds the search: a Run that was held so often without being counted never is.
const maxLooks = 100

// checkBusy holds as many Runs as are allowed at the first time that they look at their
// context, and starts one more. Where that one is let in, they may have been held before
// the device counted them, so they are held at the second look, and so on.
func checkBusy(s *subject) {
	s.open()
	m := s.Good(s)
	s.succeeds(m, Plan()) // its bytes are made: no Run waits for another's
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

// oneMore reports whether another Run is not let in, and complains where it is not refused
// as it should be.
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
