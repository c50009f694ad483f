package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/devices"
)

// Until is a precision that was asked for beyond the protocol's target, and what may be spent on it. The zero
// value asks for none. It is not part of a sweep's identity: the blocks that it adds are in the schedule, so that the
// same sweep can go on to another target.
type Until struct {
	// HalfWidth is that of every network's interval, relative; 0 = none.
	HalfWidth float64
	// MAPE is the mean relative error of a fit on held-out networks; 0 = none. Fit computes it from the stored
	// blocks, beside the one that a perfect model would have on them.
	MAPE float64
	Fit  func(ctx context.Context, st Reader, sweep string) (mape, noise float64, err error)
	// Budget ends the run, however far it is; 0 = none, and then no network gets more than the protocol's
	// max_blocks. It is of this call, in the device's own time on a simulator.
	Budget time.Duration
}

func (u Until) asked() bool { return u.HalfWidth > 0 || u.MAPE > 0 || u.Budget > 0 }

// What ended a run that Until was given to.
const (
	EndedByTarget = "target"
	EndedByBudget = "budget"
	EndedByBlocks = "max_blocks" // no network that is short of the target may have another block
)

// Reached is how far a run came towards its target.
type Reached struct {
	EndedBy string  // one of the constants; empty where no target was asked for
	Wide    int     // networks whose interval is wider than the target; of a target of half-width
	Widest  float64 // half-width of the widest interval; infinite if a network has none
	MAPE    float64 // of the last fit; of a target of MAPE
}

// BlockOverhead is process start, model load and first inference in seconds, seen to be 0.1 to 0.6 s for networks of
// MobileDet's spaces.
const BlockOverhead = 0.3

// until plans the next blocks towards the target. It reports whether there is anything to run.
//
// Every network gets its minimum first. Then rounds of up to a batch go to the networks where another block lowers
// the standard error most, by the block's time. How many blocks a network gets towards a half-width follows from the
// noise of all networks, and hardly from its own blocks: see stats.Reached.
//
// Rejected: leaving the order as it is and stopping at the budget. A budget that ends in the middle of the first
// networks' extra blocks leaves the others unmeasured.
func (r *runner) until(ctx context.Context) (bool, error) {
	if some, err := r.planBatch(ctx); some || err != nil {
		return some, err
	}
	r.judgeBlocks()
	wide, err := r.short(ctx)
	if err != nil || len(wide) == 0 {
		return false, err
	}
	if err := r.checkOutlook(wide); err != nil {
		return false, err
	}
	slices.SortStableFunc(wide, func(a, b int) int { return cmp.Compare(r.gain(r.nets[b]), r.gain(r.nets[a])) })
	some := wide[:min(len(wide), r.batchSize())]
	slices.Sort(some)
	r.foresee(wide, len(some))
	return true, r.planRounds(ctx, nil, some, 1)
}

// short lists the networks, by index, that another block may bring nearer to the target; none if it is reached, or if
// every network has the protocol's maximum of blocks and there is no budget.
func (r *runner) short(ctx context.Context) ([]int, error) {
	u := r.o.Until
	if u.MAPE > 0 {
		if r.standing.done < r.o.Networks-r.standing.failed {
			return r.fewer(), nil
		}
		var err error
		if r.reached.MAPE, r.fitNoise, err = u.Fit(ctx, r.o.Store, r.sweep.ID); err != nil {
			return nil, err
		}
		if r.reached.MAPE <= u.MAPE {
			return nil, nil
		}
	}
	var wide []int
	for i, n := range r.nets {
		if i < r.o.Networks && n.Status != Failed && n.waiting == 0 && r.mayHaveMore(n) && (u.MAPE > 0 || !r.narrow(n)) {
			wide = append(wide, i)
		}
	}
	slices.Sort(wide)
	return wide, nil
}

// fewer lists the networks that lack blocks of their minimum because some are disturbed.
func (r *runner) fewer() []int {
	return slices.DeleteFunc(r.tooWide(), func(i int) bool { return len(r.nets[i].values) >= r.protocol.MinBlocks })
}

// mayHaveMore: a network that is always disturbed must not take the whole budget. Only undisturbed blocks show that the
// device stays slow, as in needsMore.
func (r *runner) mayHaveMore(n *network) bool {
	if len(n.values) < r.protocol.MinBlocks && len(n.timed) >= r.protocol.MinBlocks && r.unused {
		return false
	}
	if r.o.Until.Budget == 0 || r.sweep.Device.Deterministic || len(n.values) < r.protocol.MinBlocks {
		return n.blocks() < r.protocol.MaxBlocks
	}
	return true
}

