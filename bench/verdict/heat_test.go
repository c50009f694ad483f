package verdict

import (
	"strings"
	"testing"

	"latlab/devices"
)

func TestHeat(t *testing.T) {
	cooling := func(name, kind string, from, to int64) func(in *Input) {
		return func(in *Input) {
			in.Blocks[1].Before.Cooling = []devices.Cooling{{Name: name, Type: kind, Current: &from, Max: new(int64(9))}}
			in.Blocks[1].After.Cooling = []devices.Cooling{{Name: name, Type: kind, Current: &to, Max: new(int64(9))}}
		}
	}
	accelerator := func(change func(in *Input)) func(in *Input) {
		return func(in *Input) { in.Info.Accelerator = true; change(in) }
	}
	status := func(before, after int) func(in *Input) {
		return func(in *Input) {
			in.Blocks[2].Before.ThermalStatus, in.Blocks[2].After.ThermalStatus = &before, &after
		}
	}
	flags := func(before, after uint32) func(in *Input) {
		return func(in *Input) {
			in.Blocks[0].Before.RaspberryThrottled, in.Blocks[0].After.RaspberryThrottled = &before, &after
		}
	}
	capped := func(to map[string]float64) func(in *Input) {
		return func(in *Input) {
			in.each(func(b *devices.Block) {
				b.Before.MaxFrequencyHz = map[string]float64{"1": 2e9, "2": 1e9, "3": 3e9}
				b.After.MaxFrequencyHz = b.Before.MaxFrequencyHz
			})
			in.Blocks[1].After.MaxFrequencyHz = to
		}
	}
	level := func(v float64) func(in *Input) {
		return func(in *Input) { in.Blocks[1].After.Battery = &devices.Battery{Level: &v} }
	}
	for name, tc := range map[string]struct {
		change            func(in *Input)
		reasons, warnings string
		text              string // of the one doubt
		value             float64
	}{
		"thermal status none":                        {status(0, 0), "", "", "", 0},
		"thermal status light":                       {status(0, 1), "", "thermal_status", "was 1 (light)", 1},
		"thermal status moderate before":             {status(2, 0), "throttled", "", "was 2 (moderate)", 2},
		"thermal status severe after":                {status(1, 3), "throttled", "", "was 3 (severe)", 3},
		"a status of the future":                     {status(0, 7), "throttled", "", "was 7 (unknown)", 7},
		"a Pi without conditions":                    {flags(0, 0), "", "", "", 0},
		"a Pi with conditions only before the sweep": {flags(0xf0000, 0xf0000), "", "", "", 0},
		"a Pi under voltage":                         {flags(0x50005, 0x50000), "throttled", "", "reported under-voltage, throttling in 1 of 3 blocks: its power supply or cable is too weak", 1},
		"a Pi that got hot meanwhile":                {flags(0x10000, 0x90000), "throttled", "", "reported the soft temperature limit in 1 of 3 blocks: cool it", 1},
		"a Pi at its limit afterwards":               {flags(0, 0x80008), "throttled", "", "the soft temperature limit", 1},
		"a Pi read only once": {func(in *Input) {
			in.Blocks[0].After.RaspberryThrottled = new(uint32(0x50000))
		}, "", "", "", 0},
		"the allowed clock falls":               {capped(map[string]float64{"1": 1e9, "2": 5e8, "3": 3e9}), "throttled", "", "allowed 50 % of the clock", 0.5},
		"it falls elsewhere":                    {capped(map[string]float64{"1": 2e9, "2": 5e8, "3": 1e9}), "", "", "", 0},
		"no limit is reported":                  {capped(nil), "", "", "", 0},
		"cpufreq cools":                         {cooling("cooling_device2", "thermal-cpufreq-0", 0, 3), "", "cooling", "cooling_device2 (thermal-cpufreq-0)", 3},
		"a HAL's cooling device":                {cooling("tpu_cooling", "npu", 1, 2), "", "cooling", "tpu_cooling (npu)", 1},
		"it cools less":                         {cooling("cooling_device2", "Processor", 3, 1), "", "", "", 0},
		"a fan turns faster":                    {cooling("cooling_device0", "pwm-fan", 0, 4), "", "", "", 0},
		"a display dims":                        {cooling("panel", "display", 0, 4), "", "", "", 0},
		"an EdgeTPU's clock":                    {accelerator(cooling("apex_0", devices.EdgeTPUClock, 0, 1)), "throttled", "", "ran its clock at 1/2", 1},
		"an EdgeTPU's clock all the time":       {accelerator(cooling("apex_0", devices.EdgeTPUClock, 2, 2)), "throttled", "", "ran its clock at 1/4", 2},
		"an EdgeTPU beside a CPU":               {cooling("apex_0", devices.EdgeTPUClock, 2, 2), "", "", "", 0},
		"a low battery":                         {level(0.19), "", "battery_low", "at 19 %", 0.19},
		"a battery at the limit":                {level(0.20), "", "", "", 0},
		"a faked battery":                       {func(in *Input) { in.Blocks[0].Before.Battery = &devices.Battery{Faked: true} }, "", "battery_faked", "dumpsys battery reset", 0},
		"screen and airplane mode are recorded": {func(in *Input) { in.Blocks[0].Before.ScreenOn, in.Blocks[0].After.AirplaneMode = new(true), new(false) }, "", "", "", 0},
		"a hot machine under an estimator": {func(in *Input) {
			status(3, 3)(in)
			flags(15, 15)(in)
			level(0.01)(in)
			in.Info.Kind, in.Info.Deterministic = devices.Estimated, true
		}, "", "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			in := goodInput()
			tc.change(&in)
			m, ok := Measure(in)
			if !ok || codes(m.Reasons) != tc.reasons || codes(m.Warnings) != tc.warnings {
				t.Fatalf("reasons %q, want %q; warnings %q, want %q: %+v %+v", codes(m.Reasons), tc.reasons, codes(m.Warnings), tc.warnings, m.Reasons, m.Warnings)
			}
			for _, d := range append(m.Reasons, m.Warnings...) {
				if !strings.Contains(d.Text, tc.text) || tc.value != 0 && (d.Value == nil || *d.Value != tc.value) {
					t.Errorf("doubt %+v, want %q with %v", d, tc.text, tc.value)
				}
			}
			if (m.Verdict == Valid) != (tc.reasons == "") {
				t.Errorf("verdict %s", m.Verdict)
			}
		})
	}
}
