// Package evolve searches a space for good networks below a latency: regularized evolution (Real, Aggarwal, Huang,
// Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019, algorithm 1). A child is a copy
// of the best of a random sample of the population with one decision changed, and replaces the oldest member,
// however good that is.
//
// What evolves is the reward of MobileDets (CVPR 2021) and TuNAS (Bender and others, CVPR 2020), the absolute one:
// quality + beta*|T/T0 - 1|, T the latency, T0 the limit, beta below 0. TuNAS's two other rewards,
// quality*(T/T0)^beta and the same with a factor of at most 1, were rejected: they need a quality above 0, and
// TuNAS found that they miss the limit unless beta is tuned.
//
// TuNAS's beta, -0.1, is for an accuracy between 0 and 1. A search that is told MACs, percent or a loss must meet
// the limit as well, so beta begins small in the unit of the quality, and follows the latencies: while most of the
// population is above the limit it grows by Rise, otherwise it shrinks by Fall. So the population comes down along
// the front of quality and latency and stays where it meets the limit; where nothing good is above the limit,
// latency does not matter in the end. With MACs as quality, where an upper bound can be computed (Lagrange), one
// evolution reached 85, 97, 99 and 100 % of it at four limits, fifty 95 to 100 %. Fixed betas were rejected: up to
// one and a half times the first one they ended above low limits, with two to six times of it at 63 to 99 % of the
// bound.
//
// The reward only guides: what is returned is below the limit, and no candidate that was looked at dominates it
// (Front).
//
// The package is pure: it knows neither cost models nor files nor programs, and internal/search gives it the
// functions that say how fast and how good a network is.
package evolve

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Figures of the algorithm. All are part of the result: another figure is another search.
const (
	// Population and Sample are the paper's, and so is how many candidates one evolution looks at. Then it has
	// converged, and the next one begins with new random networks. What was found is kept.
	Population = 100
	Sample     = 25
	Evolution  = 20_000
	// Batch is how many children are drawn before the quality of the first is needed: a program that
	// is asked for it can work on several at once.
	Batch = 16
	// Rise and Fall change beta once a population.
	Rise = 1.02
	Fall = 0.98
)

// Problem is what is searched.
type Problem struct {
	// Choices are how many values each decision has.
	Choices []int
	// Below is the limit T0 in seconds: networks of this latency or more are never returned.
	Below float64
	// Seconds is the latency of indices, which it must not retain.
	Seconds func(indices []int) float64
	// Qualities puts the quality of each network, the greater the better and finite, into to. It must
	// not retain or change the indices.
	Qualities func(ctx context.Context, networks [][]int, to []float64) error
	// First are networks that the population begins with, such as the fastest of the space.
	First [][]int
}

// Candidate is a network that was looked at.
type Candidate struct {
	Indices []int   `json:"indices"`
	Seconds float64 `json:"seconds"`
	Quality float64 `json:"quality"`
}

// Search is a search between two steps. It is for one goroutine.
type Search struct {
	problem Problem
	open    []int // decisions with more than one choice
	random  random
	looked  int // candidates that were looked at

	members []Candidate // a ring: the next child replaces the oldest
	reward  []float64
	beta    float64

	children  [][]int
	qualities []float64
	front     Front
}

// New returns a search that has not looked at any network. The same problem and seed give the same result.
func New(p Problem, seed uint64) *Search {
	s := &Search{
		problem: p, random: random{source: rand.NewPCG(seed, 0x6c61746c6162)},
		members: make([]Candidate, Population), reward: make([]float64, Population),
		children: networks(Batch, len(p.Choices)), qualities: make([]float64, Batch),
	}
	for i, indices := range networks(Population, len(p.Choices)) {
		s.members[i].Indices = indices
	}
	for i, n := range p.Choices {
		if n > 1 {
			s.open = append(s.open, i)
		}
	}
	return s
}

// networks are side by side in memory.
func networks(n, decisions int) [][]int {
	flat, all := make([]int, n*decisions), make([][]int, n)
	for i := range all {
		all[i] = flat[i*decisions : (i+1)*decisions : (i+1)*decisions]
	}
	return all
}

// Looked is how many candidates were looked at, repeats too.
func (s *Search) Looked() int { return s.looked }

// Front is what was found. It belongs to the search.
func (s *Search) Front() *Front { return &s.front }

// Step looks at the next candidates, at most Batch and at most n. An error leaves the search as it was but for
// the random numbers, so it must not be continued.
func (s *Search) Step(ctx context.Context, n int) error {
	n = min(n, Batch, Evolution-s.age())
	if s.age() < Population {
		n = min(n, Population-s.age())
	}
	children, qualities := s.children[:n], s.qualities[:n]
	for i, child := range children {
		s.draw(child, s.age()+i)
	}
	if err := s.problem.Qualities(ctx, children, qualities); err != nil {
		return err
	}
	for i, child := range children {
		s.add(child, s.problem.Seconds(child), qualities[i])
	}
	return nil
}

// age is how many candidates the present evolution has looked at.
func (s *Search) age() int { return s.looked % Evolution }