func (r *runner) target() float64 {
	if r.o.Until.HalfWidth > 0 {
		return r.o.Until.HalfWidth
	}
	return r.protocol.HalfWidth
}

// narrow reports whether a network's interval is within the target.
func (r *runner) narrow(n *network) bool {
	if r.sweep.Device.Deterministic {
		return len(n.values) > 0
	}
	noise, _ := r.shared.Pool.NoiseFor(n.noise())
	return len(n.values) >= r.protocol.MinBlocks && stats.Reached(n.values, noise, r.protocol.Confidence, r.target())
}

// gain is by how much another block lowers a network's standard error, by the seconds that the block takes.
func (r *runner) gain(n *network) float64 {
	k := len(n.values)
	if k < r.protocol.MinBlocks {
		return math.Inf(1)
	}
	noise, _ := r.shared.Pool.NoiseFor(n.noise())
	less := noise.SD() * (math.Sqrt(stats.MedianVariance(k)) - math.Sqrt(stats.MedianVariance(k+1)))
	return less / r.blockTime(n)
}

func (r *runner) blockTime(n *network) float64 {
	return blockTime(r.protocol, stats.Median(n.values))
}

func blockTime(p protocol.Protocol, latency float64) float64 {
	return p.Forecast(1, latency, BlockOverhead).Seconds() / float64(p.MinBlocks)
}

// overBudget reports whether the run has used its budget up.
func (r *runner) overBudget() bool {
	return r.o.Until.Budget > 0 && r.spent() >= r.o.Until.Budget
}

// spent is by the blocks of a simulator, whose time is not ours.
func (r *runner) spent() time.Duration {
	if r.o.Device.Info().Kind == devices.Simulated {
		return time.Duration(r.simulated * float64(time.Second))
	}
	return time.Since(r.start)
}

// Outlook is what a half-width needs under a noise.
type Outlook struct {
	Target    float64
	Noise     stats.Noise
	Blocks    int           // a network
	Left      time.Duration // until all networks have them
	Budget    time.Duration // 0 = none
	Most      int           // blocks a network without a budget
	Reachable float64       // half-width within the budget, or within Most blocks
}

// Seen is the noise between the blocks of a device's earlier sweeps in a store, this one's too, and the mean latency of
// their networks; zero values if there are none.
func Seen(ctx context.Context, st Reader, of Sweep) (noise stats.Noise, latency float64, err error) {
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return noise, 0, err
	}
	networks := 0
	for _, s := range sweeps {
		if s.Device.Name != of.Device.Name || s.Device.Harness != of.Device.Harness || s.Protocol.Percentile != of.Protocol.Percentile {
			continue
		}
		shared, err := Together(ctx, st, s.ID)
		if err != nil {
			return noise, 0, err
		}
		rule := shared.Rule(&s)
		noise = noise.Add(shared.Pool.Core)
		for g, err := range byNetwork(st.Values(ctx, s.ID)) {
			if err != nil {
				return noise, 0, err
			}
			if _, values, _ := rule.Usable(g.blocks); len(values) > 0 {
				networks++
				latency += (stats.Median(values) - latency) / float64(networks)
			}
		}
	}
	return noise, latency, nil
}

// outlookBlocks ends the search for a number of blocks.
const outlookBlocks = 100_000

// OutlookOf is the outlook of a sweep of so many networks of a mean latency before it begins.
func OutlookOf(p protocol.Protocol, u Until, noise stats.Noise, networks int, latency float64) Outlook {
	return newOutlook(p, u, noise, networks, 0, blockTime(p, latency))
}

// newOutlook is the outlook of networks of which each has so many blocks. seconds is the time of a block.
func newOutlook(p protocol.Protocol, u Until, noise stats.Noise, networks, have int, seconds float64) Outlook {
	o := Outlook{Target: u.HalfWidth, Noise: noise, Budget: u.Budget, Most: p.MaxBlocks}
	if o.Target == 0 {
		o.Target = p.HalfWidth
	}
	each := float64(networks) * seconds
	o.Blocks = stats.BlocksNeeded(noise, p.Confidence, o.Target, p.MinBlocks, outlookBlocks)
	o.Left = time.Duration(float64(max(0, o.Blocks-have)) * each * float64(time.Second))
	most := p.MaxBlocks
	if u.Budget > 0 {
		most = max(p.MinBlocks, have+int(u.Budget.Seconds()/each))
	}
	o.Reachable = stats.ExpectedHalfWidth(min(most, outlookBlocks), noise, p.Confidence)
	return o
}

