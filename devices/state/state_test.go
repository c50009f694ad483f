package state_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"latlab/devices"
	"latlab/devices/state"
)

// tree unpacks a recorded /proc and /sys.
func tree(t *testing.T, name string) string {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, f := range a.Files {
		path := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		want devices.State
	}{
		{"laptop.txtar", devices.State{
			LoadAverage: new(0.52), StealSeconds: new(0.0),
			FrequenciesHz:  map[string]*float64{"0": new(1.2e9), "1": new(4.3e9)},
			MaxFrequencyHz: map[string]float64{"0": 4.6e9, "1": 4.6e9},
			Governor:       "powersave,performance", Turbo: new(true),
			TemperaturesC: map[string]*float64{"acpitz.0": nil, "x86_pkg_temp.1": new(52.0)},
			Cooling:       []devices.Cooling{{Name: "cooling_device0", Type: "Processor", Current: new(int64(0)), Max: new(int64(10))}},
			ThrottleCount: new(int64(7)), OnBattery: new(true),
		}},
		{"raspberry.txtar", devices.State{
			LoadAverage: new(0.08), StealSeconds: new(0.0),
			FrequenciesHz:  map[string]*float64{"0": new(6e8), "1": new(6e8)},
			MaxFrequencyHz: map[string]float64{"0": 1.5e9, "1": 1.5e9},
			Governor:       "ondemand",
			TemperaturesC:  map[string]*float64{"cpu-thermal.0": new(48.312)},
			Cooling:        []devices.Cooling{{Name: "cooling_device0", Type: "pwm-fan", Current: new(int64(1)), Max: new(int64(4))}},
			OnlineCPUs:     []int{0, 1, 2, 3},
		}},
		{"jetson.txtar", devices.State{
			LoadAverage: new(1.17), StealSeconds: new(0.0),
			FrequenciesHz:  map[string]*float64{"0": new(2.2656e9), "1": new(1.1904e9)},
			MaxFrequencyHz: map[string]float64{"0": 2.2656e9, "1": 2.2656e9},
			Governor:       "schedutil",
			TemperaturesC: map[string]*float64{
				"CPU-therm.0": new(43.5), "GPU-therm.1": new(42.0), "AUX-therm.2": nil, "PMIC-Die.10": nil, "iwlwifi.11": nil,
			},
			Cooling: []devices.Cooling{{Name: "cooling_device0", Type: "thermal-cpufreq", Current: new(int64(3)), Max: new(int64(24))}},
		}},
		{"amd.txtar", devices.State{
			LoadAverage: new(0.21), StealSeconds: new(0.0), Turbo: new(true),
			TemperaturesC: map[string]*float64{"k10temp.1": new(61.125)},
		}},
		{"virtual.txtar", devices.State{LoadAverage: new(3.5), StealSeconds: new(12.34)}},
		{"acpi.txtar", devices.State{LoadAverage: new(0.0), Turbo: new(false), OnBattery: new(false)}},
		{"nothing.txtar", devices.State{}},
		{"garbage.txtar", devices.State{
			FrequenciesHz: map[string]*float64{"0": nil, "1": nil},
			TemperaturesC: map[string]*float64{
				"word.0": nil, "folder.1": nil, "freezing.2": nil, "nan.3": nil, "off.4": nil, "zone.5": new(61.0), "two lines.6": nil, "volts.7": nil,
			},
			Cooling: []devices.Cooling{{Name: "cooling_device0", Type: "intel_powerclamp", Max: new(int64(50))}, {Name: "cooling_device1"}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := time.Now()
			got := state.Read(tree(t, tt.name))
			if got.Time.Before(before) {
				t.Errorf("Time is %v, want now", got.Time)
			}
			got.Time = time.Time{}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Read (-want +got):\n%s", diff)
			}
		})
	}
}

