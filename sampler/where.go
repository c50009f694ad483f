package sampler

import (
	"context"
	"fmt"
	"math/big"
	"slices"
)

// MaxDrawn is how many networks SampleWhere looks at before it gives up: a condition that
// one network in 100,000 meets yields some 1,000. Drawing and predicting so many takes about half a minute.
const MaxDrawn = 100_000_000

// RareError says that a condition is met by too few networks.
type RareError struct {
	Found, Want int
	Drawn       int
	All         bool // of the space: there are no more than Found
}

// Error is "5 of 10 networks found among 6912, which are all of the space".
func (e *RareError) Error() string {
	text := fmt.Sprintf("%d of %d networks found among %d drawn at random", e.Found, e.Want, e.Drawn)
	if e.All {
		text += ", which are all of the space"
	}
	return text
}

// SampleWhere draws n different networks that keep accepts, as Sample draws them: each of
// the networks that it accepts is as likely as another, and the first n of a larger sample
// are the smaller one. keep must not hold on to the indices. Memory grows with the networks
// accepted, not with those drawn. Where MaxDrawn networks, or all that the space has, hold
// fewer than n, the error is a *RareError and nothing is returned.
func SampleWhere(ctx context.Context, s *Space, n int, seed uint64, keep func(indices []int) bool) ([]Arch, error) {
	if err := checkCount(s, n); err != nil {
		return nil, err
	}
	d := newDrawer(s, seed)
	var archs []Arch
	for drawn := 0; len(archs) < n; drawn++ {
		if all := drawn == d.all; all || drawn == MaxDrawn {
			return nil, &RareError{Found: len(archs), Want: n, Drawn: drawn, All: all}
		}
		if drawn%(1<<16) == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if indices := d.next(); keep(indices) && d.fresh(indices) {
			archs = append(archs, Arch{Space: s.Name, Indices: slices.Clone(indices)})
		}
	}
	return archs, nil
}

// drawer draws networks of which only some are kept.
type drawer struct {
	*uniform
	all     int // networks that a small space has; -1 of a large one
	indices []int
	kept    map[string]bool
}

// enumerated is the size up to which every network is drawn once, so that "there are no
// more" can be said: the shuffle then holds at most some 150 MB. Above it a network may be
// drawn again, and only those that were kept are remembered.
const enumerated = 1 << 24

func newDrawer(s *Space, seed uint64) *drawer {
	d := &drawer{uniform: newUniform(s, seed), all: -1, kept: map[string]bool{}}
	d.indices = make([]int, len(d.radices))
	if s.Size().Cmp(big.NewInt(enumerated)) <= 0 {
		d.all = int(d.size)
	}
	return d
}

// next is valid until it is called again.
func (d *drawer) next() []int {
	if d.all >= 0 {
		return d.uniform.next()
	}
	d.draw(d.indices)
	return d.indices
}

// fresh reports whether a network is kept for the first time, and remembers it.
func (d *drawer) fresh(indices []int) bool {
	k := key(indices)
	if d.kept[k] {
		return false
	}
	d.kept[k] = true
	return true
}