// Plausible is false where the noise is known, and the target is out of reach.
func (o Outlook) Plausible() bool {
	switch {
	case !o.Known():
		return true
	case o.Budget > 0:
		return o.Left <= o.Budget
	}
	return o.Blocks <= o.Most
}

// String says what the target needs.
func (o Outlook) String() string {
	return fmt.Sprintf("a half-width of %s needs %s %d blocks a network at the noise seen, %s between blocks",
		percent(o.Target), o.About(), o.Blocks, percent(o.Noise.SD()))
}

// About stands before Blocks and Left.
func (o Outlook) About() string {
	if o.Blocks >= outlookBlocks {
		return "more than"
	}
	return "about"
}

// Err is nil where the target is plausible.
func (o Outlook) Err() error {
	if o.Plausible() {
		return nil
	}
	if o.Budget > 0 {
		return userError("--until", fmt.Errorf("%s, %s %s more, and --budget leaves %s, which suffices for about %s", o, o.About(), rounded(o.Left), rounded(o.Budget), percent(o.Reachable)))
	}
	return userError("--until", fmt.Errorf("%s, and max_blocks is %d, which suffices for about %s; give a --budget, or --set max_blocks", o, o.Most, percent(o.Reachable)))
}

// Known reports whether the noise is known well enough to say anything.
func (o Outlook) Known() bool { return o.Noise.DF >= stats.FewDF }

func percent(x float64) string { return fmt.Sprintf("%.2g %%", 100*x) }

// rounded is a duration as --budget reads it: "353h43m", "2m".
func rounded(d time.Duration) string {
	unit := time.Second
	if d > time.Hour {
		unit = time.Minute
	}
	s := d.Round(unit).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// checkOutlook refuses, once, a target that the noise of the first rounds puts out of reach.
func (r *runner) checkOutlook(wide []int) error {
	if r.looked {
		return nil
	}
	r.looked = true
	u := r.o.Until
	if u.MAPE > 0 {
		return u.checkFit(r.reached.MAPE, r.fitNoise)
	}
	if u.HalfWidth == 0 {
		return nil
	}
	seconds, have := 0.0, 0
	for _, i := range wide {
		seconds += r.blockTime(r.nets[i]) / float64(len(wide))
		have += r.nets[i].blocks()
	}
	if u.Budget > 0 {
		u.Budget = max(1, u.Budget-r.spent())
	}
	o := newOutlook(r.protocol, u, r.shared.Pool.Core, len(wide), have/len(wide), seconds)
	if err := o.Err(); err != nil {
		return fmt.Errorf("%w; all blocks so far are stored", err)
	}
	return nil
}

// checkFit: blocks lower only the part of a fit's error that noise makes. The two parts add up as squares.
func (u Until) checkFit(mape, noise float64) error {
	own := math.Sqrt(max(0, mape*mape-noise*noise))
	if !(own > u.MAPE) {
		return nil
	}
	return userError("--until", fmt.Errorf("the fit's held-out error is %s, of which noise makes %s: without any noise it would be about %s, above mape=%s, which more networks may reach and more blocks do not; all blocks so far are stored",
		percent(mape), percent(noise), percent(own), percent(u.MAPE)))
}

// howFar is the result's Reached.
func (r *runner) howFar() Reached {
	re := r.reached
	if !r.o.Until.asked() {
		return Reached{}
	}
	reached := re.MAPE > 0 && re.MAPE <= r.o.Until.MAPE
	if r.o.Until.MAPE == 0 {
		r.judgeBlocks()
		all := 0
		for i, n := range r.nets {
			if i >= r.o.Networks || n.Status == Failed {
				continue
			}
			all++
			noise, _ := r.shared.Pool.NoiseFor(n.noise())
			half := math.Inf(1)
			if r.sweep.Device.Deterministic {
				half = 0
			} else if len(n.values) > 0 {
				half = stats.HalfWidth(n.values, noise, r.protocol.Confidence)
			}
			re.Widest = max(re.Widest, half)
			if !r.narrow(n) {
				re.Wide++
			}
		}
		re.Wide += r.o.Networks - r.standing.failed - all
		reached = re.Wide == 0
	}
	switch {
	case reached:
		re.EndedBy = EndedByTarget
	case r.overBudget():
		re.EndedBy = EndedByBudget
	default:
		re.EndedBy = EndedByBlocks
	}
	return re
}
