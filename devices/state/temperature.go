package state

import (
	"regexp"
	"strconv"
	"strings"

	"latlab/devices"
)

// Temperatures come in three units. The kernel's documentation says millidegrees
// (Documentation/ABI/testing/sysfs-class-thermal), and vendors' kernels do as they like: Allwinner's
// and older Qualcomm thermistors are in degrees, the Pixel 1's tsens_tz_sensor* and the fuel gauges of
// Qualcomm's old kernels ("bms") in tenths.
//
// The ranges of the three do not overlap where a device can be at work in a lab, so a figure has one
// unit or none. Degrees and tenths meet at 95, which is 95 or 9.5 C: it is read as the hotter one,
// which keeps a gate closed. What is between the ranges is no temperature in any unit and stays
// unknown. That also holds for hottestC itself: it is the end of the tables of Qualcomm's and
// MediaTek's thermistors, which a pin without a sensor reports for ever ("mtkts_bts1 125000").
//
// Sources: AOSP, build-tools of the Pixel 1 (a multiplier of 10); longsleep/build-pine64-image, issue
// 21, and GuillaumeGomez/sysinfo, issue 1204 (degrees); jxlarrea/kiosk-satellite, issue 654 (125000).
const (
	// hottestC is more than any chip at work has: they switch themselves off below.
	hottestC      = 125
	coldestC      = 10           // of what is in degrees; a lab is not colder
	coldestTenths = hottestC + 1 // 12.6 C; up to hottestC it is degrees
	coldestMilli  = 5000
	hottestMilli  = 1000 * hottestC
	// hottestBatteryC: above, a battery burns; the figure is in tenths, or means something else.
	hottestBatteryC = 70
	// coldestHAL is of Android's thermal HAL, whose figures are in degrees by contract.
	coldestHAL = 5
)

// notTemperature matches the zones of vendors' kernels that are no temperatures whatever their figure
// is: Qualcomm's battery current limits (vbat, ibat-high, vph, bcl-lvl0, socd) and the trip points of
// its limits hardware (lmh-dcvs-00, constantly 75000), the Pixels' power monitors (vdroop1,
// soft_ocp_cpu2, smpl_gm, batoilo, pmic_120c) and the count of their battery's cycles.
var notTemperature = regexp.MustCompile(`(?i)(^|[^a-z])(vbat|ibat|vph|bcl|socd|lmh|vdroop|ocp|smpl|batoilo|isense)([^a-z]|$)|` +
	`^pmic[_-](120c|140c|overheat)|battery[_-]?cycle|voltage|current`)

// battery zones: "battery", "mtktsbattery", "batt_therm", "BAT0", "bms".
var batteryZone = regexp.MustCompile(`(?i)batt|^bat[0-9]*$|^bms$`)

// reading is what a sensor's figure means.
type reading struct {
	c *float64 // degrees Celsius, nil if it is switched off, not fitted or not a temperature
	// unclear says why a figure that could be a temperature is not used.
	unclear string
}

// zoneReading decides what the figure of a zone of this type is. Exactly 0 and figures below are those
// of a zone that is switched off or not fitted (0, -5700, -40000, -127000, absolute zero): a device at
// work is not below freezing.
func zoneReading(zone string, v float64) reading {
	lower := strings.ToLower(zone)
	switch {
	case v <= 0, notTemperature.MatchString(zone):
		return reading{}
	case v == 1000*pmicConstant && strings.HasPrefix(lower, "pmic-die"):
		return reading{}
	case lower == "soc" && v <= 100:
		// Qualcomm's "state of charge"; other vendors' "system on chip" is in millidegrees.
		return reading{unclear: figure(v) + " may be the battery's charge"}
	}
	r := inUnit(v, coldestC)
	if batteryZone.MatchString(zone) {
		return r.ofBattery(v)
	}
	return r
}

// ofBattery is the reading of a battery's sensor, whose figure is v.
func (r reading) ofBattery(v float64) reading {
	if r.c != nil && *r.c > hottestBatteryC {
		return reading{unclear: figure(v) + " is too hot for a battery, and too cold in a smaller unit"}
	}
	return r
}

func figure(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// inUnit finds the unit in which a figure is a temperature. coldest is the lowest in degrees.
func inUnit(v, coldest float64) reading {
	degrees := func(c float64) reading { return reading{c: &c} }
	switch {
	case !(v > 0): // also NaN
		return reading{}
	case v >= coldest && v < hottestC:
		return degrees(v)
	case v >= coldestTenths && v < 10*hottestC:
		return degrees(v / 10)
	case v >= coldestMilli && v < hottestMilli:
		return degrees(v / 1e3)
	case v > mostUnclear:
		return reading{}
	}
	if v == hottestC || v == 10*hottestC || v == hottestMilli {
		return reading{unclear: figure(v) + " is what a sensor that is not fitted reports"}
	}
	return reading{unclear: figure(v) + " is in no known unit a temperature of a device at work"}
}

// mostUnclear: a figure above it was never meant as a temperature, and is not mentioned.
const mostUnclear = 200e3

// putReading adds a sensor to a state.
func putReading(s *devices.State, name string, r reading) {
	put(&s.TemperaturesC, name, r.c)
	if r.unclear != "" {
		if s.UnclearTemperatures == nil {
			s.UnclearTemperatures = map[string]string{}
		}
		s.UnclearTemperatures[name] = r.unclear
	}
}
