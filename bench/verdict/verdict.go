package verdict

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"latlab/bench/stats"
	"latlab/devices"
)

// Codes of reasons: a measurement with any of them is INVALID, with ReasonPrecision alone IMPRECISE.
const (
	ReasonFewBlocks  = "few_blocks"          // fewer than the protocol's minimum
	ReasonDisturbed  = "disturbed"           // the same, because blocks are disturbed
	ReasonDelegation = "not_delegated"       // an accelerator left nodes to the CPU
	ReasonPrecision  = "precision"           // the interval is wider than the target
	ReasonStep       = "step"                // one block far from the others
	ReasonDrift      = "drift"               // times change along a block or over blocks
	ReasonThrottled  = "throttled"           // the clock was lowered
	ReasonCPUTime    = "cpu_time_below_wall" // the process waited for its core
	ReasonCore       = "core"                // blocks ran on cores of different kinds
	ReasonAffinity   = "affinity"            // not on the requested CPUs
	// Others are a device's own: the codes of devices.Block.Doubts.
)

// Codes of warnings.
const (
	WarnDelegation  = "partly_delegated"
	WarnDisturbed   = "disturbed_samples" // left out
	WarnSlow        = "slow_blocks"       // left out
	WarnOff         = "off_blocks"        // left out
	WarnSensor      = "no_temperature_sensor"
	WarnLoad        = "load_average"
	WarnSteal       = "steal"
	WarnQuota       = "cpu_quota" // a cgroup's limit stopped processes
	WarnTurbo       = "turbo"
	WarnBattery     = "battery"
	WarnBatteryLow  = "battery_low"
	WarnBatteryFake = "battery_faked"  // dumpsys battery set
	WarnThermal     = "thermal_status" // Android: light
	WarnCooling     = "cooling"        // a processor was slowed down, perhaps not the one in use
	WarnFrequency   = "frequency"
	WarnBimodal     = "bimodal"
	WarnTail        = "above_minimum"
	WarnSpread      = "unlike_others"
	WarnMixed       = "mixed_runs"
	WarnUnits       = "several_units" // twins ran some of the blocks
	WarnCPUBlock    = "cpu_time_of_a_block"
	WarnUnreachable = "confidence"
	WarnNoise       = "noise_poorly_known"
	WarnPooled      = "pooled_noise" // the noise of other networks makes the interval wide
	WarnDevice      = "device"       // reported by the device itself
)

// Thresholds of warnings. They decide only whether a figure is worth a line.
const (
	usualShare  = 0.95 // of samples are undisturbed; on an idle machine 0.97 to 0.99
	loadSlack   = 0.5  // load average above latlab's own threads
	stealShare  = 0.01 // of a block's time
	tailRatio   = 0.10 // median above the fastest sample
	gapRatio    = 0.10 // between two clusters of samples
	gapShare    = 0.20 // of samples in the smaller cluster
	unlikeLimit = 4    // pooled standard deviations that a step must exceed too
	coreLimit   = 0.90 // highest clock of one core over another's of the same kind, which turbo lets differ a little
	lowBattery  = 0.20 // Android's own low-battery mode, which lowers clocks, begins at 15 to 20 %
)

type evidence struct {
	in     Input
	blocks []*devices.Block
	values []float64
	own    stats.Noise
}

// used lists the samples that a block's value comes from: all of them where every block is disturbed.
func (e evidence) used(b *devices.Block) []float64 {
	if e.in.rule().Disturbed(b) {
		return b.Samples
	}
	return e.in.rule().Used(b)
}

func judge(m *Measurement, e evidence) {
	for _, check := range checksFor(e.in.Info) {
		check(m, e)
	}
	m.Verdict = Valid
	if len(m.Reasons) > 0 {
		m.Verdict = Invalid
	}
	if len(m.Reasons) == 1 && m.Reasons[0].Code == ReasonPrecision && m.Low != nil && m.High != nil {
		m.Verdict = Imprecise
	}
}

// checksFor lists the checks that apply to a device. A deterministic device has no spread, and
// the state of the machine on which a vendor's tool computes does not change the estimate.
func checksFor(info devices.Info) []func(*Measurement, evidence) {
	checks := []func(*Measurement, evidence){checkCount, checkPossible, checkDelegation, checkDoubts}
	if !info.Deterministic {
		checks = append(checks, checkPrecision, checkStep, checkDrift)
	}
	if info.Kind != devices.Estimated {
		checks = append(checks, checkThrottle, checkHeat, checkCPUTime, checkAffinity, checkCore, warnMachine, warnPower)
	}
	if !info.Deterministic {
		checks = append(checks, warnSamples, warnSpread)
	}
	return append(checks, warnMixed, warnUnits, warnDevice)
}

