package sampler

import (
	"context"
	"fmt"
	"math/big"
	"slices"
)

// MaxDrawn is how many networks SampleWhere draws before it gives up: with a condition that one
// network in 100,000 meets, that yields some 1,000. Drawing and predicting so many takes about half
// a minute.
const MaxDrawn = 100_000_000

// RareError says that too few networks meet a condition.
type RareError struct {
	Found, Want int
	Drawn       int
	All         bool // the whole space was searched: there are no more than Found
}

// Error is "5 of 10 networks found among 6912, which are all of the space".
func (e *RareError) Error() string {
	text := fmt.Sprintf("%d of %d networks found among %d drawn at random", e.Found, e.Want, e.Drawn)
	if e.All {
		text += ", which are all of the space"
	}
	return text
}

// SampleWhere draws n different networks that keep accepts, in the same way as Sample: every accepted
// network is equally likely, and a smaller sample is a prefix of a larger one. keep must not retain
// the indices. Memory grows with the accepted networks, not with those drawn. If MaxDrawn networks,
// or the whole space, contain fewer than n, the error is a *RareError and no network is returned.
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

// drawer draws networks of which only some are accepted.
type drawer struct {
	*uniform
	all     int // number of networks in a small space; -1 for a large one
	indices []int
	kept    map[string]bool
}

// enumerated is the size up to which every network is drawn exactly once, so that RareError.All can be
// known: the shuffle then holds at most some 150 MB. Above it a network may be drawn again, and only
// accepted networks are remembered.
const enumerated = 1 << 24

func newDrawer(s *Space, seed uint64) *drawer {
	d := &drawer{uniform: newUniform(s, seed), all: -1, kept: map[string]bool{}}
	d.indices = make([]int, len(d.radices))
	if s.Size().Cmp(big.NewInt(enumerated)) <= 0 {
		d.all = int(d.size)
	}
	return d
}

// next returns indices that are valid until the next call.
func (d *drawer) next() []int {
	if d.all >= 0 {
		return d.uniform.next()
	}
	d.draw(d.indices)
	return d.indices
}

// fresh reports whether a network is accepted for the first time, and remembers it.
func (d *drawer) fresh(indices []int) bool {
	k := key(indices)
	if d.kept[k] {
		return false
	}
	d.kept[k] = true
	return true
}
