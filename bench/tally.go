package bench

import (
	"context"

	"latlab/bench/verdict"
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

	// Reasons and Warnings count INVALID and measured networks by code; one network may have several.
	Reasons  map[string]int `json:"-"`
	Warnings map[string]int `json:"-"`
	// Sentences has one example text for each code, from the first network that has it.
	Sentences map[string]string `json:"-"`
	// Fastest and Slowest are the extremes of the measured latencies in seconds; 0 without any.
	Fastest float64 `json:"-"`
	Slowest float64 `json:"-"`
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

func (t *Tally) note(counts map[string]int, doubts []verdict.Doubt) {
	for _, d := range doubts {
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
