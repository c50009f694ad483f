package state

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"latlab/devices"
)

// temperatureTypes are the sensors of Android's thermal HAL by number (hardware/interfaces,
// thermal/aidl, TemperatureType). 6 to 8 are a battery's volts, amperes and per cent, and -1
// may be anything: they are no temperatures, so they have no name here.
var temperatureTypes = map[int]string{
	0: "cpu", 1: "gpu", 2: "battery", 3: "skin", 4: "usb", 5: "power_amplifier", 9: "npu", 10: "tpu", 11: "display",
	12: "modem", 13: "soc", 14: "wifi", 15: "camera", 16: "flashlight", 17: "speaker", 18: "ambient", 19: "pogo",
}

// coolingTypes are those of CoolingType, same folder.
var coolingTypes = map[int]string{
	0: "fan", 1: "battery", 2: "cpu", 3: "gpu", 4: "modem", 5: "npu", 6: "component", 7: "tpu", 8: "power_amplifier",
	9: "display", 10: "speaker", 11: "wifi", 12: "camera", 13: "flashlight", 14: "usb",
}

// maxStatus is the highest thermal status, shutdown (android.os.PowerManager).
const maxStatus = 6

// thermalService parses `dumpsys thermalservice`. It uses only the present values of the HAL,
// because the service's cache may be hours old. The output of a HAL that is not ready has no
// such part. A sensor that is not fitted reports 0.0, one that cannot be read NaN: both become
// nil. The HAL's figures are degrees; those of a wrong multiplier in a vendor's configuration are
// read as zoneReading reads a kernel's.
//
// If somebody set a status by hand (`cmd thermalservice override-status`), it is replaced by
// what the service would report itself, the worst of the skin's sensors
// (ThermalManagerService.onTemperatureMapChangedLocked).
func thermalService(text string, s *devices.State) {
	section, typed := "", false
	var skin *int
	for line := range strings.SplitSeq(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if status, ok := strings.CutPrefix(trimmed, "Thermal Status:"); ok {
			if n, err := strconv.Atoi(strings.TrimSpace(status)); err == nil && n >= 0 && n <= maxStatus {
				s.ThermalStatus = &n
			}
			continue
		}
		switch {
		case trimmed == "IsStatusOverride: true":
			typed = true
		case strings.HasPrefix(trimmed, "Temperature{") && section == "Current temperatures from HAL:":
			skin = worseSkin(skin, trimmed)
			halTemperature(trimmed, s)
		case strings.HasPrefix(trimmed, "CoolingDevice{") && section == "Current cooling devices from HAL:":
			halCooling(trimmed, s)
		case strings.HasSuffix(trimmed, ":"):
			section = trimmed
		}
	}
	if typed {
		s.ThermalStatus = skin
	}
}

const (
	batteryType = 2
	skinType    = 3
	// mostUnclearHAL: a figure above it was never meant as a temperature, and is not mentioned.
	mostUnclearHAL = 200
)

// worseSkin returns the worse of a status and a line's, if the line is about the phone's skin.
func worseSkin(worst *int, line string) *int {
	v, ok := halFields(line)
	if !ok || v.kind != skinType || v.status < 0 || v.status > maxStatus || worst != nil && *worst >= v.status {
		return worst
	}
	return &v.status
}

func halTemperature(line string, s *devices.State) {
	v, ok := halFields(line)
	word := temperatureTypes[v.kind]
	if !ok || word == "" || v.name == "" || len(s.TemperaturesC) >= maxSensors {
		return
	}
	r := inUnit(v.value, coldestHAL)
	if v.kind == batteryType {
		r = r.ofBattery(v.value)
	}
	if v.value > mostUnclearHAL {
		r.unclear = ""
	}
	putReading(s, v.name+"."+word, r)
}

func halCooling(line string, s *devices.State) {
	v, ok := halFields(line)
	if !ok || v.name == "" || len(s.Cooling) >= 2*maxSensors {
		return
	}
	c := devices.Cooling{Name: v.name, Type: cmp.Or(coolingTypes[v.kind], "type "+strconv.Itoa(v.kind))}
	if v.value >= 0 && v.value == math.Trunc(v.value) && v.value < 1e12 {
		c.Current = new(int64(v.value))
	}
	s.Cooling = append(s.Cooling, c)
}

type halValue struct {
	value  float64
	kind   int
	name   string
	status int // -1 if there is none
}

