// Package state reads a device's condition: load, frequencies, governor, temperatures,
// throttling, power. It reads from a root folder, so that recorded trees serve as tests;
// over a transport it will read the same files.
//
// A figure that the machine does not have is left out, never guessed: virtual machines
// have neither frequencies nor temperatures. The package refuses to judge (bench does).
package state

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/sysfs"

	"latlab/devices"
)

// Read returns the condition of the machine whose /proc and /sys are below root ("/").
func Read(root string) devices.State {
	s := devices.State{Time: time.Now()}
	readProc(filepath.Join(root, "proc"), &s)
	readSys(filepath.Join(root, "sys"), &s)
	return s
}

func readProc(path string, s *devices.State) {
	fs, err := procfs.NewFS(path)
	if err != nil {
		return
	}
	if load, err := fs.LoadAvg(); err == nil {
		s.LoadAverage = &load.Load1
	}
	if stat, err := fs.Stat(); err == nil {
		s.StealSeconds = &stat.CPUTotal.Steal
	}
}

func readSys(path string, s *devices.State) {
	fs, err := sysfs.NewFS(path)
	if err != nil {
		return
	}
	readFrequencies(fs, s)
	readThermal(fs, s)
	readThrottling(fs, s)
	readPower(fs, s)
	s.Turbo = turbo(path)
}

func readFrequencies(fs sysfs.FS, s *devices.State) {
	cpus, err := fs.SystemCpufreq()
	if err != nil {
		return
	}
	for _, c := range cpus {
		if c.ScalingCurrentFrequency != nil {
			put(&s.FrequenciesHz, c.Name, float64(*c.ScalingCurrentFrequency)*1e3)
		}
		if c.ScalingMaximumFrequency != nil {
			put(&s.MaxFrequencyHz, c.Name, float64(*c.ScalingMaximumFrequency)*1e3)
		}
		// CPUs that differ are named together: "performance,powersave".
		if c.Governor != "" && !strings.Contains(","+s.Governor+",", ","+c.Governor+",") {
			s.Governor = strings.Trim(s.Governor+","+c.Governor, ",")
		}
	}
}

func readThermal(fs sysfs.FS, s *devices.State) {
	zones, err := fs.ClassThermalZoneStats()
	if err != nil {
		return
	}
	for _, z := range zones {
		// A zone that is switched off reads as an error, or as 0 millidegrees.
		if z.ReadErrors == nil && z.Temp != 0 {
			put(&s.TemperaturesC, z.Type+"."+z.Name, float64(z.Temp)/1e3)
		}
	}
}

func readThrottling(fs sysfs.FS, s *devices.State) {
	cpus, err := fs.CPUs()
	if err != nil {
		return
	}
	var n int64
	for _, c := range cpus {
		t, err := c.ThermalThrottle()
		if err != nil {
			continue
		}
		n += int64(t.CoreThrottleCount)
		s.ThrottleCount = &n
	}
}

func readPower(fs sysfs.FS, s *devices.State) {
	supplies, err := fs.PowerSupplyClass()
	if err != nil {
		return
	}
	for _, p := range supplies {
		if p.Type == "Battery" && p.Status != "" {
			on := p.Status == "Discharging"
			s.OnBattery = &on
		}
	}
}

// turbo reads the two switches that drivers have for it: intel_pstate's and acpi-cpufreq's.
func turbo(sys string) *bool {
	cpu := filepath.Join(sys, "devices/system/cpu")
	if v, err := readInt(filepath.Join(cpu, "intel_pstate/no_turbo")); err == nil {
		on := v == 0
		return &on
	}
	if v, err := readInt(filepath.Join(cpu, "cpufreq/boost")); err == nil {
		on := v == 1
		return &on
	}
	return nil
}

func readInt(path string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

func put(m *map[string]float64, key string, v float64) {
	if *m == nil {
		*m = map[string]float64{}
	}
	(*m)[key] = v
}
