package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/internal/text"
	"latlab/sampler/model"
)

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$`)
	// governorForm matches the kernel's names: "performance", "sched_pixel".
	governorForm = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)
)

// maxCoolDown is longer than any device takes to cool, and short enough that a mistake is noticed.
const maxCoolDown = time.Hour

// placeNames are the fields that say where a device is. A device has exactly one of them.
func placeNames() []string { return []string{"adb", "ssh", "local"} }

// placeFields are the device's name, place, tool and precision.
func (e *entry) placeFields() []tool.Field {
	return []tool.Field{
		{Name: "name", Form: "word", Means: "name for --device: letters, digits, '.', '_' and '-'; required",
			Read: tool.Into(&e.Name, func(v strictyaml.Value) string {
				return v.Matching(nameForm, "1 to 48 letters, digits, '.', '_' and '-', a letter or digit first")
			})},
		{Name: "adb", Form: "serial", Means: "an Android phone, as `adb devices` lists it: a USB serial number, HOST:PORT, emulator-5554, usb:1-4, adb-..._adb-tls-connect._tcp",
			Read: func(v strictyaml.Value) {
				serial := v.Word()
				if why := badSerial(serial); why != "" {
					v.Fail("%q is not a serial number: %s", text.Clip(serial), why)
				}
				e.place = phone(serial)
			}},
		{Name: "ssh", Form: "host or mapping", Means: "a board: an alias of ~/.ssh/config or [USER@]HOST[:PORT], or a mapping of host, user, port, identity (private key) and known_hosts (file)",
			Read: func(v strictyaml.Value) { e.place = readHost(v) }, Paths: func() []string {
				h, _ := e.place.(sshHost)
				return []string{h.identity, h.knownHosts}
			}},
		{Name: "local", Form: "true", Means: "this machine, for an accelerator on its own bus",
			Read: func(v strictyaml.Value) {
				if !v.Bool() {
					v.Fail("must be true; leave it out otherwise")
				}
				e.place = here{}
			}},
		{Name: "tool", Form: "word", Means: "the program that measures: " + strings.Join(toolNames(), ", ") + "; default: " + toolNames()[0],
			Read: func(strictyaml.Value) {}}, // newEntry has read it
		{Name: "twins", Form: "list of words", Means: "names of devices of this file, of the same model, build and runtime, which go on with a sweep when this one fails",
			Read: tool.Words("", "", &e.twins).Read},
		{Name: "precision", Form: "word", Means: "numeric type that --precision defaults to; see the table below",
			Read: func(v strictyaml.Value) { e.Precision = model.Precision(v.Word()) }},
	}
}

// runtimeFields are the fields of tools that run a choosable runtime.
func (e *entry) runtimeFields() []tool.Field {
	return []tool.Field{
		{Name: "delegate", Form: "word", Means: "what executes the graph; default: xnnpack; see the table below",
			Read: tool.Into(&e.Delegate.Name, strictyaml.Value.Word)},
		{Name: "threads", Form: "number", Means: "threads of the runtime; default: 1",
			Read: tool.Into(&e.Threads, func(v strictyaml.Value) int { return v.Int(1, 1024) })},
	}
}

// machineFields are the fields that apply to every tool.
func (e *entry) machineFields() []tool.Field {
	return []tool.Field{
		{Name: "cpus", Form: "list such as 4-7", Means: "CPUs to run on; default: any", Read: tool.Into(&e.CPUs, parsed(ParseCPUs))},
		{Name: "cooldown", Form: "mapping", Means: "below_celsius and limit_seconds: a block waits until the hottest sensor is below that temperature, at most limit_seconds",
			Read: tool.Into(&e.coolDown, readCoolDown)},
		{Name: "settings", Form: "mapping", Means: "changed while the device measures and restored afterwards: governor (needs root there), stay_awake and airplane_mode (adb)",
			Read: tool.Into(&e.settings, readSettings)},
		tool.Words("wrap", "a program on the device, with arguments, that starts the tool", &e.wrap),
		{Name: "dir", Form: "path", Means: "latlab's folder there; default: /data/local/tmp/latlab over adb, ~/.cache/latlab over ssh",
			Read: tool.Into(&e.dir, readDir)},
		{Name: "budget", Form: "size such as 500M", Means: "disk space for models on the device; default: 4G", Read: tool.Into(&e.Budget, parsed(ParseSize))},
	}
}

// parsed reads a word by a parser.
func parsed[T any](parse func(string) (T, error)) func(strictyaml.Value) T {
	return func(v strictyaml.Value) T {
		x, err := parse(v.Word())
		if err != nil {
			v.Fail("%v", err)
		}
		return x
	}
}

func readCoolDown(v strictyaml.Value) machine.CoolDown {
	o := v.Object("below_celsius", "limit_seconds")
	for _, name := range []string{"below_celsius", "limit_seconds"} {
		if !o.Has(name) {
			o.Fail(name, "is missing: a cooldown needs a temperature and a time limit")
		}
	}
	return machine.CoolDown{
		BelowC: o.Get("below_celsius").Between(20, 100),
		Limit:  time.Duration(o.Get("limit_seconds").Between(1, maxCoolDown.Seconds()) * float64(time.Second)),
	}
}

func readSettings(v strictyaml.Value) (s state.Settings) {
	o := v.Object("governor", "stay_awake", "airplane_mode")
	if g, ok := o.Opt("governor"); ok {
		s.Governor = g.Matching(governorForm, "a governor's name such as performance")
	}
	if b, ok := o.Opt("stay_awake"); ok {
		s.StayAwake = b.Bool()
	}
	if b, ok := o.Opt("airplane_mode"); ok {
		s.Airplane = b.Bool()
	}
	return s
}

func readDir(v strictyaml.Value) string {
	dir := v.Word()
	switch clean := strings.Trim(dir, "/"); {
	case !strings.HasPrefix(dir, "/") && !strings.HasPrefix(dir, "~/"):
		v.Fail("must be absolute or begin with ~/, not %q", text.Clip(dir))
	case clean == "" || clean == "~":
		v.Fail("must be a folder for latlab alone, not %q", text.Clip(dir))
	}
	return dir
}

// maxCPU is the kernel's limit on x86 (CONFIG_NR_CPUS is at most 8192; distributions use 4096).
const maxCPU = 4096

// ParseCPUs reads a list such as 0,2-3. An empty text is an empty list.
func ParseCPUs(list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.ParseUint(from, 10, 16)
		b := a
		if err == nil && isRange {
			b, err = strconv.ParseUint(to, 10, 16)
		}
		if err != nil || b < a || b >= maxCPU {
			return nil, fmt.Errorf("%q is not a CPU number or a range such as 2-3", text.Clip(part))
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

// ParseSize reads a number of bytes such as 500M or 2G (powers of 1024).
func ParseSize(size string) (int64, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(size), "B"), "I")
	shift := 0
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]); i >= 0 {
			shift, number = 10*(i+1), number[:n-1]
		}
	}
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || v <= 0 || v > 1<<62>>shift {
		return 0, fmt.Errorf("size %q: want a number of bytes such as 500M or 2G", text.Clip(size))
	}
	return v << shift, nil
}
