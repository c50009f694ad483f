package inventory

import (
	"fmt"
	"runtime"

	"latlab/devices"
)

// CheckSteady checks how steady latencies on a machine will be. It only makes notes.
func CheckSteady(s devices.State) []Step {
	checks := []Step{loadCheck(s)}
	switch unclear := s.Unclear(); {
	case s.HottestC() == nil && unclear != "":
		checks = append(checks, Step{Name: "temperature", State: Note, Detail: "no temperature sensor is understood (" + unclear + "): throttling shows only as drift"})
	case s.HottestC() == nil:
		checks = append(checks, Step{Name: "temperature", State: Note, Detail: "no temperature sensor (a virtual machine?): throttling shows only as drift"})
	case unclear != "":
		checks = append(checks, Step{Name: "temperature", State: Note, Detail: "sensors that are left out: " + unclear})
	}
	if s.Governor != "" && s.Governor != "performance" {
		checks = append(checks, Step{Name: "governor", State: Note, Detail: s.Governor + " changes the clock with the load", Type: "cpupower frequency-set -g performance"})
	}
	if s.Turbo != nil && *s.Turbo {
		checks = append(checks, Step{Name: "turbo", State: Note, Detail: "the clock depends on the temperature and on the other cores", Type: "echo 0 > /sys/devices/system/cpu/cpufreq/boost"})
	}
	if s.OnBattery != nil && *s.OnBattery {
		checks = append(checks, Step{Name: "power", State: Note, Detail: "on battery; plug it in"})
	}
	return checks
}

func loadCheck(s devices.State) Step {
	if s.LoadAverage == nil {
		return Step{Name: "load", State: Note, Detail: "unknown"}
	}
	k := Step{Name: "load", State: OK, Detail: fmt.Sprintf("%.2f on %d CPUs", *s.LoadAverage, runtime.NumCPU())}
	if *s.LoadAverage > 0.5*float64(runtime.NumCPU()) {
		k.State, k.Detail = Note, k.Detail+": other programs are running; expect noise"
	}
	return k
}
