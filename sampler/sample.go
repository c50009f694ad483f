package sampler

import (
	"fmt"
	"math/big"
)

// MaxSample limits the networks of one call, which need about 5 GB for a MobileDet space.
const MaxSample = 10_000_000

// Sample draws n different networks of a space: every decision uniform and independent, as in TuNAS,
// without repeats. The same name, decisions and seed give the same networks everywhere, and a
// smaller sample is a prefix of a larger one. Requesting more networks than the space has is an
// error.
func Sample(s *Space, n int, seed uint64) ([]Arch, error) {
	return take(s, n, newUniform(s, seed).next)
}

// take draws n networks with next, which never repeats one.
func take(s *Space, n int, next func() []int) ([]Arch, error) {
	if err := checkCount(s, n); err != nil {
		return nil, err
	}
	archs := make([]Arch, n)
	for i := range archs {
		archs[i] = Arch{Space: s.Name, Indices: next()}
	}
	return archs, nil
}

func checkCount(s *Space, n int) error {
	switch {
	case n < 0:
		return fmt.Errorf("cannot sample %d networks", n)
	case s.Size().Cmp(big.NewInt(int64(n))) < 0:
		return fmt.Errorf("space %s has %s networks, cannot sample %d different ones", s.Name, s.Size(), n)
	case n > MaxSample:
		return fmt.Errorf("cannot sample %d networks at once, at most %d", n, MaxSample)
	}
	return nil
}

// uniform draws networks without replacement.
type uniform struct {
	random  stream
	radices []int
	// size is the number of networks, or 0 if they are too many to be numbered.
	size  uint64
	drawn uint64
	moved map[uint64]uint64 // of the shuffle, if size is set
	seen  networkSet        // networks drawn, if it is not
}

// numbered is the size up to which networks are numbered. Above it repeats are so rare (100,000
// draws: one in 100 million) that drawing again costs nothing. Below it a sample may be most of the
// space, and a shuffle draws its last network as fast as its first.
const numbered = 1 << 60

func newUniform(s *Space, seed uint64) *uniform {
	u := &uniform{random: newStream("sample", s.Name, seed), radices: s.Radices()}
	if size := s.Size(); size.Cmp(big.NewInt(numbered)) <= 0 {
		u.size = size.Uint64()
		u.moved = map[uint64]uint64{}
	} else {
		u.seen = networkSet{}
	}
	return u
}

// next returns a network not returned before; there must be one.
func (u *uniform) next() []int {
	if u.size > 0 {
		return u.decode(u.shuffle())
	}
	for {
		indices := make([]int, len(u.radices))
		u.draw(indices)
		if u.seen.add(indices) {
			return indices
		}
	}
}

// draw fills in a network that may have been drawn before.
func (u *uniform) draw(indices []int) {
	for i, r := range u.radices {
		indices[i] = int(u.random.below(uint64(r)))
	}
}

// shuffle is one step of the Fisher-Yates shuffle of 0 to size-1 (Knuth, The Art of
// Computer Programming, volume 2, algorithm 3.4.2 P) that keeps only the numbers that moved.
func (u *uniform) shuffle() uint64 {
	i := u.drawn
	j := i + u.random.below(u.size-i)
	u.drawn++
	number := u.at(j)
	if j != i {
		u.moved[j] = u.at(i)
	}
	delete(u.moved, i)
	return number
}

func (u *uniform) at(i uint64) uint64 {
	if x, ok := u.moved[i]; ok {
		return x
	}
	return i
}

// decode converts a number to the space's mixed radix, the last decision changing fastest.
func (u *uniform) decode(number uint64) []int {
	indices := make([]int, len(u.radices))
	for i := len(indices) - 1; i >= 0; i-- {
		r := uint64(u.radices[i])
		indices[i] = int(number % r)
		number /= r
	}
	return indices
}

// key is a network as a map key. No decision has more than 250 values.
func key(indices []int) string {
	b := make([]byte, len(indices))
	for i, x := range indices {
		b[i] = byte(x)
	}
	return string(b)
}

type networkSet map[string]bool

// add reports whether a network is new.
func (s networkSet) add(indices []int) bool {
	k := key(indices)
	if s[k] {
		return false
	}
	s[k] = true
	return true
}

// Radices are the numbers of values of each decision.
func (s *Space) Radices() []int {
	var rs []int
	for _, st := range s.Stages {
		for _, l := range st.Layers {
			rs = append(rs, l.radices()...)
		}
		rs = append(rs, len(st.Widths))
	}
	return rs
}
