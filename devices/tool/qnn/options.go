package qnn

import (
	"cmp"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
)

// Prefix begins the names of these devices.
const Prefix = "hexagon:"

// soc is a chip as the compiler knows it.
type soc struct {
	name string
	id   int    // soc_model; always passed, because the compiler silently ignores unknown options
	arch string // htp_arch, the Hexagon's version; empty if not known
	// clock is what the compiler divides cycles by, in Hz; 0 if it is not known, and then the whole
	// microseconds are used. The compiler prints cycles, but truncates the time to whole microseconds,
	// which on one block is an error of a tenth. The quotient on a network of 2 ms lies between
	// 1497.49 and 1497.60 MHz (SA8775) and between 1708.76 and 1708.80 MHz (SA8797): 78 and 89 times
	// the 19.2 MHz of the chips' crystals. Every estimate is checked against it.
	clock float64
}

// socs are the chips that the compiler gives estimates of: automotive chips. It also compiles for
// phones' chips, but prints "Performance Estimates unsupported".
func socs() []soc {
	return []soc{
		{"sa8255", 52, "73", 1497.6e6},
		{"sa8775", 52, "73", 1497.6e6},
		{"sa8797", 72, "", 1708.8e6},
	}
}

// SoCs are the chips that can be named.
func SoCs() []string { return names(socs()) }

func names(list []soc) (names []string) {
	for _, s := range list {
		names = append(names, s.name)
	}
	return names
}

// socIn finds a chip in a list, or uses a number as soc_model.
func socIn(list []soc, name string) (soc, bool) {
	for _, s := range list {
		if s.name == name {
			return s, true
		}
	}
	id, err := strconv.Atoi(name)
	return soc{name: name, id: id}, err == nil && id > 0
}

// Names are the names of the devices.
func Names() []string {
	names := SoCs()
	for i := range names {
		names[i] = Prefix + names[i]
	}
	return names
}

// ParseName reads hexagon:SOC.
func ParseName(name string) (Options, error) {
	o := Options{Name: name}
	rest, ok := strings.CutPrefix(name, Prefix)
	if !ok || rest == "" {
		return o, &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "options",
			Err: fmt.Errorf("%q names no chip", name), Advice: Prefix + "SOC, such as " + Prefix + "sa8775"}
	}
	o.SoC = rest
	_, _, err := o.complete()
	return o, err
}

func (o Options) complete() (Options, soc, error) {
	o.Name = cmp.Or(o.Name, Prefix+o.SoC)
	if o.Parallel <= 0 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	if s, ok := socIn(socs(), o.SoC); ok {
		return o, s, nil
	}
	return o, soc{}, noChip("open device "+o.Name, o.SoC, SoCs(), "; the compiler has estimates for no other")
}

func noChip(op, name string, known []string, more string) error {
	advice := "there is " + strings.Join(known, ", ") + more
	if near := text.Nearest(name, known); near != "" {
		advice = fmt.Sprintf("did you mean %q? %s", near, advice)
	}
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: "options", Err: fmt.Errorf("no chip is named %q", name), Advice: advice}
}
