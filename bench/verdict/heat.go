package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
)

// Thermal statuses of Android (android.os.PowerManager): from moderate on "the device is
// throttled moderately", light is "not noticeable by the user".
const (
	thermalLight    = 1
	thermalModerate = 2
)

var thermalNames = []string{"none", "light", "moderate", "severe", "critical", "emergency", "shutdown"}

// checkHeat relies on what devices report about themselves: Android's thermal status, the
// firmware of a Raspberry Pi, the kernel's clock limit, the EdgeTPU's driver.
func checkHeat(m *Measurement, e evidence) {
	checkThermalStatus(m, e)
	checkRaspberry(m, e)
	checkCap(m, e)
	checkCooling(m, e)
}

func checkThermalStatus(m *Measurement, e evidence) {
	worst := 0
	for _, b := range e.blocks {
		for _, s := range []*int{b.Before.ThermalStatus, b.After.ThermalStatus} {
			if s != nil {
				worst = max(worst, *s)
			}
		}
	}
	add, code := m.invalid, ReasonThrottled
	switch {
	case worst < thermalLight:
		return
	case worst < thermalModerate:
		add, code = m.warn, WarnThermal
	}
	name := "unknown"
	if worst < len(thermalNames) {
		name = thermalNames[worst]
	}
	add(code, new(float64(worst)), new(float64(thermalModerate)), "the device's thermal status was %d (%s): it slows itself down from %d (moderate) on", worst, name, thermalModerate)
}

// raspberryBits are the conditions of get_throttled (Raspberry Pi documentation, vcgencmd).
// The firmware lowers the clock in all of them. The same bits shifted by 16 mean "since boot".
var raspberryBits = []string{"under-voltage", "a capped clock", "throttling", "the soft temperature limit"}

const raspberrySince = 16

// checkRaspberry counts blocks with a condition at their start or end, or first seen since boot
// during them. A condition that comes and goes within a block, and had occurred before, is
// not visible.
func checkRaspberry(m *Measurement, e evidence) {
	blocks := 0
	seen := map[int]bool{}
	for _, b := range e.blocks {
		bits := raspberryDuring(b)
		if bits != 0 {
			blocks++
		}
		for i := range raspberryBits {
			if bits>>i&1 == 1 {
				seen[i] = true
			}
		}
	}
	if blocks == 0 {
		return
	}
	var names []string
	for _, i := range slices.Sorted(maps.Keys(seen)) {
		names = append(names, raspberryBits[i])
	}
	advice := "cool it"
	if seen[0] {
		advice = "its power supply or cable is too weak"
	}
	m.invalid(ReasonThrottled, new(float64(blocks)), new(0.0), "the Raspberry Pi's firmware reported %s in %d of %d blocks: %s", strings.Join(names, ", "), blocks, len(e.blocks), advice)
}

// raspberryNow are the bits of current conditions.
const raspberryNow = 1<<4 - 1

func raspberryDuring(b *devices.Block) uint32 {
	var bits uint32
	before, after := b.Before.RaspberryThrottled, b.After.RaspberryThrottled
	if before != nil {
		bits |= *before & raspberryNow
	}
	if after != nil {
		bits |= *after & raspberryNow
	}
	if before != nil && after != nil {
		bits |= (*after &^ *before) >> raspberrySince & raspberryNow
	}
	return bits
}

// checkCap looks at the highest clock that the kernel allowed before and after a block. No
// governor exceeds that limit, and during a sweep only heat lowers it.
func checkCap(m *Measurement, e evidence) {
	top := map[string]float64{}
	for _, b := range e.blocks {
		for _, st := range []devices.State{b.Before, b.After} {
			for cpu, hz := range st.MaxFrequencyHz {
				top[cpu] = max(top[cpu], hz)
			}
		}
	}
	ratio, limit := 1.0, e.in.Protocol.FrequencyLimit
	for _, b := range e.blocks {
		for _, allowed := range []map[string]float64{b.Before.MaxFrequencyHz, b.After.MaxFrequencyHz} {
			if r, ok := capShare(b, allowed, top); ok {
				ratio = min(ratio, r)
			}
		}
	}
	if ratio < limit {
		m.invalid(ReasonThrottled, &ratio, &limit, "during a block the kernel allowed %.0f %% of the clock that it allowed at other times", 100*ratio)
	}
}

