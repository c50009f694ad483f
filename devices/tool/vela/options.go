package vela

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latlab/devices"
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
	if o.SystemConfig == "" {
		o.SystemConfig = system
	}
	if o.MemoryMode == "" {
		o.MemoryMode = memory
	}
	if o.Name == "" {
		o.Name = Prefix + o.Accelerator + ":" + o.SystemConfig + ":" + o.MemoryMode
	}
	if o.Parallel <= 0 {
		o.Parallel = cores()
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

// unknown is the error of a word that is not in the list of known ones.
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
	name := o.Name
	if name == "" {
		name = Prefix + o.Accelerator
	}
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + name, Reason: "options", Err: err, Advice: advice}
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
