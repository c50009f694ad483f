package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"latlab/bench/stats"
	"latlab/devices"
)

// warnMachine reports the worst of every figure over the blocks.
func warnMachine(m *Measurement, e evidence) {
	var load, steal, stops, stopped float64
	sensor, turbo, battery := false, false, false
	for _, b := range e.blocks {
		if l := b.Before.LoadAverage; l != nil {
			load = max(load, *l)
		}
		if s, t := b.Before.StealSeconds, b.After.StealSeconds; s != nil && t != nil && b.Elapsed > 0 {
			steal = max(steal, (*t-*s)/b.Elapsed)
		}
		if n := risen(b.Before.QuotaStops, b.After.QuotaStops); n > 0 {
			stops, stopped = stops+n, stopped+risen(b.Before.QuotaSeconds, b.After.QuotaSeconds)
		}
		sensor = sensor || b.Before.HottestC() != nil || b.After.HottestC() != nil
		turbo = turbo || isTrue(b.Before.Turbo) || isTrue(b.After.Turbo)
		battery = battery || isTrue(b.Before.OnBattery) || isTrue(b.After.OnBattery)
	}
	if s, limit := m.UndisturbedShare, float64(usualShare); s != nil && *s < limit {
		left := ", which are left out"
		if m.Estimator != stats.MedianOfUndisturbed { // a percentile of all samples, or no block has enough others
			left = ""
		}
		m.warn(WarnDisturbed, s, &limit, "other work disturbed %.0f %% of the samples%s", 100*(1-*s), left)
	}
	if n := float64(m.SlowBlocks); n > 0 && m.Rule.SlowHz > 0 {
		m.warn(WarnSlow, &n, new(0.0), "%d of %d blocks ran at a low clock and are left out", m.SlowBlocks, len(e.in.Blocks))
	}
	if n := float64(m.OffBlocks); n > 0 {
		m.warn(WarnOff, &n, new(0.0), "blocks left out: %d of %d, because all networks were slower or faster at that time", m.OffBlocks, len(e.in.Blocks))
	}
	if e.in.Info.Kind == devices.Measured && !sensor {
		m.warn(WarnSensor, nil, nil, "no temperature sensor could be read, so heat cannot be detected")
	}
	if limit := float64(max(1, e.in.Info.Threads)) + loadSlack; load > limit {
		m.warn(WarnLoad, &load, &limit, "the load average before a block was %.1f: stop other work on the device", load)
	}
	if limit := stealShare; steal > limit {
		m.warn(WarnSteal, &steal, &limit, "the hypervisor took %.1f %% of a block's time", 100*steal)
	}
	if stops > 0 {
		m.warn(WarnQuota, &stopped, new(0.0), "a CPU quota stopped processes %.0f times during the blocks, for %.2f s: raise the quota of the container", stops, stopped)
	}
	if turbo {
		m.warn(WarnTurbo, nil, nil, "turbo is on: the clock depends on heat and on other cores")
	}
	if battery {
		m.warn(WarnBattery, nil, nil, "the device runs on battery")
	}
}

// risen is by how much a counter rose, 0 if it is unknown or was set back.
func risen(before, after *float64) float64 {
	if before == nil || after == nil {
		return 0
	}
	return max(0, *after-*before)
}

// warnSamples reports the block that looks worst.
func warnSamples(m *Measurement, e evidence) {
	var tail, gap float64
	for _, b := range e.blocks {
		s := slices.Clone(e.used(b))
		if len(s) < 5 {
			continue
		}
		slices.Sort(s)
		tail = max(tail, stats.Median(s)/s[0]-1)
		gap = max(gap, clusterGap(s))
	}
	if limit := tailRatio; tail > limit {
		m.warn(WarnTail, &tail, &limit, "in one block the median is %.0f %% above the fastest run", 100*tail)
	}
	if limit := gapRatio; gap > limit {
		m.warn(WarnBimodal, &gap, &limit, "in one block samples form two groups, %.0f %% apart", 100*gap)
	}
}

// clusterGap is the widest relative gap between neighbours of sorted samples that leaves at
// least a fifth of them on either side.
func clusterGap(s []float64) float64 {
	edge := max(1, int(math.Ceil(gapShare*float64(len(s)))))
	var gap float64
	for i := edge; i <= len(s)-edge; i++ {
		gap = max(gap, s[i]/s[i-1]-1)
	}
	return gap
}

func warnSpread(m *Measurement, e evidence) {
	if stats.IsAlone(e.own, e.in.Pooled, e.in.LeftOut) {
		own, sd := e.own.SD(), e.in.others(e.own).SD()
		m.warn(WarnSpread, &own, &sd, "blocks of this network spread by %.1f %%, those of the others by %.1f %%", 100*own, 100*sd)
	}
	df := e.in.Pooled.DF
	if m.Method == stats.OwnT {
		df = e.own.DF
	}
	if m.Method != stats.OrderStatistics && df < stats.FewDF {
		m.warn(WarnNoise, new(float64(df)), new(float64(stats.FewDF)), "the interval rests on %d blocks and %d degrees of freedom", m.Blocks, df)
	}
	warnPooled(m, e)
	if m.Confidence > 0 && m.Confidence < e.in.Protocol.Confidence {
		m.warn(WarnUnreachable, new(m.Confidence), new(e.in.Protocol.Confidence), "the interval has confidence %.3f only", m.Confidence)
	}
}

func warnMixed(m *Measurement, e evidence) {
	for _, b := range e.blocks {
		if b.Runtime != m.Runtime || b.ModelSHA256 != m.ModelSHA256 {
			m.warn(WarnMixed, nil, nil, "blocks were run by %s and %s, or on different model bytes", b.Runtime, m.Runtime)
			return
		}
	}
}

// warnUnits: two units of a model differ by a few per cent, which the interval does not know.
func warnUnits(m *Measurement, e evidence) {
	var units []string
	n := map[string]int{}
	for _, b := range e.blocks {
		unit := cmp.Or(b.Unit, e.in.Info.Name)
		if n[unit]++; n[unit] == 1 {
			units = append(units, unit)
		}
	}
	if len(units) < 2 {
		return
	}
	for i, u := range units {
		units[i] = fmt.Sprintf("%d on %s", n[u], u)
	}
	m.warn(WarnUnits, nil, nil, "blocks were run by twins: %s", strings.Join(units, ", "))
}

func warnDevice(m *Measurement, e evidence) {
	var seen []string
	for _, b := range e.blocks {
		for _, w := range b.Warnings {
			if !slices.Contains(seen, w) {
				seen = append(seen, w)
				m.warn(WarnDevice, nil, nil, "%s", w)
			}
		}
	}
}
