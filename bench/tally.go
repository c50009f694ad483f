package bench

import (
	"context"
	"slices"

	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
)

// Tally counts a sweep's networks. NoiseCV is the pooled noise between blocks; nil = unknown.
type Tally struct {
	Measured int `json:"measured"`
	Failed   int `json:"failed"`
	Invalid  int `json:"invalid"`
	// Imprecise is how many networks are IMPRECISE: they are not INVALID.
	Imprecise int      `json:"imprecise"`
	Blocks    int      `json:"blocks"`
	NoiseCV   *float64 `json:"noise_cv"`
	// DisturbedBlocks are not used, because of too few undisturbed samples.
	DisturbedBlocks int `json:"disturbed_blocks"`
	// UndisturbedShare is the share of the samples of all blocks that are undisturbed; nil = the device does
	// not show that.
	UndisturbedShare *float64 `json:"undisturbed_share"`
	// Clock is the measured clock of the blocks; nil = none measured it.
	Clock *stats.Clock `json:"clock"`
	// Levels are those of the device over the sweep; nil = they did not change.
	Levels *stats.Levels `json:"levels"`

	// Reasons count INVALID networks and Warnings measured ones by code; one network may have several.
	Reasons  map[string]int `json:"-"`
	Warnings map[string]int `json:"-"`
	// Sentences has one example text for each code, from the first network that has it.
	Sentences map[string]string `json:"-"`
	// Fastest and Slowest are the extremes of the measured latencies in seconds; 0 without any.
	Fastest float64 `json:"-"`
	Slowest float64 `json:"-"`

	judged, undisturbed int // samples
}

// NewTally counts nothing yet.
func NewTally() Tally {
	return Tally{Reasons: map[string]int{}, Warnings: map[string]int{}, Sentences: map[string]string{}}
}

// Count counts all networks of a sweep.
func Count(ctx context.Context, st Reader, sweep string) (Tally, error) {
	t := NewTally()
	for e, err := range Estimates(ctx, st, sweep) {
		if err != nil {
			return t, err
		}
		t.Add(e)
	}
	return t, nil
}

// Add counts one network.
func (t *Tally) Add(e Estimate) {
	t.Blocks += len(e.Blocks)
	for i := range e.Blocks {
		t.addClock(&e.Blocks[i])
	}
	if e.M != nil {
		t.addSamples(e.M.DisturbedBlocks, e.M.UndisturbedSamples, e.M.JudgedSamples)
		if t.Levels == nil {
			t.Levels = e.M.Rule.Trend.Levels()
		}
	}
	if e.Network.Status == Failed {
		t.Failed++
		return
	}
	if e.M == nil || e.Network.Status != Measured {
		return
	}
	t.Measured++
	t.NoiseCV = e.M.NoiseCV
	switch e.M.Verdict {
	case verdict.Invalid:
		t.Invalid++
	case verdict.Imprecise:
		t.Imprecise++
	}
	t.Slowest = max(t.Slowest, e.M.Seconds)
	if t.Fastest == 0 || e.M.Seconds < t.Fastest {
		t.Fastest = e.M.Seconds
	}
	if e.M.Verdict == verdict.Imprecise {
		t.note(map[string]int{}, e.M.Reasons)
	} else {
		t.note(t.Reasons, e.M.Reasons)
	}
	t.note(t.Warnings, e.M.Warnings)
}

// addClock counts a block's clock.
func (t *Tally) addClock(b *devices.Block) {
	if len(b.Clock) == 0 {
		return
	}
	if t.Clock == nil {
		t.Clock = &stats.Clock{}
	}
	t.Clock.Add(b)
}

func (t *Tally) addSamples(disturbedBlocks, undisturbed, judged int) {
	t.DisturbedBlocks += disturbedBlocks
	t.undisturbed, t.judged = t.undisturbed+undisturbed, t.judged+judged
	t.UndisturbedShare = stats.Share(t.undisturbed, t.judged)
}

// Merge adds the counts of other networks. NoiseCV, Levels, Sentences and the extremes stay those of t.
func (t *Tally) Merge(o Tally) {
	t.Measured, t.Failed, t.Blocks = t.Measured+o.Measured, t.Failed+o.Failed, t.Blocks+o.Blocks
	t.Invalid, t.Imprecise = t.Invalid+o.Invalid, t.Imprecise+o.Imprecise
	for code, n := range o.Reasons {
		t.Reasons[code] += n
	}
	for code, n := range o.Warnings {
		t.Warnings[code] += n
	}
	t.addSamples(o.DisturbedBlocks, o.undisturbed, o.judged)
}

func (t *Tally) note(counts map[string]int, doubts []verdict.Doubt) {
	for i, d := range doubts {
		if slices.ContainsFunc(doubts[:i], func(o verdict.Doubt) bool { return o.Code == d.Code }) {
			continue // a network counts once for each code
		}
		counts[d.Code]++
		if _, ok := t.Sentences[d.Code]; !ok {
			t.Sentences[d.Code] = d.Text
		}
	}
}

// OpenFailures are the final failures, and the attempts on networks that are not measured
// yet: what there is to look at after a sweep was stopped.
func OpenFailures(ctx context.Context, st Reader, sweep string) ([]Failure, error) {
	measured := map[int]bool{}
	for n, err := range st.Networks(ctx, sweep) {
		if err != nil {
			return nil, err
		}
		measured[n.Index] = n.Status != Planned
	}
	failures := []Failure{}
	for f, err := range st.Failures(ctx, sweep) {
		if err != nil {
			return nil, err
		}
		if f.Final || !measured[f.Network] {
			failures = append(failures, f)
		}
	}
	return failures, nil
}
