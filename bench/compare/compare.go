// Package compare compares two sweeps of the same networks: which networks became slower or faster,
// by how much, and whether that is more than noise. The sweeps may be of different devices, builds,
// runtimes or times, in one store or in two.
//
// The figure is the ratio of a network's two latencies, medians of block medians, on a log scale. Its
// standard error comes from the spread between blocks. Three blocks a side cannot show a network's own
// noise, so each network borrows that of the others: its variance is the weighted mean of its own and the
// sweeps', and how much the sweeps' counts is estimated from how much the networks' variances differ (the
// moderated t test; see noise.go). A network that is clearly noisier than the others has its own alone.
// The p-values of all networks then go through
// Benjamini and Hochberg's procedure, so that of the networks called changed at most the stated share
// is expected to be unchanged.
//
// Rejected:
//   - benchmath's U test, which benchstat uses. With 3 blocks a side its smallest p-value is 0.1, so no
//     network could ever be called changed, and with hundreds of networks even 6 blocks are too few.
//   - The pooled variance for every network alike, as bench's intervals have it. Networks that are noisier
//     than the others are then called changed far too often (TestPooledVarianceIsNotEnough).
//   - Whether two intervals overlap. Networks that differ by 1.4 half-widths are significantly different,
//     and their intervals overlap.
//
// What the blocks cannot show is what differs between whole sweeps: another boot, a warmer room. Two
// sweeps without any change may therefore differ significantly, by a percent or two; how much, a device
// shows when it is measured twice (latlab sweep --again). Fails asks for a size besides.
//
// The package refuses to compare measured with simulated or estimated latencies, and different
// estimators. Whatever else differs is a Note. It reads stores through bench.Reader and prints nothing.
package compare

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"latlab/bench"
	"latlab/devices"
)

// Level is the default of Options.Level.
const Level = 0.05

// Side is one of the two sweeps.
type Side struct {
	Store    bench.Reader `json:"-"`
	File     string       `json:"store"` // of the store, as people name it
	Sweep    bench.Sweep  `json:"manifest"`
	NoiseCV  *float64     `json:"noise_cv"` // between blocks, pooled
	Measured int          `json:"measured"`
}

// Options of Sweeps.
type Options struct {
	// Level is the share of unchanged networks that is accepted among those called changed; the
	// intervals have confidence 1 - Level. 0 = Level.
	Level float64
	// IncludeInvalid compares INVALID measurements too.
	IncludeInvalid bool
}

// Change is a ratio of latencies, B over A. Bounds and P are nil where the noise is unknown.
type Change struct {
	Ratio float64  `json:"ratio"`
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
	P     *float64 `json:"p_value"` // of the ratio 1
}

// Slower reports whether the latency grew for sure (the interval is above 1) and by more than a share.
func (c Change) Slower(by float64) bool { return c.Low != nil && *c.Low > 1 && c.Ratio > 1+by }

// Pair is a network in both sweeps.
type Pair struct {
	Network  string  `json:"network"`
	Indices  string  `json:"indices,omitempty"`
	ASeconds float64 `json:"a_latency_seconds"`
	BSeconds float64 `json:"b_latency_seconds"`
	Change
	Q        *float64 `json:"q_value"`        // the p-value adjusted by Benjamini and Hochberg
	Changed  bool     `json:"changed"`        // Q is at or below the level
	AVerdict string   `json:"a_verdict"`      //
	BVerdict string   `json:"b_verdict"`      //
	ByName   bool     `json:"paired_by_name"` // the models differ: see Sweeps
}

// Words for a change.
const (
	Slower    = "slower"
	Faster    = "faster"
	Unchanged = "no"
	Unknown   = "unknown" // the noise is
)

// Word is one of the words.
func (p Pair) Word() string {
	switch {
	case p.Q == nil:
		return Unknown
	case !p.Changed:
		return Unchanged
	case p.Ratio > 1:
		return Slower
	}
	return Faster
}

func byChange(x, y Pair) int {
	if x.Changed != y.Changed {
		if x.Changed {
			return -1
		}
		return 1
	}
	return cmp.Compare(math.Abs(math.Log(y.Ratio)), math.Abs(math.Log(x.Ratio)))
}

// Count is how many networks became slower, and how many faster.
func (c *Comparison) Count() (slower, faster int) {
	for _, p := range c.Pairs {
		switch p.Word() {
		case Slower:
			slower++
		case Faster:
			faster++
		}
	}
	return slower, faster
}

// MostChanged are at most so many pairs: those that changed first, the largest change first.
func (c *Comparison) MostChanged(most int) []Pair {
	pairs := slices.Clone(c.Pairs)
	slices.SortStableFunc(pairs, byChange)
	return pairs[:min(most, len(pairs))]
}

// LeftOut is a network that could not be compared.
type LeftOut struct {
	Network string `json:"network"`
	Why     string `json:"why"` // one of the constants
}

// Reasons of LeftOut.
const (
	OnlyA      = "only in A"
	OnlyB      = "only in B"
	FailedA    = "failed in A"
	FailedB    = "failed in B"
	FailedBoth = "failed in both"
	Unfinished = "not finished in both"
	Invalid    = "INVALID"
)

