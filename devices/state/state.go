// Package state reads a device's condition: load, frequencies, governor, temperatures,
// cooling, throttling, power; on Android also heat, battery and screen as its services report
// them. Read reads a root folder, so that tests can use recorded trees; Over reads the same
// files through a transport, with the same parsers.
//
// A figure that the machine does not have is left out, and one that exists and cannot be read
// is nil. Figures are never guessed and never replaced by zero: virtual machines have no
// frequencies and temperatures, and sensors that are switched off return errors or garbage.
// The package does not judge the figures (bench does), and it never blocks: Read returns
// whatever a tree holds, even a pipe in a sensor's place.
package state

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
)

// Read returns the condition of the machine whose /proc and /sys are below root ("/").
func Read(root string) devices.State {
	s := devices.State{Time: time.Now()}
	r, err := os.OpenRoot(root)
	if err != nil {
		return s
	}
	defer r.Close()
	tree{folder{r}}.fill(&s)
	return s
}

// fill reads all figures of /proc and /sys.
func (t tree) fill(s *devices.State) {
	s.LoadAverage, s.StealSeconds = t.load(), t.steal()
	s.OnlineCPUs = t.online()
	t.frequencies(s)
	s.GPUHz = t.gpus()
	t.temperatures(s)
	s.Cooling = append(t.cooling(), t.edgeTPUs(s)...)
	s.ThrottleCount = t.throttling()
	s.OnBattery = t.onBattery()
	s.Turbo = t.turbo()
	s.RaspberryThrottled = t.raspberry()
	t.quota(s)
}

// load reads the first field of /proc/loadavg.
func (t tree) load() *float64 {
	text, err := t.text("proc/loadavg")
	if err != nil {
		return nil
	}
	first, _, _ := strings.Cut(text, " ")
	return amount(first)
}

// userHz is the unit of /proc/stat, 1/100 s on every architecture that Linux runs on today.
const userHz = 100

// steal reads the eighth figure of the sum over CPUs, proc_stat(5).
func (t tree) steal() *float64 {
	text, err := t.text("proc/stat")
	if err != nil {
		return nil
	}
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return nil
	}
	ticks, err := strconv.ParseUint(fields[8], 10, 63)
	if err != nil {
		return nil
	}
	return new(float64(ticks) / userHz)
}

// amount parses a finite number that is not negative.
func amount(s string) *float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v < 1e12) {
		return nil
	}
	return &v
}

const cpuDir = "sys/devices/system/cpu/"

func (t tree) frequencies(s *devices.State) {
	for _, cpu := range t.numbered(cpuDir, "cpu") {
		dir := cpuDir + cpu + "/cpufreq/"
		n := strings.TrimPrefix(cpu, "cpu")
		current, currentErr := t.hertz(dir + "scaling_cur_freq")
		top, topErr := t.hertz(dir + "scaling_max_freq")
		if os.IsNotExist(currentErr) && os.IsNotExist(topErr) {
			continue
		}
		put(&s.FrequenciesHz, n, current)
		if top != nil {
			if s.MaxFrequencyHz == nil {
				s.MaxFrequencyHz = map[string]float64{}
			}
			s.MaxFrequencyHz[n] = *top
		}
		// Different governors are joined: "performance,powersave".
		if g := t.name(dir + "scaling_governor"); g != "" && !strings.Contains(","+s.Governor+",", ","+g+",") {
			s.Governor = strings.Trim(s.Governor+","+g, ",")
		}
	}
}

// hertz reads kilohertz and returns Hz.
func (t tree) hertz(path string) (*float64, error) {
	khz, err := t.number(path)
	if err != nil || khz <= 0 || khz > 1e9 {
		return nil, err
	}
	return new(float64(khz) * 1e3), nil
}

const thermalDir = "sys/class/thermal/"

