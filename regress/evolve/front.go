package evolve

import (
	"slices"
	"sort"
)

// Front holds the candidates that no other one dominates: none is both as fast and as good, and better in one
// of the two. Of candidates that are equal in both it holds the first. The zero value is empty.
type Front struct {
	// all and seconds are in order of latency, and so of quality. The latencies are beside each other, because
	// nearly every candidate is looked up and refused.
	all     []Candidate
	seconds []float64
}

// Len is how many there are.
func (f *Front) Len() int { return len(f.all) }

// Best returns the n of the highest quality, or all if they are fewer, the best first.
func (f *Front) Best(n int) []Candidate {
	best := slices.Clone(f.all[max(len(f.all)-n, 0):])
	slices.Reverse(best)
	return best
}

// Add offers a candidate, whose indices are copied if it is kept.
func (f *Front) Add(c Candidate) {
	// Every one before at is as fast as c or faster, and the last of them is the best.
	at := sort.Search(len(f.seconds), func(i int) bool { return f.seconds[i] > c.Seconds })
	if at > 0 && f.all[at-1].Quality >= c.Quality {
		return
	}
	from, to := at, at
	if at > 0 && f.seconds[at-1] == c.Seconds {
		from--
	}
	for to < len(f.all) && f.all[to].Quality <= c.Quality {
		to++
	}
	c.Indices = slices.Clone(c.Indices)
	f.all = slices.Replace(f.all, from, to, c)
	f.seconds = slices.Replace(f.seconds, from, to, c.Seconds)
}
