// Package search runs the evolution of regress/evolve over a cost model's space: it says how fast a network
// is (regress.Predictor) and how good: its MACs, or what a user's program or table says. It keeps the state
// from which a killed search goes on.
//
// It refuses to print, to time anything and to know flags, but for those that an error advises:
// cmd/latlab prints, and `latlab verify` times what was found.
package search

import (
	"context"
	"time"

	"latlab/regress"
	"latlab/regress/evolve"
	"latlab/sampler"
)

// Search is what Run needs.
type Search struct {
	Space      *sampler.Space
	Latency    *regress.Predictor // seconds
	MACs       *regress.Predictor // the quality where Program is nil
	Program    *Program
	First      [][]int // networks to begin with
	Below      float64 // seconds
	Candidates int     // to look at
	Seed       uint64
	State      *State // nil if the search cannot be resumed
	// Progress is called often; it may be nil.
	Progress func(looked int, front *evolve.Front)
}

const (
	// saveInterval is the least time between two saved states, which take at most one saveShare of the time.
	saveInterval = time.Second
	saveShare    = 20
)

// Run looks at the candidates. When the context ends it saves the state and returns the context's error.
func (s *Search) Run(ctx context.Context) (*evolve.Search, error) {
	e, err := s.begin()
	if err != nil {
		return nil, err
	}
	saved, interval := time.Now(), saveInterval
	for e.Looked() < s.Candidates {
		if ctx.Err() != nil {
			return nil, s.interrupted(ctx, e)
		}
		if err := e.Step(ctx, s.Candidates-e.Looked()); err != nil {
			return nil, err
		}
		if s.Progress != nil {
			s.Progress(e.Looked(), e.Front())
		}
		if now := time.Now(); s.saves() && now.Sub(saved) >= interval {
			if err := s.State.save(e); err != nil {
				return nil, err
			}
			saved = time.Now()
			interval = max(saveInterval, saveShare*saved.Sub(now))
		}
	}
	return e, nil
}

func (s *Search) saves() bool { return s.State != nil && s.Program == nil }

func (s *Search) interrupted(ctx context.Context, e *evolve.Search) error {
	if s.saves() {
		if err := s.State.save(e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// begin continues from the state, unless it has looked at more candidates than are wanted now.
func (s *Search) begin() (*evolve.Search, error) {
	p := evolve.Problem{Below: s.Below, Seconds: s.Latency.Predict, Qualities: s.qualities(), First: s.First}
	for _, d := range s.Space.Decisions() {
		p.Choices = append(p.Choices, len(d.Names))
	}
	if s.State == nil || s.State.evolved == nil || s.State.evolved.Looked > s.Candidates {
		return evolve.New(p, s.Seed), nil
	}
	e, err := evolve.Restore(p, *s.State.evolved)
	if err != nil {
		return nil, &StateError{s.State.path, "is damaged: " + err.Error()}
	}
	return e, nil
}

func (s *Search) qualities() func(context.Context, [][]int, []float64) error {
	if s.Program != nil {
		state := s.State
		if state == nil {
			state = &State{answers: map[string]float64{}}
		}
		return asked{s.Program, state}.qualities
	}
	return func(_ context.Context, networks [][]int, to []float64) error {
		for i, indices := range networks {
			to[i] = s.MACs.Predict(indices)
		}
		return nil
	}
}

// asked asks a program for each network once.
type asked struct {
	program *Program
	state   *State
}

func (a asked) qualities(ctx context.Context, networks [][]int, to []float64) error {
	texts, fresh, listed := make([]string, len(networks)), []string(nil), map[string]bool{}
	for i, indices := range networks {
		texts[i] = sampler.Arch{Indices: indices}.String()
		if _, known := a.state.answers[texts[i]]; !known && !listed[texts[i]] {
			listed[texts[i]] = true
			fresh = append(fresh, texts[i])
		}
	}
	if len(fresh) > 0 {
		err := a.program.Ask(ctx, fresh, func(i int, quality float64) error { return a.state.answer(fresh[i], quality) })
		if err != nil {
			return err
		}
	}
	for i, text := range texts {
		to[i] = a.state.answers[text]
	}
	return nil
}
