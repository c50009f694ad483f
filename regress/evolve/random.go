package evolve

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
)

// random draws small numbers, two from each 64 bits: PCG-DXSM, the same with every Go release. rand.Rand is not
// used, because how it bounds numbers may change.
type random struct {
	source *rand.PCG
	left   uint64 // the other half, with bit 32 set; 0 if there is none
}

// below draws from 0 to n-1. Multiplying makes some numbers likelier than others by n/2^32, which no
// evolution notices, and takes a third of the time of a division.
func (r *random) below(n int) int {
	var x uint64
	if r.left != 0 {
		x, r.left = r.left&(1<<32-1), 0
	} else {
		y := r.source.Uint64()
		x, r.left = y>>32, y&(1<<32-1)|1<<32
	}
	return int(x * uint64(n) >> 32)
}

// state is what restore reads.
func (r *random) state() ([]byte, error) {
	state, err := r.source.MarshalBinary()
	return binary.BigEndian.AppendUint64(state, r.left), err
}

func (r *random) restore(state []byte) error {
	if len(state) < 8 {
		return errors.New("the state of the random numbers is too short")
	}
	cut := len(state) - 8
	r.left = binary.BigEndian.Uint64(state[cut:])
	return r.source.UnmarshalBinary(state[:cut])
}
