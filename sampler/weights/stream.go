package weights

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"
)

// stream is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
// It uses only integers, so every machine draws the same numbers.
type stream uint64

func (s *stream) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// newStream gives every buffer its own numbers. The seed does not depend on the rest of the graph: an op
// has the same weights in every network that has it, which makes models easy to compare.
func newStream(op, role string, elements int64) stream {
	h := sha256.Sum256([]byte(op + "\x00" + role + "\x00" + strconv.FormatInt(elements, 10)))
	return stream(binary.LittleEndian.Uint64(h[:]))
}

// stepFor is the distance between neighbouring weights at which a uniform draw has the given variance. A
// draw is an odd multiple of half of it, see odd.
func stepFor(variance float64) float32 {
	return float32(math.Sqrt(3*variance) / 65536)
}

// odd turns 16 random bits into an odd whole number between -65535 and 65535: mean zero,
// never zero.
func odd(bits uint16) int32 { return 2*int32(int16(bits)) + 1 }

// odds draws one number for each element of dst. A call draws whole groups of four: only the last call for
// a stream may have a len(dst) that is not a multiple of 4.
func (s *stream) odds(dst []int32) {
	for ; len(dst) >= 4; dst = dst[4:] {
		z := s.next()
		dst[0], dst[1] = odd(uint16(z)), odd(uint16(z>>16))
		dst[2], dst[3] = odd(uint16(z>>32)), odd(uint16(z>>48))
	}
	if len(dst) > 0 {
		var last [4]int32
		s.odds(last[:])
		copy(dst, last[:])
	}
}

// fill writes len(dst)/4 little-endian float32 values: odd numbers times step, uniform, never zero, never
// denormal. The product of a small whole number and a float32 is rounded the same everywhere; there is no
// sum that a compiler could fuse with it.
//
// A call draws whole groups of four: only the last call for a stream may have a len(dst) that is not a
// multiple of 16.
func (s *stream) fill(dst []byte, step float32) {
	for ; len(dst) >= 16; dst = dst[16:] {
		z := s.next()
		binary.LittleEndian.PutUint64(dst, pair(uint32(z), step))
		binary.LittleEndian.PutUint64(dst[8:], pair(uint32(z>>32), step))
	}
	if len(dst) > 0 {
		var last [16]byte
		s.fill(last[:], step)
		copy(dst, last[:])
	}
}

// pair turns two 16-bit halves into two weights.
func pair(z uint32, step float32) uint64 {
	lo := float32(odd(uint16(z))) * step
	hi := float32(odd(uint16(z>>16))) * step
	return uint64(math.Float32bits(lo)) | uint64(math.Float32bits(hi))<<32
}