// draw fills in candidate number i of an evolution.
func (s *Search) draw(child []int, i int) {
	switch {
	case i < min(len(s.problem.First), Population):
		copy(child, s.problem.First[i])
	case i < Population:
		for d, n := range s.problem.Choices {
			child[d] = s.random.below(n)
		}
	default:
		copy(child, s.members[s.parent()].Indices)
		s.mutate(child)
	}
}

// parent is the best of a random sample, drawn with replacement.
func (s *Search) parent() int {
	best := s.random.below(Population)
	for range Sample - 1 {
		if i := s.random.below(Population); s.reward[i] > s.reward[best] {
			best = i
		}
	}
	return best
}

// mutate gives one decision another value.
func (s *Search) mutate(child []int) {
	if len(s.open) == 0 {
		return
	}
	d := s.open[s.random.below(len(s.open))]
	x := s.random.below(s.problem.Choices[d] - 1)
	if x >= child[d] {
		x++
	}
	child[d] = x
}

func (s *Search) add(child []int, seconds, quality float64) {
	at := s.age() % Population
	m := &s.members[at]
	copy(m.Indices, child)
	m.Seconds, m.Quality = seconds, quality
	s.reward[at] = s.rewardOf(*m) // in a first population not yet by its own beta, which is known at its end
	s.looked++
	if at == Population-1 {
		s.changeBeta()
	}
	if seconds < s.problem.Below {
		s.front.Add(*m)
	}
}

func (s *Search) rewardOf(c Candidate) float64 {
	return c.Quality + s.beta*math.Abs(c.Seconds/s.problem.Below-1)
}

// changeBeta is called once a population.
func (s *Search) changeBeta() {
	above := 0
	for _, m := range s.members {
		if m.Seconds >= s.problem.Below {
			above++
		}
	}
	switch {
	case s.age() == Population:
		s.beta = firstBeta(s.members, s.problem.Below)
	case 2*above > Population:
		s.beta *= Rise
	default:
		s.beta *= Fall
	}
	s.reckon()
}

// reckon computes all rewards by the present beta.
func (s *Search) reckon() {
	for i, m := range s.members {
		s.reward[i] = s.rewardOf(m)
	}
}

// firstBeta makes a latency and a quality that are both off by their standard deviation weigh the same. It is -1
// where one of them does not vary: any number is as good then.
func firstBeta(first []Candidate, below float64) float64 {
	var quality, relative []float64
	for _, c := range first {
		quality = append(quality, c.Quality)
		relative = append(relative, c.Seconds/below)
	}
	b := -deviation(quality) / deviation(relative)
	if !(b < 0) || math.IsInf(b, 0) {
		return -1
	}
	return b
}

// deviation is the standard deviation, of differences to the first value so that large values lose no digits.
func deviation(xs []float64) float64 {
	sum, squares, n := 0.0, 0.0, float64(len(xs))
	for _, x := range xs {
		d := x - xs[0]
		sum += d
		squares += d * d
	}
	return math.Sqrt(max(squares/n-(sum/n)*(sum/n), 0))
}

// State is a search between two steps, for a file. A search that is restored from it goes on as if it had
// never stopped.
type State struct {
	Looked  int         `json:"looked"`
	Random  []byte      `json:"random"`
	Beta    float64     `json:"beta"`
	Members []Candidate `json:"members"`
	Front   []Candidate `json:"front"`
}

// State returns a copy.
func (s *Search) State() (State, error) {
	random, err := s.random.state()
	st := State{Looked: s.looked, Random: random, Beta: s.beta, Front: s.front.Best(s.front.Len())}
	for _, m := range s.members {
		m.Indices = slices.Clone(m.Indices)
		st.Members = append(st.Members, m)
	}
	return st, err
}

// Restore continues from a state of the same problem. It refuses a state of another form.
func Restore(p Problem, st State) (*Search, error) {
	if len(st.Members) != Population || st.Looked < 0 {
		return nil, fmt.Errorf("a population of %d, want %d", len(st.Members), Population)
	}
	for _, c := range slices.Concat(st.Members, st.Front) {
		if err := p.check(c.Indices); err != nil {
			return nil, err
		}
	}
	s := New(p, 0)
	if err := s.random.restore(st.Random); err != nil {
		return nil, err
	}
	s.looked, s.beta = st.Looked, st.Beta
	for i, m := range st.Members {
		copy(s.members[i].Indices, m.Indices)
		s.members[i].Seconds, s.members[i].Quality = m.Seconds, m.Quality
	}
	s.reckon()
	for _, c := range st.Front {
		s.front.Add(c)
	}
	return s, nil
}

func (p Problem) check(indices []int) error {
	if len(indices) != len(p.Choices) {
		return fmt.Errorf("%d indices, want %d", len(indices), len(p.Choices))
	}
	for i, x := range indices {
		if x < 0 || x >= p.Choices[i] {
			return fmt.Errorf("index %d is %d, want 0 to %d", i, x, p.Choices[i]-1)
		}
	}
	return nil
}
