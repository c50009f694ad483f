package bench

import "time"

// Progress is where a run is. Nil figures are not known yet.
type Progress struct {
	Networks     int      `json:"networks"` // asked for
	Done         int      `json:"done"`     // with at least the protocol's minimum of blocks
	Failed       int      `json:"failed"`
	Blocks       int      `json:"blocks"`      // done by this run
	BlocksLeft   int      `json:"blocks_left"` // without extra blocks, which cannot be foreseen
	BlocksPerSec float64  `json:"blocks_per_second"`
	ETASeconds   *float64 `json:"eta_seconds"`
	LastSeconds  *float64 `json:"last_latency_seconds"`
	NoiseCV      *float64 `json:"noise_cv"`
	TemperatureC *float64 `json:"temperature_celsius"` // hottest sensor after the last block
	// Profiles is nil until all blocks are done and profiling begins.
	Profiles *ProfileProgress `json:"profiles,omitempty"`
}

// ProfileProgress is how many networks are to be profiled, and how many have a profile.
type ProfileProgress struct {
	Asked int `json:"asked"`
	Done  int `json:"done"`
}

// standing counts the requested networks by state, so that a report costs the same for ten
// thousand networks as for ten.
type standing struct {
	known, done, failed, waiting int
}

// count adds (sign 1) or takes out (sign -1) a network as it is now.
func (r *runner) count(n *network, sign int) {
	if n.Index >= r.o.Networks {
		return
	}
	r.standing.known += sign
	r.standing.waiting += sign * n.waiting
	switch {
	case n.Status == Failed:
		r.standing.failed += sign
	case len(n.values) >= r.protocol.MinBlocks:
		r.standing.done += sign
	}
}

// change counts a network again after f changed it.
func (r *runner) change(n *network, f func()) {
	r.count(n, -1)
	f()
	r.count(n, 1)
}

func (r *runner) report() {
	if r.o.Progress == nil {
		return
	}
	t := r.standing
	p := Progress{
		Networks: r.o.Networks, Done: t.done, Failed: t.failed, Blocks: r.blocks, NoiseCV: noiseCV(r.o.Device.Info(), r.noise),
		BlocksLeft: t.waiting + (r.o.Networks-t.known)*r.protocol.MinBlocks,
	}
	if r.lastBlock != nil {
		p.LastSeconds = new(r.lastValue)
		p.TemperatureC = r.lastBlock.After.HottestC()
		if elapsed := time.Since(r.start).Seconds(); elapsed > 0 {
			p.BlocksPerSec = float64(r.blocks) / elapsed
			p.ETASeconds = new(elapsed / float64(r.blocks) * float64(p.BlocksLeft))
		}
	}
	if r.profiles.Asked > 0 {
		p.Profiles = new(r.profiles)
	}
	r.o.Progress(p)
}