// pmicConstant is the constant that the zone of a Jetson's power chip reports (seen on Nano,
// TX2 and Xavier; jtop leaves it out). It would keep every gate closed for ever.
const pmicConstant = 100

// temperatures adds every zone to s, nil if it gives no usable figure.
func (t tree) temperatures(s *devices.State) {
	for _, zone := range t.numbered(thermalDir, "thermal_zone") {
		name := t.name(thermalDir + zone + "/type")
		if name == "" {
			name = "zone"
		}
		putReading(s, name+"."+strings.TrimPrefix(zone, "thermal_zone"), t.celsius(name, thermalDir+zone+"/temp"))
	}
	t.amdTemperatures(s)
}

const hwmonDir = "sys/class/hwmon/"

// amdTemperatures adds the processor's own sensor of AMD machines, which have no thermal zone
// for it. Other hwmon chips are not read: Intel has one zone for all its cores, and reading
// the temperature of a disk or a radio may wake it up.
func (t tree) amdTemperatures(s *devices.State) {
	for _, chip := range t.numbered(hwmonDir, "hwmon") {
		driver := t.name(hwmonDir + chip + "/name")
		if driver == "k10temp" || driver == "zenpower" {
			putReading(s, driver+"."+strings.TrimPrefix(chip, "hwmon"), t.celsius(driver, hwmonDir+chip+"/temp1_input"))
		}
	}
}

// plainNumber is a sensor's whole file; a few vendors print decimals.
var plainNumber = regexp.MustCompile(`^-?[0-9]{1,19}(\.[0-9]{1,9})?$`)

// celsius reads a sensor of this type. One that cannot be read has no figure.
func (t tree) celsius(sensor, path string) reading {
	text, err := t.text(path)
	if err != nil || !plainNumber.MatchString(text) {
		return reading{}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return reading{}
	}
	return zoneReading(sensor, v)
}

// cooling lists the kernel's cooling devices: fans, and processors that it slows down.
func (t tree) cooling() []devices.Cooling {
	var list []devices.Cooling
	for _, name := range t.numbered(thermalDir, "cooling_device") {
		dir := thermalDir + name + "/"
		c := devices.Cooling{Name: name, Type: t.name(dir + "type"), Current: t.optional(dir + "cur_state"), Max: t.optional(dir + "max_state")}
		// intel_powerclamp reports -1 when it is off; others are never negative.
		if c.Current != nil && *c.Current < 0 {
			c.Current = nil
		}
		list = append(list, c)
	}
	return list
}

func (t tree) throttling() *int64 {
	var sum *int64
	for _, cpu := range t.numbered(cpuDir, "cpu") {
		n := t.optional(cpuDir + cpu + "/thermal_throttle/core_throttle_count")
		if n == nil || *n < 0 {
			continue
		}
		if sum == nil {
			sum = new(int64)
		}
		*sum += *n
	}
	return sum
}

const powerDir = "sys/class/power_supply"

// onBattery considers only batteries that power the machine: a wireless mouse's has the scope
// "Device".
func (t tree) onBattery() *bool {
	var on *bool
	for _, name := range t.entries(powerDir) {
		dir := powerDir + "/" + name + "/"
		if t.name(dir+"type") != "Battery" || t.name(dir+"scope") == "Device" {
			continue
		}
		if status := t.name(dir + "status"); status != "" {
			on = new(status == "Discharging" || on != nil && *on)
		}
	}
	return on
}

// turbo reads the turbo switches of two drivers: intel_pstate and acpi-cpufreq.
func (t tree) turbo() *bool {
	if v, err := t.number(cpuDir + "intel_pstate/no_turbo"); err == nil {
		return new(v == 0)
	}
	if v, err := t.number(cpuDir + "cpufreq/boost"); err == nil {
		return new(v == 1)
	}
	return nil
}

func put(m *map[string]*float64, key string, v *float64) {
	if *m == nil {
		*m = map[string]*float64{}
	}
	(*m)[key] = v
}
