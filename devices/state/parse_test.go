package state

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
)

const halReady = "HAL Ready: true\nHAL connection:\n\tThermalHAL 2.0 connected: yes\n"

func TestThermalService(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       devices.State
	}{
		{"nothing", "", devices.State{}},
		{"an Android without the service", "Can't find service: thermalservice\n", devices.State{}},
		{"not allowed", "Permission Denial: can't dump thermalservice from pid=1, uid=2000\n", devices.State{}},
		{"a HAL that is not ready", "Thermal Status: 0\nCached temperatures:\n\tTemperature{mValue=40.0, mType=3, mName=skin, mStatus=0}\nHAL Ready: false\n",
			devices.State{ThermalStatus: new(0)}},
		{"a HAL that is gone", "Thermal Status: 2\nHAL Ready: true\nHAL connection:\n\tThermalHAL 2.0 connected: no\nCurrent temperatures from HAL:\nCurrent cooling devices from HAL:\n",
			devices.State{ThermalStatus: new(2)}},
		{"the cache alone", "Cached temperatures:\n\tTemperature{mValue=40.0, mType=3, mName=skin, mStatus=0}\n", devices.State{}},
		{"what is no temperature", "Current temperatures from HAL:\n\tTemperature{mValue=4213.0, mType=6, mName=vbat, mStatus=0}\n\tTemperature{mValue=12.0, mType=7, mName=ibat, mStatus=0}\n" +
			"\tTemperature{mValue=87.0, mType=8, mName=soc, mStatus=0}\n\tTemperature{mValue=-5700.0, mType=-1, mName=v, mStatus=0}\n\tTemperature{mValue=30.0, mType=99, mName=future, mStatus=0}\n", devices.State{}},
		{"sensors that say nothing", "Current temperatures from HAL:\n\tTemperature{mValue=0.0, mType=2, mName=SUBBAT, mStatus=0}\n\tTemperature{mValue=NaN, mType=0, mName=CPU, mStatus=0}\n" +
			"\tTemperature{mValue=-40.0, mType=3, mName=SKIN, mStatus=0}\n\tTemperature{mValue=3000.0, mType=1, mName=GPU, mStatus=0}\n",
			devices.State{TemperaturesC: map[string]*float64{"SUBBAT.battery": nil, "CPU.cpu": nil, "SKIN.skin": nil, "GPU.gpu": nil}}},
		{"fields in another order, and more of them", halReady + "Current temperatures from HAL:\r\n\tTemperature{mName=AP, mSource=2, mStatus=0, mType=0, mValue=25.6, mThrottling=1}\r\n",
			devices.State{TemperaturesC: map[string]*float64{"AP.cpu": new(25.6)}}},
		{"garbage", "Current temperatures from HAL:\n\tTemperature{mValue=, mType=0, mName=A}\n\tTemperature{mValue=1, mName=A}\n\tTemperature{mValue=1, mType=x, mName=A}\n\tTemperature{mValue=40, mType=0, mName=A\n\tTemperature{}\n\tTemperature{mValue=40, mType=0, mName=}\n", devices.State{}},
		{"a status of nowhere", "Thermal Status: 17\nThermal Status: hot\n", devices.State{}},
		{"a status that was typed", "IsStatusOverride: true\nThermal Status: 0\nCurrent temperatures from HAL:\n\tTemperature{mValue=90.0, mType=0, mName=CPU, mStatus=4}\n" +
			"\tTemperature{mValue=45.0, mType=3, mName=A, mStatus=2}\n\tTemperature{mValue=41.0, mType=3, mName=B, mStatus=1}\n",
			devices.State{ThermalStatus: new(2), TemperaturesC: map[string]*float64{"CPU.cpu": new(90.0), "A.skin": new(45.0), "B.skin": new(41.0)}}},
		{"a status that was typed, and no sensor", "IsStatusOverride: true\nThermal Status: 3\n", devices.State{}},
		{"cooling", halReady + "Current cooling devices from HAL:\n\tCoolingDevice{mValue=0, mType=5, mName=tpu_cooling}\n\tCoolingDevice{mValue=-1, mType=77, mName=x}\n\tCoolingDevice{mValue=7, mType=2}\n" +
			"Temperature static thresholds from HAL:\n\tTemperatureThreshold{mType=3, mName=SKIN, mHotThrottlingThresholds=[NaN, 39.0]}\n",
			devices.State{Cooling: []devices.Cooling{{Name: "tpu_cooling", Type: "npu", Current: new(int64(0))}, {Name: "x", Type: "type 77"}}}},
	} {
		var got devices.State
		thermalService(tt.text, &got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestBattery(t *testing.T) {
	const plugged = "Current Battery Service state:\n  AC powered: true\n  USB powered: false\n  Wireless powered: false\n  status: 5\n  present: true\n  level: 200\n  scale: 200\n  temperature: 254\n"
	for _, tt := range []struct {
		name, text string
		want       *devices.Battery
		onBattery  *bool
	}{
		{"full on AC", plugged, &devices.Battery{Level: new(1.0), TemperatureC: new(25.4), Plugged: "ac", Status: "full"}, new(false)},
		{"in the hand", "  AC powered: false\n  USB powered: false\n  Wireless powered: false\n  Dock powered: false\n  status: 3\n  level: 55\n  scale: 100\n",
			&devices.Battery{Level: new(0.55), Status: "discharging"}, new(true)},
		{"on a dock", "  AC powered: false\n  Dock powered: true\n  status: 4\n", &devices.Battery{Plugged: "dock", Status: "not charging"}, new(false)},
		{"on a weak port", "  USB powered: true\n  status: 3\n", &devices.Battery{Plugged: "usb", Status: "discharging"}, new(true)},
		{"an unknown status", "  Wireless powered: true\n  status: 1\n", &devices.Battery{Plugged: "wireless"}, new(false)},
		{"faked", "Current Battery Service state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n  AC powered: false\n  status: 3\n  level: 3\n  scale: 100\n", &devices.Battery{Faked: true}, nil},
		{"a TV box", "  AC powered: true\n  present: false\n  level: 0\n  scale: 100\n", nil, nil},
		{"nonsense", "  AC powered: maybe\n  status: 9\n  level: 120\n  scale: 100\n  temperature: 99999\n", nil, nil},
		{"no scale", "  level: 50\n  scale: 0\n", nil, nil},
		{"not allowed", "Permission Denial: can't dump battery\n", nil, nil},
		{"said twice", "  level: 50\n  scale: 100\n  level: 90\n", &devices.Battery{Level: new(0.5)}, nil},
	} {
		var got devices.State
		battery(tt.text, &got)
		if diff := cmp.Diff(tt.want, got.Battery); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.onBattery, got.OnBattery); diff != "" {
			t.Errorf("%s: on battery (-want +got)\n%s", tt.name, diff)
		}
	}
}

// The service knows of fakes what the kernel's power_supply does not: its word is the last.
func TestFakedBatteryIsUnknown(t *testing.T) {
	got := devices.State{OnBattery: new(true)}
	battery("UPDATES STOPPED", &got)
	if got.OnBattery != nil {
		t.Errorf("on battery: %v", *got.OnBattery)
	}
}

func TestScreen(t *testing.T) {
	for text, want := range map[string]*bool{
		"": nil, "  mWakefulness=Awake": new(true), "  mWakefulness=Dreaming\n": new(true), "mWakefulness=Asleep": new(false), "mWakefulness=Dozing": new(false),
		"mWakefulness=Other": nil, "  mWakefulness=Awake\nDisplay Power: state=OFF\n": new(false), "Display Power: state=DOZE": new(false),
		"mWakefulness=Asleep\nDisplay Power: state=ON": new(true), "mWakefulness=Awake\nDisplay Power: state=UNKNOWN": new(true),
	} {
		if diff := cmp.Diff(want, screenOn(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestSmallTexts(t *testing.T) {
	for text, want := range map[string]*uint32{
		"throttled=0x50005\n": new(uint32(0x50005)), "0": new(uint32(0)), "d0008": new(uint32(0xd0008)), "0x0": new(uint32(0)),
		"": nil, "VCHI initialization failed": nil, "throttled=": nil, "1ffffffff": nil, "-1": nil,
	} {
		if diff := cmp.Diff(want, hexFlags(text)); diff != "" {
			t.Errorf("get_throttled %q: %s", text, diff)
		}
	}
	for text, want := range map[string][]int{
		"0": {0}, "0-3": {0, 1, 2, 3}, "0-1,4,6-7": {0, 1, 4, 6, 7}, "": nil, "3-1": nil, "0-4095": nil, "0,0": nil, "2,1": nil, "a": nil, "0-": nil, "0-99999999": nil, "-1": nil,
	} {
		if text == "0-4095" {
			if got := cpuList(text); len(got) != maxCPU {
				t.Errorf("%d CPUs", len(got))
			}
			continue
		}
		if diff := cmp.Diff(want, cpuList(text)); diff != "" {
			t.Errorf("CPUs %q: %s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"# R35 (release), REVISION: 4.1, GCID: 1": "L4T R35.4.1", "# R36 (release)": "L4T R36", "": "", "R35": "", "# R": "L4T R",
	} {
		if got := l4t(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	for machine, want := range map[string]string{"aarch64": "arm64", "armv8l": "arm64", "armv7l": "arm", "x86_64": "amd64", "i686": "386", "riscv64": "riscv64"} {
		if got := goArch(machine); got != want {
			t.Errorf("%s is %s, want %s", machine, got, want)
		}
	}
	for n, want := range map[int64]float64{0: 0, 202000: 202e6, 921600000: 921.6e6, 76800000: 76.8e6} {
		if got := gpuClock(&n); got == nil || *got != want {
			t.Errorf("%d is %v, want %v", n, got, want)
		}
	}
	for _, n := range []int64{-1, math.MaxInt64} {
		if got := gpuClock(&n); got != nil {
			t.Errorf("%d is %v", n, *got)
		}
	}
}

// A device's words are one printable line, however long and strange what it says is.
func TestHostileIdentity(t *testing.T) {
	strange := "a\x00b\x1b[2J\xff\u202e" + strings.Repeat("x", 1<<16)
	parts := map[string]string{
		"properties": "ro.product.model=" + strange + "\nro.build.fingerprint=" + strange + "\nro.soc.model=" + strange,
		"kernel":     strange, "arch": strange, "cpuinfo": "model name\t: " + strange + "\nCPU implementer\t: " + strange + "\nCPU part\t: " + strange + "\n",
	}
	checkIdentity(t, identity(parts, ""))
}

func checkIdentity(t *testing.T, id Identity) {
	t.Helper()
	texts := []string{id.Model, id.SoC, id.OS, id.Build, id.Arch, id.CPUModel}
	texts = slices.AppendSeq(texts, maps.Values(id.Fingerprint))
	for _, text := range texts {
		if len(text) > 2*maxWord || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return plain(r) != r }) {
			t.Errorf("the identity says %q", text)
		}
	}
}

func FuzzThermalService(f *testing.F) {
	f.Add("Thermal Status: 1\nCurrent temperatures from HAL:\n\tTemperature{mValue=25.6, mType=0, mName=AP, mStatus=0}\n")
	f.Add("Current cooling devices from HAL:\n\tCoolingDevice{mValue=3, mType=5, mName=tpu_cooling}\n")
	f.Add("Current temperatures from HAL:\n\tTemperature{mValue=1e308, mType=0, mName=\xff\n}")
	f.Fuzz(func(t *testing.T, text string) {
		var s devices.State
		thermalService(text, &s)
		checkState(t, s)
		if !strings.Contains(text, "Current temperatures from HAL:") && len(s.TemperaturesC) > 0 {
			t.Errorf("temperatures %v from %q", s.TemperaturesC, text)
		}
	})
}

func FuzzBattery(f *testing.F) {
	f.Add("  AC powered: true\n  status: 2\n  level: 50\n  scale: 100\n  temperature: 314\n", "mWakefulness=Awake\nDisplay Power: state=ON")
	f.Add("UPDATES STOPPED", "")
	f.Fuzz(func(t *testing.T, text, power string) {
		var s devices.State
		battery(text, &s)
		s.ScreenOn = screenOn(power)
		checkState(t, s)
		if b := s.Battery; b != nil && (b.Level != nil && !(*b.Level >= 0 && *b.Level <= 1) || b.Faked && (b.Level != nil || s.OnBattery != nil)) {
			t.Errorf("battery %+v of %q", b, text)
		}
	})
}

// FuzzSnapshot puts anything into the parts that a device's shell prints.
func FuzzSnapshot(f *testing.F) {
	list := "/proc/loadavg\n/sys/class/thermal/thermal_zone0\n/sys/class/thermal/thermal_zone0/temp\n/sys/class/thermal/thermal_zone0/type\n"
	f.Add(list, "==> /dev/null <==\n\n==> /sys/class/thermal/thermal_zone0/temp <==\n45000\n\n==> /sys/class/thermal/thermal_zone0/type <==\ncpu\n", "0-3")
	f.Add("/sys/class/apex/apex_0/temp\n/sys/class/apex/apex_0/trip_point0_temp\n", "==> /sys/class/apex/apex_0/temp <==\n90000", "throttled=0x5")
	f.Add("/../../etc/passwd\n//\n/.\n/proc//x\n", "==>  <==\n==> /etc <==\n", "x")
	f.Fuzz(func(t *testing.T, list, texts, other string) {
		files := readSnapshot(list, texts, "")
		for p, text := range files.texts {
			if len(text) > maxText || !strings.Contains(list, p) {
				t.Errorf("%s has %d bytes", p, len(text))
			}
		}
		var s devices.State
		tree{files}.fill(&s)
		s.RaspberryThrottled = hexFlags(other)
		checkState(t, s)
		for _, c := range cpuList(other) {
			if c < 0 || c >= maxCPU {
				t.Errorf("CPU %d", c)
			}
		}
		checkIdentity(t, identity(map[string]string{"files": list, "texts": texts, "release": other, "cpuinfo": texts, "kernel": other, "arch": other}, ""))
		checkIdentity(t, identity(map[string]string{"files": list, "texts": texts, "properties": other, "cpuinfo": other}, ""))
		now := readCurrent(map[string]string{"governors": texts, stayOn: other, airplaneMode: list}, "")
		for _, s := range []Settings{{Governor: "performance"}, {StayAwake: true}, {Airplane: true}} {
			changes, _ := now.plan(s)
			for _, c := range changes {
				if !c.valid() {
					t.Errorf("it would change %+v", c)
				}
			}
		}
	})
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"version":1,"changes":[{"kind":"governor","key":"/sys/devices/system/cpu/cpufreq/policy0/scaling_governor","old":"schedutil","new":"performance"}]}`))
	f.Add([]byte(`{"version":1,"changes":[{"kind":"global","key":"stay_on_while_plugged_in","old":"null","new":"7"},{"kind":"airplane","key":"airplane_mode_on","old":"0","new":"1"}]}`))
	f.Add([]byte(`{"version":1,"changes":[{"kind":"governor","key":"/etc/passwd","old":"a","new":"b"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		changes, err := readJournal(text)
		if err != nil {
			return
		}
		for _, c := range changes {
			if c.Kind == kindGovernor && (strings.Contains(c.Key, "..") || !strings.HasPrefix(c.Key, "/sys/devices/system/cpu/") || !strings.HasSuffix(c.Key, "/scaling_governor")) || strings.ContainsAny(c.Old+c.New, " \n'\"$`;&|<>") {
				t.Errorf("it would change %+v", c)
			}
		}
	})
}

func checkState(t *testing.T, s devices.State) {
	t.Helper()
	for name, c := range s.TemperaturesC {
		if !utf8.ValidString(name) || c != nil && !(*c > 0 && *c <= hottestC) {
			t.Errorf("sensor %q is %v", name, c)
		}
	}
	if len(s.TemperaturesC) > 2*maxSensors || len(s.Cooling) > 3*maxSensors || len(s.OnlineCPUs) > maxCPU {
		t.Errorf("%d temperatures, %d cooling devices, %d CPUs", len(s.TemperaturesC), len(s.Cooling), len(s.OnlineCPUs))
	}
	for _, c := range s.Cooling {
		if c.Current != nil && *c.Current < 0 {
			t.Errorf("cooling %+v", c)
		}
	}
	if n := s.ThermalStatus; n != nil && (*n < 0 || *n > maxStatus) {
		t.Errorf("status %d", *n)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
}