// What is missing or broken is null in JSON, never zero and never left out; records of older
// versions of latlab can still be read.
func TestJSON(t *testing.T) {
	got, err := json.Marshal(devices.State{
		TemperaturesC: map[string]*float64{"off.0": nil, "cpu.1": new(50.5)},
		Cooling:       []devices.Cooling{{Name: "cooling_device0", Type: "fan"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"0001-01-01T00:00:00Z","load_average_1m":null,"frequencies_hz":null,"max_frequency_hz":null,` +
		`"turbo":null,"temperatures_celsius":{"cpu.1":50.5,"off.0":null},` +
		`"cooling":[{"name":"cooling_device0","type":"fan","current_state":null,"max_state":null}],` +
		`"throttle_count":null,"steal_seconds":null,"on_battery":null}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	var back devices.State
	old := `{"time":"2026-01-02T03:04:05Z","load_average_1m":0.5,"frequencies_hz":{"0":1e9},"temperatures_celsius":{"cpu.1":50.5}}`
	if err := json.Unmarshal([]byte(old), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(devices.State{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), LoadAverage: new(0.5),
		FrequenciesHz: map[string]*float64{"0": new(1e9)}, TemperaturesC: map[string]*float64{"cpu.1": new(50.5)},
	}, back); diff != "" {
		t.Errorf("old store (-), read (+):\n%s", diff)
	}
}

// Whatever is in a sensor's place, Read returns and reports no figure from it.
func TestHostileTrees(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("55000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"a pipe that nobody writes to": func(p string) error { return unix.Mkfifo(p, 0o644) },
		"a link to itself":             func(p string) error { return os.Symlink(filepath.Base(p), p) },
		"a link to nothing":            func(p string) error { return os.Symlink("nowhere", p) },
		"a link out of the tree":       func(p string) error { return os.Symlink(outside, p) },
		"a link to a device":           func(p string) error { return os.Symlink("/dev/zero", p) },
		"a socket":                     socket,
		"a folder":                     func(p string) error { return os.Mkdir(p, 0o755) },
		"a huge file":                  func(p string) error { return sparse(p, 1<<40) },
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, "laptop.txtar")
			for _, f := range []string{
				"proc/loadavg", "proc/stat", "sys/class/thermal/thermal_zone1/temp", "sys/class/thermal/cooling_device0/cur_state",
				"sys/class/power_supply/BAT0/status", "sys/devices/system/cpu/intel_pstate/no_turbo",
				"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
				"sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count",
			} {
				path := filepath.Join(root, f)
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if err := put(path); err != nil {
					t.Fatal(err)
				}
			}
			s := state.Read(root)
			if s.LoadAverage != nil || s.StealSeconds != nil || s.ThrottleCount != nil || s.OnBattery != nil || s.Turbo != nil {
				t.Errorf("it believed in %+v", s)
			}
			if zone, ok := s.TemperaturesC["x86_pkg_temp.1"]; !ok || zone != nil {
				t.Errorf("the zone is %v, %v", zone, ok)
			}
			if hz, ok := s.FrequenciesHz["0"]; !ok || hz != nil || *s.FrequenciesHz["1"] != 4.3e9 {
				t.Errorf("clocks are %v", s.FrequenciesHz)
			}
			if len(s.Cooling) != 1 || s.Cooling[0].Current != nil || *s.Cooling[0].Max != 10 {
				t.Errorf("cooling is %+v", s.Cooling)
			}
		})
	}
}

func socket(path string) error {
	// A socket's path may have at most 107 bytes, so it is made elsewhere and moved.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, "s")}); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "s"), path)
}

func sparse(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// FuzzRead puts arbitrary bytes into every file that is read.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"", "0", "-5700", "55000\n", "NaN", "1e308", "cpu  1 2 3 4 5 6 7 8 9 10", "99999999999999999999", "\x00\xff", "Battery"} {
		f.Add([]byte(seed), []byte(seed))
	}
	f.Add([]byte("55000\n"), []byte("Battery"))
	root := f.TempDir()
	link := func(to string, files ...string) {
		for _, file := range files {
			dir := filepath.Join(root, filepath.Dir(file))
			up, err := filepath.Rel(dir, filepath.Join(root, to))
			if err := errors.Join(err, os.MkdirAll(dir, 0o755), os.Symlink(up, filepath.Join(root, file))); err != nil {
				f.Fatal(err)
			}
		}
	}
	const cpu, thermal = "sys/devices/system/cpu/", "sys/class/thermal/"
	link("value", "proc/loadavg", "proc/stat", thermal+"thermal_zone0/temp", thermal+"cooling_device0/cur_state",
		cpu+"cpu0/cpufreq/scaling_cur_freq", cpu+"cpu0/thermal_throttle/core_throttle_count", cpu+"cpufreq/boost")
	link("name", thermal+"thermal_zone0/type", thermal+"cooling_device0/type", cpu+"cpu0/cpufreq/scaling_governor",
		"sys/class/power_supply/BAT0/type", "sys/class/power_supply/BAT0/status")
	f.Fuzz(func(t *testing.T, value, name []byte) {
		write := func(file string, content []byte) error {
			return os.WriteFile(filepath.Join(root, file), content, 0o644)
		}
		if err := errors.Join(write("value", value), write("name", name)); err != nil {
			t.Fatal(err)
		}
		s := state.Read(root)
		// The files are links, as in /sys/class.
		if c := s.TemperaturesC["Battery.0"]; string(value) == "55000\n" && string(name) == "Battery" && (c == nil || *c != 55) {
			t.Errorf("a sound tree reads as %v", s.TemperaturesC)
		}
		for zone, c := range s.TemperaturesC {
			if !utf8.ValidString(zone) || c != nil && !(*c > 0 && *c <= 200) {
				t.Errorf("zone %q is %v", zone, *c)
			}
		}
		if hz := s.FrequenciesHz["0"]; hz != nil && !(*hz > 0 && *hz <= 1e12) {
			t.Errorf("clock is %v", *hz)
		}
		if n := s.ThrottleCount; n != nil && *n < 0 {
			t.Errorf("throttled %d times", *n)
		}
		if _, err := json.Marshal(s); err != nil {
			t.Error(err)
		}
	})
}

func TestReadThisMachine(t *testing.T) {
	if s := state.Read("/"); s.LoadAverage == nil {
		t.Error("a Linux machine has a load average")
	}
}