func (m *Measurement) invalid(code string, value, limit *float64, format string, args ...any) {
	m.Reasons = append(m.Reasons, newDoubt(code, value, limit, format, args))
}

// newDoubt leaves out figures that JSON has no words for: blocks of an older store may hold any.
func newDoubt(code string, value, limit *float64, format string, args []any) Doubt {
	number := func(x *float64) *float64 {
		if x == nil || math.IsInf(*x, 0) || math.IsNaN(*x) {
			return nil
		}
		return x
	}
	return Doubt{Code: code, Text: fmt.Sprintf(format, args...), Value: number(value), Limit: number(limit)}
}

func (m *Measurement) warn(code string, value, limit *float64, format string, args ...any) {
	m.Warnings = append(m.Warnings, newDoubt(code, value, limit, format, args))
}

func checkCount(m *Measurement, e evidence) {
	all, want := len(e.in.Blocks), e.in.Protocol.MinBlocks
	switch n := all - m.DisturbedBlocks - m.SlowBlocks - m.OffBlocks; {
	case n < want && m.SlowBlocks > 0 && m.SlowBlocks >= m.OffBlocks:
		worst, limit := e.lowestClock()
		m.invalid(ReasonThrottled, &worst, &limit, "%d of %d blocks ran at a clock below %.0f %% of the sweep's highest, the slowest at %.0f %%: it was throttled, or another core's",
			m.SlowBlocks, all, 100*limit, 100*worst)
	case n < want && m.DisturbedBlocks > 0 && m.DisturbedBlocks >= m.OffBlocks:
		m.invalid(ReasonDisturbed, new(float64(n)), new(float64(want)), "too few undisturbed samples in %d of %d blocks: something else used the core, or a CPU quota stopped it", m.DisturbedBlocks, all)
	case n < want && m.OffBlocks > 0:
		level, limit := e.farthestLevel(), e.in.Trend.Limit()
		m.invalid(ReasonDrift, &level, &limit, "too few usual blocks: in %d of %d all networks differ by up to %+.0f %% from most of the sweep, more than %.0f %%",
			m.OffBlocks, all, 100*level, 100*limit)
	case n < want:
		m.invalid(ReasonFewBlocks, new(float64(n)), new(float64(want)), "%d of at least %d blocks are done", n, want)
	}
}

// lowestClock is that of the network's blocks over the highest of the sweep's, and the limit.
func (e evidence) lowestClock() (share, limit float64) {
	share = 1
	for i := range e.in.Blocks {
		if c := stats.CoreClockOf(e.in.Info, &e.in.Blocks[i]); c.Hz > 0 {
			share = min(share, c.Hz/e.in.Clock.Hz)
		}
	}
	return share, e.in.Clock.SlowHz(e.in.Protocol.ClockMargin(e.in.Info)) / e.in.Clock.Hz
}

// farthestLevel is the relative level of the network's block that is farthest from most of the sweep's.
func (e evidence) farthestLevel() (level float64) {
	for i := range e.in.Blocks {
		if l := math.Expm1(e.in.Trend.Log(e.in.Blocks[i].Order)); math.Abs(l) > math.Abs(level) {
			level = l
		}
	}
	return level
}

// checkPossible: stores of older versions hold blocks that devices.Possible refuses today.
func checkPossible(m *Measurement, e evidence) {
	if e.in.Info.Harness == "" {
		return // not of a sweep
	}
	plan := e.in.Protocol.Plan(0)
	for i := range e.in.Blocks {
		if err := devices.Possible(e.in.Info, plan, &e.in.Blocks[i]); err != nil {
			m.invalid(devices.ReasonGarbage, nil, nil, "a block cannot be true: %v", err)
			return
		}
	}
}

// checkDelegation: a node that an accelerator leaves to the CPU makes the number that of a
// different machine, unless the protocol allows it. An accelerator that took no node at all is
// never allowed: the number is the CPU's. On a CPU the delegate is XNNPACK: a node that it
// leaves is slower, but still runs on the CPU.
func checkDelegation(m *Measurement, e evidence) {
	worst, found := devices.Delegation{}, false
	for _, b := range e.blocks {
		d := b.Delegation
		if d.Name == "" && !e.in.Info.Accelerator {
			continue // no delegate was requested
		}
		if d.Delegated < d.Nodes && (!found || d.Delegated*worst.Nodes < worst.Delegated*d.Nodes) {
			worst, found = d, true
		}
		if e.in.Info.Accelerator && d.Nodes == 0 && !found {
			worst, found = d, true // no proof that the accelerator ran anything
		}
	}
	if !found {
		return
	}
	share := 0.0
	if worst.Nodes > 0 {
		share = float64(worst.Delegated) / float64(worst.Nodes)
	}
	add, code := m.warn, WarnDelegation
	if e.in.Info.Accelerator && (!e.in.Protocol.AllowPartial || worst.Delegated == 0) {
		add, code = m.invalid, ReasonDelegation
	}
	add(code, &share, new(1.0), "%s", delegationText(worst))
}

