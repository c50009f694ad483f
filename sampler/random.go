package sampler

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
)

// stream is a sequence of random numbers that is the same on every machine and with every Go
// release: ChaCha8, whose output is specified (C2SP chacha8rand), keyed with
// sha256("latlab " + purpose + "\n" + space + "\n" + seed). Only the name of the space is used:
// two spaces with the same name draw the same numbers, as their networks have the same ids.
type stream struct {
	source *rand.ChaCha8
}

func newStream(purpose, space string, seed uint64) stream {
	key := sha256.Sum256(fmt.Appendf(nil, "latlab %s\n%s\n%d", purpose, space, seed))
	return stream{rand.NewChaCha8(key)}
}

// below draws uniformly from 0 to n-1; n must be positive. It does not use rand.Rand, whose method
// for bounded numbers may change: numbers beyond the last multiple of n are rejected, the rest is
// taken modulo n.
func (r stream) below(n uint64) uint64 {
	if n == 1 {
		return 0
	}
	unfair := -n % n // 2^64 modulo n
	for {
		if x := r.source.Uint64(); x < -unfair || unfair == 0 {
			return x % n
		}
	}
}
