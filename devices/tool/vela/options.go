package vela

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/tool/python"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Prefix begins the names of these devices.
const Prefix = "vela:"

// Accelerators are the NPUs that Vela 5.2.0 knows, by family and MACs a cycle.
func Accelerators() []string {
	return []string{
		"ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512",
		"ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048",
	}
}

// Names are the names of the accelerators with their default configurations.
func Names() []string {
	names := Accelerators()
	for i := range names {
		names[i] = Prefix + names[i]
	}
	return names
}

// ParseName reads vela:ACCELERATOR[:SYSTEM_CONFIG[:MEMORY_MODE]].
func ParseName(name string) (Options, error) {
	o := Options{Name: name}
	rest, ok := strings.CutPrefix(name, Prefix)
	parts := strings.Split(rest, ":")
	if !ok || len(parts) > 3 || slices.Contains(parts, "") {
		return o, o.userError(fmt.Errorf("%q names no NPU", name), Prefix+"ACCELERATOR[:SYSTEM_CONFIG[:MEMORY_MODE]], such as "+Prefix+"ethos-u65-512")
	}
	parts = append(parts, "", "")
	o.Accelerator, o.SystemConfig, o.MemoryMode = parts[0], parts[1], parts[2]
	return o, unknown(o, "accelerator", o.Accelerator, Accelerators())
}

// defaults returns a family's configurations if the user names none. All are from Arm's own vela.ini:
// for the U55 the larger of the two systems, whose flash is read only; for the others the systems with
// DRAM at 12 GB/s.
func defaults(accelerator string) (system, memory string) {
	switch family(accelerator) {
	case "U55":
		return "Ethos_U55_High_End_Embedded", "Shared_Sram"
	case "U65":
		return "Ethos_U65_Client_Server", "Dedicated_Sram"
	}
	return "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram"
}

// family is "U65" of "ethos-u65-512".
func family(accelerator string) string {
	_, rest, _ := strings.Cut(accelerator, "-")
	f, _, _ := strings.Cut(rest, "-")
	return strings.ToUpper(f)
}

func (o Options) complete() (Options, error) {
	if err := unknown(o, "accelerator", o.Accelerator, Accelerators()); err != nil {
		return o, err
	}
	system, memory := defaults(o.Accelerator)
	if o.ConfigFile != "" && o.SystemConfig == "" {
		return o, o.userError(errors.New("a configuration file of your own needs the name of its system configuration"),
			Prefix+o.Accelerator+":SYSTEM_CONFIG[:MEMORY_MODE]")
	}
	o.SystemConfig, o.MemoryMode = cmp.Or(o.SystemConfig, system), cmp.Or(o.MemoryMode, memory)
	o.Name = cmp.Or(o.Name, Prefix+o.Accelerator+":"+o.SystemConfig+":"+o.MemoryMode)
	if o.Parallel <= 0 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	return o, o.checkFamily()
}

// checkFamily refuses a system that Arm wrote for a different NPU: Vela accepts it silently.
func (o Options) checkFamily() error {
	if o.ConfigFile != "" {
		return nil
	}
	for _, f := range []string{"U55", "U65", "U85"} {
		if strings.HasPrefix(o.SystemConfig, "Ethos_"+f+"_") && f != family(o.Accelerator) {
			return o.userError(fmt.Errorf("%s is a system of an Ethos-%s, not of %s", o.SystemConfig, f, o.Accelerator), "")
		}
	}
	return nil
}

func unknown(o Options, what, word string, known []string) error {
	if slices.Contains(known, word) {
		return nil
	}
	advice := "there is " + strings.Join(known, ", ")
	if near := text.Nearest(word, known); near != "" {
		advice = fmt.Sprintf("did you mean %q? %s", near, advice)
	}
	return o.userError(fmt.Errorf("no %s is named %q", what, word), advice)
}

func (o Options) userError(err error, advice string) error {
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + cmp.Or(o.Name, Prefix+o.Accelerator), Reason: "options", Err: err, Advice: advice}
}

//go:embed probe.py
var probeScript string

const probeTimeout = time.Minute

// findings is what a Python reports about Vela.
type findings struct {
	Python       string             `json:"python"`
	Packages     map[string]*string `json:"packages"`
	Missing      string             `json:"missing"` // why the package cannot be loaded
	Sections     []string           `json:"sections"`
	Accelerators []string           `json:"accelerators"`
	CoreClock    float64            `json:"core_clock_hz"`
	Problem      string             `json:"problem"`
}

func probe(ctx context.Context, p python.Interpreter, o Options, config string) (*findings, error) {
	op := "open device " + o.Name
	if config == armConfig {
		config = ""
	}
	var f findings
	err := p.Ask(ctx, python.Script{Op: op, Source: probeScript, Timeout: probeTimeout,
		Args: []string{o.Accelerator, config, o.SystemConfig, o.MemoryMode}}, &f)
	if err != nil {
		return nil, err
	}
	if f.Missing != "" {
		return nil, requirement().Missing(op, p, f.Missing, f.Packages)
	}
	return &f, nil
}

func requirement() python.Requirement {
	return python.Requirement{Packages: []python.Package{{Name: Package, Version: Version}}, Licence: "Apache-2.0"}
}

// check refuses unknown sections, a configuration that Vela refused, and a missing or wrong clock.
func (f *findings) check(o Options) error {
	for _, section := range []struct{ what, prefix, word string }{
		{"system configuration", "System_Config.", o.SystemConfig}, {"memory mode", "Memory_Mode.", o.MemoryMode},
	} {
		if f.Sections == nil {
			break // the file is not an .ini file; Problem says so
		}
		if err := unknown(o, section.what, section.word, f.known(o, section.prefix)); err != nil {
			return err
		}
	}
	switch {
	case f.Problem != "":
		return o.userError(fmt.Errorf("the configuration is refused: %s", text.ClipTo(text.OneLine(f.Problem), 300)), "")
	case f.CoreClock < minClock:
		return o.userError(fmt.Errorf("system configuration %s has a core_clock of %g Hz", o.SystemConfig, f.CoreClock),
			"Vela takes 1 Hz where the .ini has none; write core_clock=500e6, in Hz")
	}
	return nil
}

// known returns the sections of a kind, without those that Arm wrote for other NPUs.
func (f *findings) known(o Options, prefix string) []string {
	var words []string
	for _, s := range f.Sections {
		word, ok := strings.CutPrefix(s, prefix)
		o.SystemConfig = word
		if ok && (o.ConfigFile != "" || o.checkFamily() == nil) {
			words = append(words, word)
		}
	}
	return words
}

// minClock is far below any NPU's: a lower clock has a missing or wrong unit.
const minClock = 1e6

// Check reports, step by step, whether a Python can estimate with Vela, and what to type if it cannot.
func Check(ctx context.Context, t transport.Transport, interpreter string) []python.Step {
	p := python.Interpreter{Transport: t, Path: interpreter}
	o, _ := Options{Accelerator: "ethos-u65-512"}.complete()
	f, err := probe(ctx, p, o, armConfig)
	if err == nil {
		err = f.check(o)
	}
	if err != nil {
		return requirement().Failed(p, err)
	}
	return requirement().Passed(p, f.Python, f.Packages)
}