// Note is a difference between the sweeps, besides what is compared, that may explain a change.
type Note struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Comparison is two sweeps compared.
type Comparison struct {
	A       Side      `json:"a"`
	B       Side      `json:"b"`
	Level   float64   `json:"level"`
	Overall Change    `json:"overall"`  // geometric mean over the pairs; these networks, not a sample of others
	Pairs   []Pair    `json:"networks"` // in A's order
	LeftOut []LeftOut `json:"left_out"`
	Notes   []Note    `json:"notes"`
	Changed int       `json:"changed"`
}

// Sweeps compares B with A. Networks are paired by the identity of their models. Those left are paired
// by their space and indices, or their name where they are in no space: across precisions and
// revisions of the writer, and where a user's file was changed. Pairs say so.
func Sweeps(ctx context.Context, a, b Side, o Options) (*Comparison, error) {
	if o.Level == 0 {
		o.Level = Level
	}
	if ka, kb := a.Sweep.Device.Kind, b.Sweep.Device.Kind; ka != kb {
		return nil, refuse("sweep %s is %s and sweep %s is %s: latencies of different kinds are never compared", a.Sweep.ID, ka, b.Sweep.ID, kb)
	}
	ra, err := read(ctx, &a)
	if err != nil {
		return nil, err
	}
	rb, err := read(ctx, &b)
	if err != nil {
		return nil, err
	}
	if ra.estimator != rb.estimator && ra.estimator != "" && rb.estimator != "" {
		return nil, refuse("the latencies of sweep %s are each the %s, those of sweep %s the %s: different estimators are never compared",
			a.Sweep.ID, ra.estimator, b.Sweep.ID, rb.estimator)
	}
	c := &Comparison{A: a, B: b, Level: o.Level, Pairs: []Pair{}, LeftOut: []LeftOut{}, Notes: []Note{}}
	pairs := c.pair(ra, rb, o)
	if len(c.Pairs) == 0 {
		return nil, c.nothing()
	}
	c.test(ra.noise, rb.noise, pairs)
	c.note(pairs)
	return c, nil
}

func refuse(format string, args ...any) error {
	return &devices.Error{Fault: devices.FaultUser, Op: "compare", Reason: "usage", Err: fmt.Errorf(format, args...)}
}

// nothing says why no network could be compared.
func (c *Comparison) nothing() error {
	counts := map[string]int{}
	for _, l := range c.LeftOut {
		counts[l.Why]++
	}
	switch {
	case counts[Invalid] > 0:
		return refuse("every network that both sweeps measured is INVALID in one of them; compare --include-invalid takes these %d", counts[Invalid])
	case counts[OnlyA]+counts[OnlyB] == len(c.LeftOut):
		return refuse("sweeps %s and %s have no network in common", c.A.Sweep.ID, c.B.Sweep.ID)
	}
	return refuse("no network is measured in both sweeps %s and %s", c.A.Sweep.ID, c.B.Sweep.ID)
}

// test fills in intervals, p-values and what changed.
func (c *Comparison) test(a, b side, pairs [][2]network) {
	each, together := spreads(a, b, pairs)
	sum, n := 0.0, float64(len(pairs))
	for i := range c.Pairs {
		p := &c.Pairs[i]
		log := math.Log(p.BSeconds / p.ASeconds)
		p.Change = changeOf(log, each[i], c.Level)
		sum += log
	}
	c.Overall = changeOf(sum/n, spread{together.variance / (n * n), together.df}, c.Level)
	adjust(c.Pairs)
	for i := range c.Pairs {
		if q := c.Pairs[i].Q; q != nil && *q <= c.Level {
			c.Pairs[i].Changed = true
			c.Changed++
		}
	}
}

// changeOf is the change of a logarithm. Without any noise, the interval is the ratio itself.
func changeOf(log float64, of spread, level float64) Change {
	c := Change{Ratio: math.Exp(log)}
	switch {
	case of.df == 0:
	case of.variance == 0:
		c.Low, c.High, c.P = new(c.Ratio), new(c.Ratio), new(1.0)
		if log != 0 {
			c.P = new(0.0)
		}
	default:
		t := distuv.StudentsT{Sigma: 1, Nu: of.df}
		se := math.Sqrt(of.variance)
		half := se * t.Quantile(1-level/2)
		c.Low, c.High = new(math.Exp(log-half)), new(math.Exp(log+half))
		c.P = new(2 * t.CDF(-math.Abs(log)/se))
	}
	return c
}

// Fails is the test of a threshold: the networks that became slower by more than a share, for sure, and
// whether all together did. A network counts if it is changed after Benjamini and Hochberg, the
// interval of its ratio is above 1, and the ratio itself is above 1 + by. The threshold holds for the
// ratio, not for the interval's lower end, which a noisy machine would hide any slowdown from.
func (c *Comparison) Fails(by float64) (networks []Pair, overall bool) {
	for _, p := range c.Pairs {
		if p.Changed && p.Slower(by) {
			networks = append(networks, p)
		}
	}
	return networks, c.Overall.Slower(by)
}
