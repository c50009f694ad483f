package sampler

import (
	"context"
	"fmt"
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
	u, all := newUniform(s, seed), -1
	if u.size > 0 && u.size <= enumerated {
		all = int(u.size)
	}
	indices, kept := make([]int, len(u.radices)), networkSet{}
	var archs []Arch
	for drawn := 0; len(archs) < n; drawn++ {
		if drawn == all || drawn == MaxDrawn {
			return nil, &RareError{Found: len(archs), Want: n, Drawn: drawn, All: drawn == all}
		}
		if drawn%(1<<16) == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if all >= 0 {
			indices = u.next()
		} else {
			u.draw(indices)
		}
		if keep(indices) && kept.add(indices) {
			archs = append(archs, Arch{Space: s.Name, Indices: slices.Clone(indices)})
		}
	}
	return archs, nil
}

// enumerated is the size up to which every network is drawn exactly once, so that RareError.All can be
// known: the shuffle then holds at most some 150 MB. Above it a network may be drawn again, and only
// accepted networks are remembered.
const enumerated = 1 << 24
