package sim

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/internal/strictyaml"
	"latlab/internal/text"
)

//go:embed files/*.yaml
var files embed.FS

// ErrUnknown is wrapped by the error for a name that no simulator has.
var ErrUnknown = errors.New("no such simulator")

// Profile selects a measuring process.
type Profile string

// The profiles. See process.go and docs/simulators.md.
const (
	Exact    Profile = "exact"    // the analytic time, once
	Quiet    Profile = "quiet"    // 1.5 % between blocks, and nothing else
	Phone    Profile = "phone"    // warm-up, spikes, clock steps, heat, drift, neighbours
	Hostile  Profile = "hostile"  // like phone, and it crashes, hangs, goes offline, gives false answers and falls back
	Charging Profile = "charging" // like phone, and the battery is being charged, which heats it

	// One trouble each, beside noise between blocks and samples; no sensor shows it.
	Neighbour Profile = "neighbour" // another process on the same core comes and goes
	Sawtooth  Profile = "sawtooth"  // the clock falls and rises again, minute by minute
	Migrating Profile = "migrating" // the scheduler moves the process between a big and a little core
)

// Profiles lists the profiles, the default first.
func Profiles() []Profile {
	return []Profile{Quiet, Exact, Phone, Hostile, Neighbour, Sawtooth, Migrating, Charging}
}

// effects are what a profile simulates beside the noise between blocks.
type effects struct {
	samples  bool // a cold first inference, noise between samples, spikes
	phone    bool // drift, heat, other programs for some seconds
	faults   bool
	shares   bool // see Neighbour
	saws     bool // see Sawtooth
	migrates bool
	charges  bool
}

func (p Profile) effects() effects {
	return map[Profile]effects{
		Phone:     {samples: true, phone: true},
		Hostile:   {samples: true, phone: true, faults: true},
		Neighbour: {samples: true, shares: true},
		Sawtooth:  {samples: true, saws: true},
		Migrating: {samples: true, migrates: true},
		Charging:  {samples: true, phone: true, charges: true},
	}[p]
}

const (
	builtinPrefix = "sim-"
	filePrefix    = "sim:"
)

// Name is a parsed device name.
type Name struct {
	Builtin string // "pixel1-cpu"; empty if File is set
	File    string // as the user wrote it
	Profile Profile
	Unit    uint64 // seed of the measuring process, as for two units of one phone
}

// Names lists the built-in simulators' device names, sorted, without profile and unit.
func Names() []string {
	entries, err := files.ReadDir("files")
	if err != nil {
		panic("sim: " + err.Error()) // cannot happen: the files are embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, builtinPrefix+strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Owns reports whether a device name has the form of a simulator's.
func Owns(name string) bool {
	return strings.HasPrefix(name, builtinPrefix) || strings.HasPrefix(name, filePrefix)
}

// Forms lists the forms of device names for error texts and help.
func Forms() []string {
	return []string{"sim-NAME[:PROFILE[:UNIT]]", "sim:FILE.yaml[:PROFILE[:UNIT]]"}
}

// ParseName parses a device name. It does not check whether the file exists.
func ParseName(name string) (Name, error) {
	n := Name{Profile: Quiet}
	if rest, ok := strings.CutPrefix(name, filePrefix); ok {
		n.File = rest
		// Profile and unit are at the end, because a path may contain a colon.
		if i := strings.LastIndex(rest, ".yaml:"); i >= 0 {
			n.File = rest[:i+len(".yaml")]
			return n, n.tail(name, strings.Split(rest[i+len(".yaml:"):], ":"))
		}
		if n.File == "" {
			return n, userError("open device", "usage", fmt.Errorf("%q names no file", name))
		}
		return n, nil
	}
	rest, ok := strings.CutPrefix(name, builtinPrefix)
	if !ok {
		return Name{}, unknown(name, name)
	}
	parts := strings.Split(rest, ":")
	if n.Builtin = parts[0]; !slices.Contains(Names(), builtinPrefix+n.Builtin) {
		return Name{}, unknown(name, builtinPrefix+n.Builtin)
	}
	return n, n.tail(name, parts[1:])
}

func (n *Name) tail(name string, parts []string) error {
	op := "open device " + text.Clip(name)
	if len(parts) > 2 {
		return userError(op, "usage", fmt.Errorf("the name has more parts than %s", Forms()[0]))
	}
	if len(parts) > 0 {
		n.Profile = Profile(parts[0])
		if !slices.Contains(Profiles(), n.Profile) {
			return userError(op, "usage", fmt.Errorf("no profile is named %q%s",
				text.Clip(parts[0]), strictyaml.DidYouMean(parts[0], profileNames())))
		}
	}
	if len(parts) > 1 {
		unit, err := strconv.ParseUint(parts[1], 10, 64)
		if err != nil {
			return userError(op, "usage", fmt.Errorf("the unit must be a whole number, not %q", text.Clip(parts[1])))
		}
		n.Unit = unit
	}
	return nil
}

func profileNames() []string {
	var names []string
	for _, p := range Profiles() {
		names = append(names, string(p))
	}
	return names
}

func unknown(name, builtin string) error {
	hint := "there are " + strings.Join(Names(), ", ")
	if near := text.Nearest(builtin, Names()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return userError("open device "+text.Clip(name), "unknown", fmt.Errorf("%w: %s; %s", ErrUnknown, text.Clip(builtin), hint))
}

// String returns the canonical name: defaults are left out.
func (n Name) String() string {
	s := builtinPrefix + n.Builtin
	if n.File != "" {
		s = filePrefix + n.File
	}
	switch {
	case n.Unit != 0:
		return fmt.Sprintf("%s:%s:%d", s, n.Profile, n.Unit)
	case n.Profile != Quiet:
		return fmt.Sprintf("%s:%s", s, n.Profile)
	}
	return s
}

func (n Name) load() (*Spec, string, error) {
	if n.File != "" {
		s, hash, err := LoadFile(n.File)
		if err != nil {
			return nil, "", userError("simulator", "file", err) // which names the file
		}
		return s, hash, nil
	}
	path := "files/" + n.Builtin + ".yaml"
	data, err := files.ReadFile(path)
	if err != nil {
		return nil, "", &devices.Error{Fault: devices.FaultLab, Op: "open device " + builtinPrefix + n.Builtin, Reason: "file", Err: err}
	}
	return Load(data, path)
}
