package trtexec

import (
	"context"
	"sync"

	"latlab/devices/machine"
)

// engine is a model that was built.
type engine struct {
	dir      *machine.Temp
	bytes    int64
	sha256   string // of the model's bytes
	table    layers
	build    float64 // seconds that building took
	warnings []string
	used     int64 // of the shelf's clock
	users    int
}

// engineFile is its name in its folder.
const engineFile = "engine.plan"

// engines keeps those on the machine, those used longest ago going first.
type engines struct {
	budget int64
	// turn holds the right to build: two builders at once would time their tactics against
	// each other, and choose wrongly.
	turn chan struct{}

	mu    sync.Mutex
	clock int64
	all   map[string]*engine // by the model's identity
}

func newEngines(budget int64) *engines {
	return &engines{budget: budget, turn: make(chan struct{}, 1), all: map[string]*engine{}}
}

func (s *engines) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *engines) give() { <-s.turn }

// use returns an engine and what ends its use; nil where there is none.
func (s *engines) use(identity string) (*engine, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[identity]
	if e == nil {
		return nil, nil
	}
	s.clock++
	e.used = s.clock
	e.users++
	return e, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		e.users--
	})
}

// put adds an engine and removes others until the budget is kept.
func (s *engines) put(identity string, e *engine) {
	s.mu.Lock()
	s.all[identity] = e
	var gone []*engine
	for s.total() > s.budget {
		name, oldest := s.oldest(e)
		if oldest == nil {
			break
		}
		delete(s.all, name)
		gone = append(gone, oldest)
	}
	s.mu.Unlock()
	for _, g := range gone {
		g.dir.Close()
	}
}

// lose forgets an engine whose file is no longer there.
func (s *engines) lose(identity string) {
	s.mu.Lock()
	e := s.all[identity]
	delete(s.all, identity)
	s.mu.Unlock()
	if e != nil {
		e.dir.Close()
	}
}

func (s *engines) clear() {
	s.mu.Lock()
	all := s.all
	s.all = map[string]*engine{}
	s.mu.Unlock()
	for _, e := range all {
		e.dir.Close()
	}
}

func (s *engines) total() int64 {
	var sum int64
	for _, e := range s.all {
		sum += e.bytes
	}
	return sum
}

func (s *engines) oldest(except *engine) (string, *engine) {
	var name string
	var oldest *engine
	for n, e := range s.all {
		if e != except && e.users == 0 && (oldest == nil || e.used < oldest.used) {
			name, oldest = n, e
		}
	}
	return name, oldest
}