func delegationText(d devices.Delegation) string {
	text := fmt.Sprintf("%s took %d of %d nodes, in %d partition", cmp.Or(d.Name, "the delegate"), d.Delegated, d.Nodes, d.Partitions)
	if d.Partitions != 1 {
		text += "s"
	}
	if len(d.Why) > 0 {
		text += ": " + strings.Join(d.Why, "; ")
	}
	return text
}

// checkDoubts adds the device's own doubts, each once.
func checkDoubts(m *Measurement, e evidence) {
	var seen []devices.Doubt
	for _, b := range e.blocks {
		for _, d := range b.Doubts {
			if !slices.Contains(seen, d) {
				seen = append(seen, d)
				m.invalid(d.Code, nil, nil, "%s", d.Text)
			}
		}
	}
}

func checkPrecision(m *Measurement, e evidence) {
	target := e.in.Protocol.HalfWidth
	switch h := m.HalfWidth(); {
	case len(e.values) < e.in.Protocol.MinBlocks:
	case math.IsInf(h, 1):
		m.invalid(ReasonPrecision, nil, &target, "%d blocks give no interval at confidence %g", len(e.values), e.in.Protocol.Confidence)
	case h > target:
		m.invalid(ReasonPrecision, &h, &target, "the interval is +-%.1f %% after %d blocks, the target +-%.1f %%", 100*h, len(e.values), 100*target)
	}
}

// checkStep compares the slowest block with the fastest. Three blocks allow no test of a change
// point, so the limit is generous. On a device where blocks of every network spread widely, the
// step must also stand out from the noise of the others; otherwise checkPrecision reports it.
func checkStep(m *Measurement, e evidence) {
	sorted := slices.Sorted(slices.Values(e.values))
	most := len(sorted) / 20 // of a reference network's many blocks, one in twenty at each end may be off
	ratio := sorted[len(sorted)-1-most]/sorted[most] - 1
	limit := e.in.Protocol.StepLimit
	if others := e.in.others(e.own); others.DF >= stats.FewDF {
		limit = max(limit, math.Expm1(unlikeLimit*others.SD()))
	}
	if ratio > limit {
		m.invalid(ReasonStep, &ratio, &limit, "the slowest block is %.0f %% above the fastest, more than %.0f %%", 100*ratio, 100*limit)
	}
}

// checkDrift looks within blocks (a device that heats up) and, from 6 blocks on, across them:
// three blocks are in monotone order by chance one time in three.
func checkDrift(m *Measurement, e evidence) {
	limit := e.in.Protocol.DriftLimit
	var within []float64
	for _, b := range e.blocks {
		if s := e.used(b); len(s) >= 10 {
			within = append(within, stats.Median(s[len(s)/2:])/stats.Median(s[:len(s)/2])-1)
		}
	}
	if len(within) > 0 {
		if d := stats.Median(within); math.Abs(d) > limit {
			m.invalid(ReasonDrift, &d, &limit, "samples change by %+.0f %% from the first to the second half of a block, more than %.0f %%", 100*d, 100*limit)
		}
	}
	if len(e.values) < stats.OrderBlocks {
		return
	}
	var logs []float64
	for _, v := range e.values {
		logs = append(logs, math.Log(v))
	}
	if d := math.Expm1(stats.TheilSen(logs) * float64(len(logs)-1)); math.Abs(d) > limit {
		m.invalid(ReasonDrift, &d, &limit, "blocks change by %+.0f %% from the first to the last, more than %.0f %%", 100*d, 100*limit)
	}
}

