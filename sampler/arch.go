package sampler

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"latlab/internal/text"
)

// Arch is one point of a Space: one index for each decision.
type Arch struct {
	Space   string
	Indices []int
}

// String is the text form of the indices, "0:3:1".
func (a Arch) String() string {
	var b strings.Builder
	for i, x := range a.Indices {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strconv.Itoa(x))
	}
	return b.String()
}

// ID is the first 12 hex digits of sha256(space + ":" + indices).
func (a Arch) ID() string {
	h := sha256.Sum256([]byte(a.Space + ":" + a.String()))
	return hex.EncodeToString(h[:])[:12]
}

// ParseArch reads the text form and checks it against the space's decisions.
func (s *Space) ParseArch(written string) (Arch, error) {
	fields := strings.Split(written, ":")
	a := Arch{Space: s.Name, Indices: make([]int, len(fields))}
	for i, f := range fields {
		x, err := strconv.Atoi(f)
		// "+1" and "01" are refused too, so that an id has a single text form.
		if err != nil || strconv.Itoa(x) != f {
			if strings.ContainsAny(f, ", ") {
				return Arch{}, fmt.Errorf("indices %q: separate the numbers by colons, such as 0:3:1", text.Clip(written))
			}
			return Arch{}, fmt.Errorf("indices %q: field %d is %q, want a whole number", text.Clip(written), i+1, text.Clip(f))
		}
		a.Indices[i] = x
	}
	if err := s.Check(a); err != nil {
		return Arch{}, err
	}
	return a, nil
}

// Check reports the first decision of an Arch that is out of range, and its allowed range.
func (s *Space) Check(a Arch) error {
	radices := s.Radices()
	if len(a.Indices) != len(radices) {
		return fmt.Errorf("space %s has %d decisions, indices %s have %d", s.Name, len(radices), text.Clip(a.String()), len(a.Indices))
	}
	for i, r := range radices {
		if x := a.Indices[i]; x < 0 || x >= r {
			d := s.Decisions()[i]
			return fmt.Errorf("space %s: index %d is %d, but decision %s may be 0 to %d (%s)",
				s.Name, i, x, d.Name, r-1, strings.Join(d.Names, ", "))
		}
	}
	return nil
}

// Size is the number of points of the space.
func (s *Space) Size() *big.Int {
	n := big.NewInt(1)
	for _, r := range s.Radices() {
		n.Mul(n, big.NewInt(int64(r)))
	}
	return n
}

// Entries returns the table entry that the Arch uses at every position, in the order of
// Positions. The Arch must have been checked.
func (s *Space) Entries(a Arch) []int {
	var entries []int
	indices := s.Flat(a.Indices)
	next, in, nIn := 0, 0, 1
	for _, st := range s.Stages {
		layers := indices[next : next+len(st.Layers)]
		out := indices[next+len(st.Layers)]
		for li, l := range st.Layers {
			entries = append(entries, (out*nIn+in)*len(l.Choices)+layers[li])
			in, nIn = out, len(st.Widths)
		}
		next += len(st.Layers) + 1
	}
	return entries
}
