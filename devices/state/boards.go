package state

import (
	"strconv"
	"strings"

	"latlab/devices"
)

// maxCPU is more CPUs than any machine has; a list that goes further is garbage.
const maxCPU = 4096

// online parses the list of online CPUs: "0-3,6" (Linux,
// Documentation/admin-guide/cputopology.rst). It returns nil if the text is no such list.
func (t tree) online() []int {
	text, err := t.text(cpuDir + "online")
	if err != nil {
		return nil
	}
	return cpuList(text)
}

func cpuList(text string) []int {
	var cpus []int
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.ParseUint(from, 10, 31)
		b, errB := strconv.ParseUint(to, 10, 31)
		if errA != nil || errB != nil || a > b || b >= maxCPU || len(cpus) > 0 && int(a) <= cpus[len(cpus)-1] {
			return nil
		}
		for n := a; n <= b; n++ {
			cpus = append(cpus, int(n))
		}
	}
	return cpus
}

const devfreqDir = "sys/class/devfreq/"

// gpuWords are parts of the names of GPUs in devfreq: Jetsons' from TX1 to Orin
// ("57000000.gpu", "17000000.gv11b"), Adreno ("5000000.qcom,kgsl-3d0"), Mali, Exynos, Vivante
// and the Pi's VideoCore. Buses and memories, of which a phone has dozens, are left out.
var gpuWords = []string{"gpu", "gm20b", "gp10b", "gv11b", "ga10b", "kgsl", "mali", "g3d", "galcore", "v3d"}

// gpus returns the clock of each GPU of devfreq in Hz, nil if it cannot be read.
func (t tree) gpus() map[string]*float64 {
	var clocks map[string]*float64
	for _, name := range t.entries(devfreqDir) {
		word := strings.ToLower(name)
		for _, w := range gpuWords {
			if strings.Contains(word, w) && len(clocks) < maxSensors {
				put(&clocks, printable(name), gpuClock(t.optional(devfreqDir+name+"/cur_freq")))
				break
			}
		}
	}
	return clocks
}

// gpuClock converts devfreq's clock, which is in Hz, but in kHz on Exynos and Tensor chips.
// All GPUs run between 5 MHz and 5 GHz, which distinguishes the two units.
func gpuClock(n *int64) *float64 {
	switch {
	case n == nil || *n < 0 || *n > 5e9:
		return nil
	case *n < 5e6:
		return new(float64(*n) * 1e3)
	}
	return new(float64(*n))
}

const apexDir = "sys/class/apex/"

// edgeTPUs adds the temperature of each EdgeTPU on PCIe to s. Its driver halves the clock at
// each of three trip points (Coral, "Manage the PCIe module temperature"), so the number of
// exceeded trip points is the state of a cooling device.
func (t tree) edgeTPUs(s *devices.State) []devices.Cooling {
	var list []devices.Cooling
	for _, name := range t.numbered(apexDir, "apex_") {
		read := t.celsius(name, apexDir+name+"/temp")
		temp := read.c
		putReading(s, name, read)
		var points, above int64
		for _, n := range "012" {
			point := t.celsius(name, apexDir+name+"/trip_point"+string(n)+"_temp").c
			if point == nil {
				continue
			}
			points++
			if temp != nil && *temp >= *point {
				above++
			}
		}
		if points > 0 && temp != nil {
			list = append(list, devices.Cooling{Name: name, Type: devices.EdgeTPUClock, Current: &above, Max: &points})
		}
	}
	return list
}

// raspberry reads the flags of a Raspberry Pi's firmware for under-voltage and throttling, in
// hexadecimal. Only the Foundation's kernels have the file.
func (t tree) raspberry() *uint32 {
	text, err := t.text("sys/devices/platform/soc/soc:firmware/get_throttled")
	if err != nil {
		return nil
	}
	return hexFlags(text)
}

// hexFlags parses "50005", "0x50005" and vcgencmd's "throttled=0x50005".
func hexFlags(text string) *uint32 {
	text = strings.TrimSpace(text)
	text = strings.TrimPrefix(text, "throttled=")
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 32)
	if err != nil {
		return nil
	}
	return new(uint32(n))
}
