package bench

import (
	"math"
	"time"

	"latlab/bench/stats"
)

// Progress is where a run is. Nil figures are not known yet.
type Progress struct {
	Networks     int `json:"networks"` // asked for
	Done         int `json:"done"`     // with at least the protocol's minimum of blocks
	Failed       int `json:"failed"`
	Blocks       int `json:"blocks"`        // done by this run
	BlocksBefore int `json:"blocks_before"` // done by earlier runs
	BlocksLeft   int `json:"blocks_left"`   // without extra blocks that are not planned yet
	// MinimumDone is how many of MinimumBlocks are done, the protocol's minimum of all networks together.
	// A failed network's count as done. No plan of extra blocks changes the two, so their quotient never
	// goes back, and a resumed run begins with that of the run before.
	MinimumDone   int     `json:"minimum_done"`
	MinimumBlocks int     `json:"minimum_blocks"`
	BlocksPerSec  float64 `json:"blocks_per_second"`
	// ETASeconds is until the blocks left are done, at the pace so far. The bounds hold with
	// roughly 95 %: blocks take different times, and networks may get extra ones.
	ETASeconds     *float64 `json:"eta_seconds"`
	ETALowSeconds  *float64 `json:"eta_low_seconds"`
	ETAHighSeconds *float64 `json:"eta_high_seconds"`
	LastSeconds    *float64 `json:"last_latency_seconds"`
	NoiseCV        *float64 `json:"noise_cv"`
	TemperatureC   *float64 `json:"temperature_celsius"` // hottest sensor after the last block
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
	extra                        int // blocks beyond the minimum, of networks that are done
	minimum                      int // blocks done, without those beyond the minimum
}

// count adds (sign 1) or takes out (sign -1) a network as it is now.
func (r *runner) count(n *network, sign int) {
	if n.Index >= r.o.Networks {
		return
	}
	r.standing.known += sign
	r.standing.waiting += sign * n.waiting
	if n.Status == Failed {
		r.standing.minimum += sign * r.protocol.MinBlocks
	} else {
		r.standing.minimum += sign * min(len(n.values), r.protocol.MinBlocks)
	}
	switch {
	case n.Status == Failed:
		r.standing.failed += sign
	case len(n.timed) >= r.protocol.MinBlocks, n.blocks() >= r.protocol.MaxBlocks:
		r.standing.done += sign
		r.standing.extra += sign * (n.rounds - r.protocol.MinBlocks)
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
		Networks: r.o.Networks, Done: t.done, Failed: t.failed, Blocks: r.blocks, BlocksBefore: r.before,
		MinimumDone: t.minimum, MinimumBlocks: r.o.Networks * r.protocol.MinBlocks,
		NoiseCV:    r.noise.CVOn(r.o.Device.Info()),
		BlocksLeft: t.waiting + (r.o.Networks-t.known)*r.protocol.MinBlocks,
	}
	if p.BlocksLeft == 0 {
		p.BlocksLeft = len(r.tooWide()) // planned next
	}
	if r.lastBlock != nil {
		p.LastSeconds = new(r.lastValue)
		p.TemperatureC = r.lastBlock.After.HottestC()
		r.addPace(&p)
	}
	if r.profiles.Asked > 0 {
		p.Profiles = new(r.profiles)
	}
	r.o.Progress(p)
}

func (r *runner) addPace(p *Progress) {
	elapsed := time.Since(r.start).Seconds()
	if elapsed <= 0 {
		return
	}
	p.BlocksPerSec = float64(r.blocks) / elapsed
	p.ETASeconds = new(elapsed / float64(r.blocks) * float64(p.BlocksLeft))
	if r.pace.n < paceBlocks {
		return
	}
	low, high := r.pace.bounds(p.BlocksLeft, p.BlocksLeft)
	if p.BlocksLeft > 0 {
		_, high = r.pace.bounds(p.BlocksLeft, p.BlocksLeft+r.forecastExtra())
	}
	p.ETALowSeconds, p.ETAHighSeconds = &low, &high
}

// paceBlocks is how many blocks a range of the time left needs.
const paceBlocks = 3

// pace is the mean and the spread of the times from one finished block to the next.
type pace struct {
	last       time.Time
	n          int
	mean, rest float64 // rest is the sum of squares about the mean (Welford)
}

func (p *pace) add(now time.Time) {
	x := now.Sub(p.last).Seconds()
	p.last = now
	p.n++
	d := x - p.mean
	p.mean += d / float64(p.n)
	p.rest += d * (x - p.mean)
}

// bounds are roughly the 95 % bounds of the time that low to high more blocks take. The mean is an
// estimate too: after few blocks, the networks to come may be slower than those so far.
func (p *pace) bounds(low, high int) (least, most float64) {
	sd := math.Sqrt(p.rest / float64(p.n-1))
	half := func(k int) float64 {
		return 2 * sd * math.Sqrt(float64(k)+float64(k)*float64(k)/float64(p.n))
	}
	least = p.mean*float64(low) - half(low)
	most = p.mean*float64(high) + half(high)
	return max(least, p.mean*float64(low)/10), most
}

// forecast is what the last plan leaves to further plans.
type forecast struct {
	done int // networks with their minimum of blocks at that time
	more int // extra blocks that these may still get
}

// foresee forecasts after extra blocks were planned: wide are the networks that need some.
func (r *runner) foresee(wide []int, planned int) {
	r.forecast = forecast{done: r.standing.done, more: -planned}
	for _, i := range wide {
		n := r.nets[i]
		noise, _ := r.shared.Pool.NoiseFor(n.noise())
		if len(n.values) >= stats.OrderBlocks {
			noise = n.noise()
		}
		need := r.blocksNeeded(noise) - len(n.values)
		r.forecast.more += min(max(need, 1), r.protocol.MaxBlocks-n.blocks())
	}
}

// forecastExtra is how many extra blocks may be planned yet: of the networks that the last plan saw,
// and of the others as many as the noise demands, or as many as networks got so far.
func (r *runner) forecastExtra() int {
	p, t := r.protocol, r.standing
	each, noise := 0.0, r.shared.Pool.Core
	if noise.DF < stats.FewDF {
		noise = r.noise
	}
	if noise.DF >= stats.FewDF {
		each = float64(r.blocksNeeded(noise) - p.MinBlocks)
	}
	if t.done > 0 {
		each = max(each, float64(t.extra)/float64(t.done))
	}
	ahead := max(0, r.o.Networks-t.failed-r.forecast.done)
	return max(0, r.forecast.more) + int(math.Ceil(each*float64(ahead)))
}

// blocksNeeded is roughly how many blocks bring an interval within the target under a noise.
func (r *runner) blocksNeeded(noise stats.Noise) int {
	p := r.protocol
	return stats.BlocksNeeded(noise, p.Confidence, p.HalfWidth, p.MinBlocks, p.MaxBlocks)
}