// checkThrottle relies on throttle counters, and on clocks if the governor does not lower them
// by itself. With another or an unknown governor a low clock is only a warning: it was read
// after the process had ended.
func checkThrottle(m *Measurement, e evidence) {
	var events int64
	top := map[string]float64{} // each CPU's highest clock
	for _, b := range e.blocks {
		if b.Before.ThrottleCount != nil && b.After.ThrottleCount != nil {
			events += max(0, *b.After.ThrottleCount-*b.Before.ThrottleCount)
		}
		for _, st := range []devices.State{b.Before, b.After} {
			for cpu, hz := range st.FrequenciesHz {
				if hz != nil {
					top[cpu] = max(top[cpu], *hz)
				}
			}
		}
	}
	if events > 0 {
		m.invalid(ReasonThrottled, new(float64(events)), new(0.0), "the throttle counter rose by %d during the blocks", events)
	}
	ratio, governor := 1.0, ""
	for _, b := range e.blocks {
		if stats.CoreClockOf(e.in.Info, b).Hz > 0 {
			continue // the clock was measured while the block ran
		}
		if r, ok := clockShare(b, top); ok && r < ratio {
			ratio, governor = r, b.After.Governor
		}
	}
	limit := e.in.Protocol.FrequencyLimit
	if ratio >= limit {
		return
	}
	add, code := m.warn, WarnFrequency
	if governor == "performance" || governor == "userspace" {
		add, code = m.invalid, ReasonThrottled
	}
	add(code, &ratio, &limit, "after a block the clock was at %.0f %% of the highest seen (governor %q)", 100*ratio, governor)
}

// clockShare is the clock after a block over its highest, of the least lowered CPU that the
// block might have used: the exact CPU is not known.
func clockShare(b *devices.Block, top map[string]float64) (share float64, ok bool) {
	for name, hz := range b.After.FrequenciesHz {
		if hz != nil && usesCPU(b, name) && top[name] > 0 {
			share, ok = max(share, *hz/top[name]), true
		}
	}
	return share, ok
}

// usesCPU accepts names like "cpu2" (sysfs) and "2" (some tools).
func usesCPU(b *devices.Block, name string) bool {
	return len(b.CPUs) == 0 || slices.ContainsFunc(b.CPUs, func(c int) bool {
		return name == fmt.Sprint(c) || name == fmt.Sprintf("cpu%d", c)
	})
}

func checkAffinity(m *Measurement, e evidence) {
	want := slices.Sorted(slices.Values(e.in.Info.CPUs))
	if len(want) == 0 {
		return
	}
	for _, b := range e.blocks {
		if got := slices.Sorted(slices.Values(b.CPUs)); !slices.Equal(got, want) {
			m.invalid(ReasonAffinity, nil, nil, "a block ran on CPUs %v, not on %v", got, want)
			return
		}
	}
}

// checkCore: one network's blocks on a big and on a little core are those of two devices. Of the cores only the
// highest clocks are known; a little core of an equal clock is not seen here.
func checkCore(m *Measurement, e evidence) {
	if e.in.Info.Accelerator {
		return
	}
	top := map[int]float64{} // of each core on which a block ran
	for _, b := range e.blocks {
		cpu, ok := mainCPU(b)
		for name, hz := range b.Before.MaxFrequencyHz {
			if ok && (name == fmt.Sprint(cpu) || name == fmt.Sprintf("cpu%d", cpu)) {
				top[cpu] = max(top[cpu], hz) // heat may lower it for a while
			}
		}
	}
	if len(top) < 2 {
		return
	}
	cpus := slices.SortedFunc(maps.Keys(top), func(a, b int) int { return cmp.Compare(top[a], top[b]) })
	little, big := cpus[0], cpus[len(cpus)-1]
	if ratio, limit := top[little]/top[big], float64(coreLimit); ratio < limit {
		m.invalid(ReasonCore, &ratio, &limit, "blocks ran on CPU %d and on CPU %d, which reaches %.0f %% of the other's clock, less than %.0f %%: choose one with --cpus",
			big, little, 100*ratio, 100*limit)
	}
}

// mainCPU is the core on which a block's clock was read most often.
func mainCPU(b *devices.Block) (cpu int, ok bool) {
	count := map[int]int{}
	for _, c := range b.Clock {
		if c.CPU >= 0 {
			count[c.CPU]++
		}
	}
	for _, c := range slices.Sorted(maps.Keys(count)) {
		if count[c] > count[cpu] || !ok {
			cpu, ok = c, true
		}
	}
	return cpu, ok
}

func isTrue(b *bool) bool { return b != nil && *b }

// warnPooled says that an interval is too wide because of the other networks: under the noise of its own
// blocks it would meet the target.
func warnPooled(m *Measurement, e evidence) {
	own, pooled := e.own.SD(), e.in.Pooled.SD()
	half := math.Log1p(m.HalfWidth())
	if m.Method != stats.PooledT || e.own.DF < 1 || math.Expm1(half) <= e.in.Protocol.HalfWidth || math.Expm1(half*own/pooled) > e.in.Protocol.HalfWidth {
		return
	}
	m.warn(WarnPooled, &pooled, &own, "the interval is wide because blocks of the sweep's networks spread by %.1f %%; those of this network spread by %.1f %%", 100*pooled, 100*own)
}