// capShare is the share of its top clock left to the least limited CPU that the block might use.
func capShare(b *devices.Block, allowed, top map[string]float64) (share float64, ok bool) {
	for name, hz := range allowed {
		if usesCPU(b, name) && top[name] > 0 {
			share, ok = max(share, hz/top[name]), true
		}
	}
	return share, ok
}

// checkCooling looks for processors that were slowed down. A cooling device of the kernel does
// not say which CPUs it slows down, and its first step may be only 2 % of the clock, so this is
// a warning. The EdgeTPU's driver halves its clock at each step, so that one is a reason.
func checkCooling(m *Measurement, e evidence) {
	risen := map[string]int64{}
	var halved int64
	for _, b := range e.blocks {
		before := map[string]int64{}
		for _, c := range b.Before.Cooling {
			halved = max(halved, edgeTPUSteps(c))
			if c.Current != nil {
				before[c.Name] = *c.Current
			}
		}
		for _, c := range b.After.Cooling {
			halved = max(halved, edgeTPUSteps(c))
			if was, ok := before[c.Name]; ok && c.Current != nil && *c.Current > was && slowsProcessor(c) {
				name := fmt.Sprintf("%s (%s)", c.Name, c.Type)
				risen[name] = max(risen[name], *c.Current-was)
			}
		}
	}
	if halved > 0 && e.in.Info.Accelerator {
		m.invalid(ReasonThrottled, new(float64(halved)), new(0.0), "because of heat the EdgeTPU's driver ran its clock at 1/%d", 1<<min(halved, 62))
	}
	if len(risen) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(risen))
	m.warn(WarnCooling, new(float64(risen[names[0]])), new(0.0), "the kernel slowed a processor down during a block: %s", text.Few(names, 4))
}

func edgeTPUSteps(c devices.Cooling) int64 {
	if c.Type != devices.EdgeTPUClock || c.Current == nil {
		return 0
	}
	return *c.Current
}

// Throttled reports whether a device reports throttling at a moment, nil if it reports nothing:
// Android's thermal status from moderate on, any of the four current conditions of a Raspberry Pi's
// firmware, or the EdgeTPU's driver halving its clock. Other cooling devices of a kernel may belong
// to other processors.
func Throttled(s *devices.State) *bool {
	var known, slow bool
	if t := s.ThermalStatus; t != nil {
		known, slow = true, *t >= thermalModerate
	}
	if r := s.RaspberryThrottled; r != nil {
		known, slow = true, slow || *r&raspberryNow != 0
	}
	for _, c := range s.Cooling {
		if c.Type == devices.EdgeTPUClock && c.Current != nil {
			known, slow = true, slow || *c.Current > 0
		}
	}
	if !known {
		return nil
	}
	return &slow
}

// processorWords are prefixes of the types of cooling devices that slow a processor down: the
// kernel's cpufreq, devfreq and ACPI ones, Qualcomm's, and those of Android's thermal HAL.
var processorWords = []string{
	"thermal-cpufreq", "cpufreq", "thermal-devfreq", "devfreq", "thermal-cpu", "thermal-gpu", "Processor",
	"intel_powerclamp", "cpu", "gpu", "npu", "tpu",
}

func slowsProcessor(c devices.Cooling) bool {
	return slices.ContainsFunc(processorWords, func(w string) bool {
		return strings.HasPrefix(c.Type, w) || c.Type != "fan" && strings.HasPrefix(c.Name, w)
	})
}

// warnPower checks the batteries of phones.
func warnPower(m *Measurement, e evidence) {
	lowest, faked := 1.0, false
	for _, b := range e.blocks {
		for _, battery := range []*devices.Battery{b.Before.Battery, b.After.Battery} {
			if battery == nil {
				continue
			}
			faked = faked || battery.Faked
			if battery.Level != nil {
				lowest = min(lowest, *battery.Level)
			}
		}
	}
	if limit := lowBattery; lowest < limit {
		m.warn(WarnBatteryLow, &lowest, &limit, "the battery was at %.0f %%: charge the phone, many slow down below %.0f %%", 100*lowest, 100*limit)
	}
	if faked {
		m.warn(WarnBatteryFake, nil, nil, "the battery's figures were set by hand: type `adb shell dumpsys battery reset`")
	}
}
