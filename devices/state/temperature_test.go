package state

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/devices"
)

func TestZoneReading(t *testing.T) {
	for _, tt := range []struct {
		zone string
		n    float64
		want float64 // 0 = nil
		says string  // why it is not used; empty = nothing
	}{
		{"cpu-thermal", 95000, 95, ""},
		{"cpu-thermal", 95, 95, ""},
		{"cpu-thermal", 950, 95, ""},
		{"sunxi-therm", 65, 65, ""},                 // Allwinner, degrees
		{"tsens_tz_sensor0", 321, 32.1, ""},         // Pixel 1, tenths
		{"tsens_tz_sensor0", 34, 34, ""},            // Nexus 6P, degrees
		{"tsens_tz_sensor0", 34000, 34, ""},         // Pixel 3
		{"tsens_tz_sensor0", 1, 0, "no known unit"}, // UZ801, broken
		{"pm8994_tz", 35582, 35.582, ""},
		{"pa_therm0", 32, 32, ""},
		{"cpu", 45.2, 45.2, ""}, {"cpu", 0.095, 0, "no known unit"},
		{"xo-therm-adc", 31250, 31.25, ""},
		{"bms", 295, 29.5, ""},
		{"battery", 27400, 27.4, ""},
		{"battery", 274, 27.4, ""},
		{"battery", 310, 31, ""}, {"BAT0", 310, 31, ""},
		{"battery", 27, 27, ""},
		{"battery", 95, 0, "too hot for a battery"},
		{"mtktsbattery", 95000, 0, "too hot for a battery"},
		{"mtkts_bts1", 125000, 0, "not fitted"},
		{"pa-therm", 125, 0, "not fitted"},
		{"pa-therm", 1250, 0, "not fitted"},
		{"mtktscpu", 124900, 124.9, ""},
		{"mtktscpu", 130000, 0, "no known unit"},
		{"mtktscpu", 0, 0, ""}, {"mtktspa", -127000, 0, ""}, {"x", -40000, 0, ""}, {"x", -40, 0, ""}, {"x", -5700, 0, ""}, {"x", -274000, 0, ""},
		{"soc", 37, 0, "battery's charge"},
		{"soc", 100, 0, "battery's charge"},
		{"soc", 43000, 43, ""},
		{"soc0-thermal", 46968, 46.968, ""},
		{"soc-thermal", 37, 37, ""},
		{"vbat", 4123, 0, ""}, {"vbat", 4123000, 0, ""}, {"vbat_adc", 37, 0, ""}, {"pm8150b-vbat-lvl0", 41000, 0, ""}, {"ibat-high", 500, 0, ""}, {"ibat-vhigh", 25, 0, ""},
		{"pm8150b-ibat-lvl0", 31000, 0, ""}, {"pm7250b-bcl-lvl0", 50, 0, ""}, {"vph-lvl0", 38, 0, ""}, {"socd", 63, 0, ""}, {"lmh-dcvs-00", 75000, 0, ""},
		{"vdroop1", 11000, 0, ""}, {"soft_ocp_cpu2", 90000, 0, ""}, {"ocp_gpu", 12000, 0, ""}, {"smpl_gm", 30, 0, ""}, {"batoilo", 50, 0, ""}, {"battery_cycle", 60, 0, ""},
		{"PMIC-Die", 100000, 0, ""},
		{"pmic-die.x", 55000, 55, ""},
		{"vbatt_x", 4123, 0, "no known unit"},
		{"x", 9, 0, "no known unit"}, {"x", 1251, 0, "no known unit"}, {"x", 4999, 0, "no known unit"}, {"x", 200001, 0, ""}, {"x", math.MaxInt64, 0, ""},
	} {
		r := zoneReading(tt.zone, tt.n)
		got := 0.0
		if r.c != nil {
			got = *r.c
		}
		if got != tt.want || (tt.says == "") != (r.unclear == "") || !strings.Contains(r.unclear, tt.says) {
			t.Errorf("%s %v: %v, %q; want %v, %q", tt.zone, tt.n, got, r.unclear, tt.want, tt.says)
		}
	}
}

// A temperature printed in any of the three units is read as itself.
func TestUnitsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"cpu-thermal", "tsens_tz_sensor3", "mtktscpu", "pa_therm0", "BIG", "acpitz", "zone", "apex_0", "gpuss-0-usr"}).Draw(t, "zone")
		milli := rapid.Int64Range(12600, 124999).Draw(t, "millidegrees")
		for _, per := range []int64{1, 100, 1000} { // milli, tenths, degrees
			r := zoneReading(zone, float64(milli/per))
			if want := float64(milli/per*per) / 1000; r.c == nil || math.Abs(*r.c-want) > 1e-9 || r.unclear != "" {
				t.Fatalf("%s %d is %+v, want %v", zone, milli/per, r, want)
			}
		}
	})
}

// Whatever a sensor prints, a figure is never read as a temperature that no device at work has: it would
// open a gate.
func TestNoImpossibleTemperature(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.OneOf(rapid.SampledFrom([]string{"soc", "battery", "vbat", "cpu"}), rapid.String()).Draw(t, "zone")
		n := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-300000, 300000), rapid.Int64Range(-20, 2000)).Draw(t, "n")
		r := zoneReading(zone, float64(n))
		if r.c != nil && (*r.c < 5 || *r.c >= hottestC || r.unclear != "") {
			t.Fatalf("%q %d is %v, %q", zone, n, *r.c, r.unclear)
		}
	})
}

func TestHALUnits(t *testing.T) {
	text := "Current temperatures from HAL:\n" +
		"\tTemperature{mValue=38.4, mType=0, mName=CPU0, mStatus=0}\n\tTemperature{mValue=384.0, mType=0, mName=CPU1, mStatus=0}\n" +
		"\tTemperature{mValue=38400.0, mType=0, mName=CPU2, mStatus=0}\n\tTemperature{mValue=0.0384, mType=0, mName=CPU3, mStatus=0}\n" +
		"\tTemperature{mValue=125.0, mType=3, mName=skin, mStatus=0}\n\tTemperature{mValue=99.0, mType=2, mName=battery, mStatus=0}\n" +
		"\tTemperature{mValue=8.5, mType=18, mName=outside, mStatus=0}\n\tTemperature{mValue=4.0, mType=2, mName=vbat, mStatus=0}\n"
	var s devices.State
	thermalService(text, &s)
	want := map[string]*float64{
		"CPU0.cpu": new(38.4), "CPU1.cpu": new(38.4), "CPU2.cpu": new(38.4), "CPU3.cpu": nil, "skin.skin": nil, "battery.battery": nil, "outside.ambient": new(8.5), "vbat.battery": nil,
	}
	if diff := cmp.Diff(want, s.TemperaturesC); diff != "" {
		t.Error(diff)
	}
	if got := slices.Sorted(maps.Keys(s.UnclearTemperatures)); !slices.Equal(got, []string{"CPU3.cpu", "battery.battery", "skin.skin", "vbat.battery"}) {
		t.Errorf("unclear are %q", got)
	}
}

func TestBatteryUnits(t *testing.T) {
	for text, want := range map[string]*float64{
		"274": new(27.4), "95": new(9.5), "50": new(5.0), "27": new(27.0), "27400": new(27.4), "700": new(70.0),
		"0": nil, "-100": nil, "9": nil, "701": nil, "1250": nil, "99999": nil, "": nil, "warm": nil,
	} {
		if diff := cmp.Diff(want, batteryCelsius(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
