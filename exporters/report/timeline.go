package report

import (
	"maps"
	"math"
	"slices"
	"time"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters"
)

// maxMoments limits a timeline. Only moments with a block are kept, so a pause of days in a sweep
// does not reduce the resolution.
const maxMoments = 600

// timeline gathers blocks that come by network, not by time, without knowing how long the
// sweep took: when there are too many moments their width doubles.
type timeline struct {
	rule    stats.Rule
	clock   float64 // share of the highest clock below which a block counts as throttled
	width   time.Duration
	moments map[int64]*Moment // by start over width
}

func newTimeline(m bench.Sweep) *timeline {
	return &timeline{rule: m.Rule(), clock: m.Protocol.FrequencyLimit, width: time.Millisecond, moments: map[int64]*Moment{}}
}

func (t *timeline) add(r exporters.Row) {
	if r.M == nil {
		return
	}
	slow := t.slowedDown(r)
	for i := range r.Blocks {
		b := &r.Blocks[i]
		seconds, _, used := t.rule.Seconds(b)
		timed := used
		if !used { // a disturbed block is shown with the time that it took
			if _, values, _ := t.rule.Timed(r.Blocks[i : i+1]); len(values) > 0 {
				seconds, timed = values[0], true
			}
		}
		if !timed || b.Started.IsZero() {
			continue
		}
		m := momentOf(b, seconds/r.M.Seconds)
		m.sumLevel = math.Exp(r.M.Rule.Trend.Log(b.Order))
		m.Invalid, m.Throttled, m.Disturbed = one(r.M.Verdict == verdict.Invalid && used), one(slow[i]), one(!used)
		t.moment(b.Started).merge(m)
		if len(t.moments) > maxMoments {
			t.widen()
		}
	}
}

func (t *timeline) moment(at time.Time) *Moment {
	k := at.UnixNano() / int64(t.width)
	m := t.moments[k]
	if m == nil {
		m = &Moment{Start: time.Unix(0, k*int64(t.width)).UTC()}
		t.moments[k] = m
	}
	return m
}

func (t *timeline) widen() {
	was := t.moments
	for len(was) > maxMoments/2 && len(t.moments) > maxMoments/2 {
		t.width *= 2
		t.moments = map[int64]*Moment{}
		for _, m := range was {
			t.moment(m.Start).merge(*m)
		}
	}
}

func (t *timeline) timeline() Timeline {
	var line Timeline
	for _, k := range slices.Sorted(maps.Keys(t.moments)) {
		m := *t.moments[k]
		n := m.Blocks - m.Disturbed
		if m.Unused() {
			n = m.Blocks
		}
		m.MeanRatio = m.sumRatio / float64(n)
		m.MeanLevel = m.sumLevel / float64(m.Blocks)
		m.MeanHz = m.sumHz / float64(max(m.Clock.Blocks, 1))
		if m.temperatures > 0 {
			m.MeanC = new(m.sumTemperature / float64(m.temperatures))
		}
		line.Moments = append(line.Moments, m)
	}
	return line
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func momentOf(b *devices.Block, ratio float64) Moment {
	m := Moment{Blocks: 1, sumRatio: ratio, MinRatio: ratio, MaxRatio: ratio}
	m.Clock.Add(b)
	m.sumHz = m.Clock.LowHz
	for _, c := range []*float64{b.Before.HottestC(), b.After.HottestC()} {
		if c != nil {
			m.temperatures++
			m.sumTemperature += *c
			m.MaxC, m.CoolestC = exporters.Higher(m.MaxC, c), lower(m.CoolestC, c)
		}
	}
	return m
}

func (m *Moment) merge(o Moment) {
	m.mergeRatios(o)
	m.Blocks += o.Blocks
	m.Invalid += o.Invalid
	m.Throttled += o.Throttled
	m.Disturbed += o.Disturbed
	m.Clock.Merge(o.Clock)
	m.sumHz += o.sumHz
	m.sumLevel += o.sumLevel
	m.temperatures += o.temperatures
	m.sumTemperature += o.sumTemperature
	m.MaxC, m.CoolestC = exporters.Higher(m.MaxC, o.MaxC), lower(m.CoolestC, o.CoolestC)
}

// mergeRatios prefers blocks that are used in estimates.
func (m *Moment) mergeRatios(o Moment) {
	switch {
	case m.Blocks == 0, m.Unused() && !o.Unused():
		m.sumRatio, m.MinRatio, m.MaxRatio = o.sumRatio, o.MinRatio, o.MaxRatio
	case m.Unused() || !o.Unused():
		m.sumRatio += o.sumRatio
		m.MinRatio, m.MaxRatio = min(m.MinRatio, o.MinRatio), max(m.MaxRatio, o.MaxRatio)
	}
}

// Unused reports whether all blocks are disturbed; the ratios are then theirs, otherwise those of the others.
func (m *Moment) Unused() bool { return m.Blocks == m.Disturbed }

func lower(a, b *float64) *float64 {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

// slowedDown returns which blocks of a network were throttled: reported by the device at the
// block's start or end or, if the verdict has throttled, shown by a lower clock. The verdict is
// checked because under most governors a low clock after a block means nothing.
func (t *timeline) slowedDown(r exporters.Row) []bool {
	slow := make([]bool, len(r.Blocks))
	fell := slices.ContainsFunc(r.M.Reasons, func(d verdict.Doubt) bool { return d.Code == verdict.ReasonThrottled })
	top := map[string]float64{}
	for i := range r.Blocks {
		for _, st := range []*devices.State{&r.Blocks[i].Before, &r.Blocks[i].After} {
			for cpu, hz := range st.FrequenciesHz {
				if hz != nil {
					top[cpu] = max(top[cpu], *hz)
				}
			}
		}
	}
	for i := range r.Blocks {
		slow[i] = throttled(&r.Blocks[i]) || fell && lowClock(r.Blocks[i].After, top, t.clock)
	}
	return slow
}

// lowClock: every clock is below its share of the highest.
func lowClock(st devices.State, top map[string]float64, limit float64) bool {
	low := false
	for cpu, hz := range st.FrequenciesHz {
		if hz == nil {
			continue
		}
		if *hz >= limit*top[cpu] {
			return false
		}
		low = true
	}
	return low
}

// throttled is the part of bench's verdict that one block can show: what the device reported at
// the block's start and end.
func throttled(b *devices.Block) bool {
	for _, s := range []*devices.State{&b.Before, &b.After} {
		if t := verdict.Throttled(s); t != nil && *t {
			return true
		}
	}
	was, is := b.Before.ThrottleCount, b.After.ThrottleCount
	return was != nil && is != nil && *is > *was
}