// halFields parses "Temperature{mValue=25.6, mType=0, mName=AP, mStatus=0}". The fields may
// come in any order and with others among them; a value and a type are required.
func halFields(line string) (halValue, bool) {
	_, inner, _ := strings.Cut(line, "{")
	inner, _, closed := strings.Cut(inner, "}")
	fields := map[string]string{}
	for field := range strings.SplitSeq(inner, ",") {
		key, text, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[key] = text
	}
	value, valueErr := strconv.ParseFloat(fields["mValue"], 64)
	kind, kindErr := strconv.Atoi(fields["mType"])
	status, err := strconv.Atoi(fields["mStatus"])
	if err != nil {
		status = -1
	}
	return halValue{value, kind, printable(fields["mName"]), status}, closed && valueErr == nil && kindErr == nil
}

// batteryStatus are the names of android.os.BatteryManager's BATTERY_STATUS_*; 1 is unknown.
var batteryStatus = map[string]string{"2": "charging", "3": "discharging", "4": "not charging", "5": "full"}

// plugs are the lines of `dumpsys battery` about what powers a phone. Dock came in Android 13.
var plugs = []struct{ key, word string }{
	{"AC powered", "ac"}, {"USB powered", "usb"}, {"Wireless powered", "wireless"}, {"Dock powered", "dock"},
}

// battery parses `dumpsys battery`. If `dumpsys battery set` or unplug froze the service
// ("UPDATES STOPPED"), every figure was set by hand, and none is used. A phone is on battery
// if nothing powers it, or if its supply is too weak and it still discharges.
func battery(text string, s *devices.State) {
	values := map[string]string{}
	stopped := false
	for line := range strings.SplitSeq(text, "\n") {
		stopped = stopped || strings.Contains(line, "UPDATES STOPPED")
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if _, seen := values[key]; ok && !seen && len(values) < maxSensors {
			values[key] = strings.TrimSpace(value)
		}
	}
	if stopped {
		s.Battery, s.OnBattery = &devices.Battery{Faked: true}, nil
		return
	}
	if values["present"] == "false" {
		return
	}
	b := devices.Battery{Status: batteryStatus[values["status"]], Level: batteryLevel(values)}
	b.TemperatureC = batteryCelsius(values["temperature"])
	known := false
	for _, p := range plugs {
		known = known || values[p.key] == "true" || values[p.key] == "false"
		if values[p.key] == "true" && b.Plugged == "" {
			b.Plugged = p.word
		}
	}
	if known {
		s.OnBattery = new(b.Plugged == "" || b.Status == "discharging")
	}
	if known || b != (devices.Battery{}) {
		s.Battery = &b
	}
}

// batteryCelsius reads tenths of a degree (BatteryManager.EXTRA_TEMPERATURE). Some vendors' services
// pass on what their driver has, in degrees or millidegrees: a battery is neither at 2.7 C nor above
// hottestBatteryC.
func batteryCelsius(text string) *float64 {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return nil
	case n >= 10*coldestHAL && n <= 10*hottestBatteryC:
		return new(float64(n) / 10)
	case n >= coldestC && n < 10*coldestHAL:
		return new(float64(n))
	case n >= coldestMilli && n <= 1000*hottestBatteryC:
		return new(float64(n) / 1e3)
	}
	return nil
}

func batteryLevel(values map[string]string) *float64 {
	level, levelErr := strconv.Atoi(values["level"])
	scale, scaleErr := strconv.Atoi(values["scale"])
	if levelErr != nil || scaleErr != nil || level < 0 || scale <= 0 || level > scale {
		return nil
	}
	return new(float64(level) / float64(scale))
}

// screenOn parses `dumpsys power`. "Display Power: state=" is the display itself, but some
// versions lack it; a phone that is awake has its screen on, one that dozes shows at most a
// clock.
func screenOn(text string) *bool {
	words := map[string]bool{
		"Display Power: state=ON": true, "Display Power: state=ON_SUSPEND": true, "Display Power: state=VR": true,
		"Display Power: state=OFF": false, "Display Power: state=DOZE": false, "Display Power: state=DOZE_SUSPEND": false,
		"mWakefulness=Awake": true, "mWakefulness=Dreaming": true, "mWakefulness=Asleep": false, "mWakefulness=Dozing": false,
	}
	var awake *bool
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		on, known := words[line]
		switch {
		case known && strings.HasPrefix(line, "Display"):
			return &on
		case known && awake == nil:
			awake = &on
		}
	}
	return awake
}

// flag parses a global setting that is "0" or "1"; "null" means that it was never set.
func flag(text string) *bool {
	switch strings.TrimSpace(text) {
	case "0":
		return new(false)
	case "1":
		return new(true)
	}
	return nil
}
