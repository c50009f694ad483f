package state

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Settings are what latlab changes on a device while it measures, if the user asks for it. The
// zero value changes nothing.
type Settings struct {
	Governor  string // of all CPUs: "performance"; needs root on the device
	StayAwake bool   // Android: the screen does not go off while the phone is plugged in
	Airplane  bool   // Android 11 and newer: no radio
	// Wireless means that the device is reached by radio (adb's serial is HOST:PORT). Airplane
	// is then refused: it would cut the only connection over which it can be undone.
	Wireless bool
}

func (s Settings) changesNothing() bool { return s.Governor == "" && !s.StayAwake && !s.Airplane }

// ReasonSetting is the reason of errors of Apply and Restore: the device does not support the
// setting, or latlab lacks the permission.
const ReasonSetting = "setting"

// Kinds of settings.
const (
	kindGovernor = "governor"
	kindGlobal   = "global"   // of Android's settings, by name
	kindAirplane = "airplane" // has its own command: the setting alone does not switch radios off
)

const (
	stayOn       = "stay_on_while_plugged_in"
	airplaneMode = "airplane_mode_on"
	// stayOnAny is the mask of AC, USB and wireless (android.os.BatteryManager).
	stayOnAny = 7
	unset     = "null" // what `settings get` prints for a setting without a value
)

// Apply makes settings on a device. dir is latlab's private folder on the device. Apply first
// restores what an earlier Apply left, then writes the present values to a journal in dir, and
// only then changes them. Restore restores them. If a setting does not take effect, all are
// restored and Apply returns an error.
//
// Errors are the context's, the transport's, or a *devices.Error: the user's if the device does
// not support the setting or needs root for it, with the command to type.
func Apply(ctx context.Context, t transport.Transport, dir string, s Settings) error {
	return setter{t: t, dir: dir}.apply(ctx, s)
}

// Restore restores the settings that Apply changed, except those that somebody else has changed
// since. It returns one line for each thing done; none if there is no journal. After an error
// it may be called again.
func Restore(ctx context.Context, t transport.Transport, dir string) (done []string, err error) {
	return setter{t: t, dir: dir}.restore(ctx)
}

// setter changes the settings of a device.
type setter struct {
	t    transport.Transport
	dir  string
	root string // of /sys on the device, for tests
}

func (d setter) apply(ctx context.Context, s Settings) error {
	if _, err := d.restore(ctx); err != nil {
		return err
	}
	if s.changesNothing() {
		return nil
	}
	now, err := d.read(ctx)
	if err != nil {
		return err
	}
	changes, err := now.plan(s)
	if err != nil || len(changes) == 0 {
		return err
	}
	if err := d.writeJournal(ctx, changes); err != nil {
		return err
	}
	if err := d.make(ctx, changes); err != nil {
		return d.restoreAfter(ctx, err)
	}
	return nil
}

// restoreTimeout limits what is done after the context of Apply ended.
const restoreTimeout = 2 * time.Minute

// restoreAfter restores after an error, even if ctx has ended.
func (d setter) restoreAfter(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
	defer cancel()
	if _, back := d.restore(ctx); back != nil {
		return fmt.Errorf("%w; the changed settings could not be restored: %w", err, back)
	}
	return err
}

// make changes the settings and checks them.
func (d setter) make(ctx context.Context, changes []change) error {
	said := ""
	for _, c := range changes {
		text, err := d.set(ctx, c, c.New)
		if err != nil {
			return err
		}
		said += text
	}
	now, err := d.settled(ctx, changes)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if got, _ := now.value(c); got != c.New {
			return now.refused(c, got, said)
		}
	}
	return nil
}

// Reads after a change: Android's settings take time to show, the kernel's none.
const (
	readBacks    = 4
	readBackWait = 500 * time.Millisecond
)

// settled reads until the changes are visible, or the time is up.
func (d setter) settled(ctx context.Context, changes []change) (current, error) {
	for i := 1; ; i++ {
		now, err := d.read(ctx)
		if err != nil || i == readBacks || now.has(changes) || !slices.ContainsFunc(changes, ofAndroid) {
			return now, err
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-time.After(readBackWait):
		}
	}
}

func ofAndroid(c change) bool { return c.Kind != kindGovernor }

// The scripts set $1 to $2. Their success is checked by reading the setting back.
var setScripts = map[string]string{
	kindGovernor: `echo "$2" >"$1"`,
	kindGlobal:   `settings put global "$1" "$2"`,
	kindAirplane: `if [ "$2" = 1 ]; then cmd connectivity airplane-mode enable; else cmd connectivity airplane-mode disable; fi`,
}

const deleteScript = `settings delete global "$1"`

// maxSaid limits what a command that changes a setting may print.
const maxSaid = 64 << 10

// set returns what the script printed if it failed.
func (d setter) set(ctx context.Context, c change, value string) (string, error) {
	script := setScripts[c.Kind]
	if c.Kind == kindGlobal && value == unset {
		script = deleteScript
	}
	_, err := transport.Shell(ctx, d.t, maxSaid, script, d.key(c), value)
	var failed *transport.ShellError
	if errors.As(err, &failed) {
		return failed.Error() + "\n", nil
	}
	return "", blame("make the settings of the device", err)
}

// key is the place of the change: for a governor, its file with the root in front.
func (d setter) key(c change) string {
	if c.Kind == kindGovernor {
		return d.root + c.Key
	}
	return c.Key
}

// current is the present state of a device's settings.
type current struct {
	governors map[string]governor // by path of its file
	order     []string
	android   bool
	stay      string
	airplane  string
	root      bool // the shell runs as root
}

type governor struct {
	now       string
	available []string // empty if the kernel does not list them
}

//go:embed settings.sh
var settingsScript string

const settingsTimeout = 45 * time.Second

func (d setter) read(ctx context.Context) (current, error) {
	q := question{op: "read the settings of the device", script: settingsScript, root: d.root, timeout: settingsTimeout}
	parts, err := ask(ctx, d.t, q)
	if err != nil {
		return current{}, err
	}
	return readCurrent(parts, d.root), nil
}

func readCurrent(parts map[string]string, root string) current {
	now := current{governors: map[string]governor{}, root: word(parts["uid"]) == "0"}
	for line := range strings.SplitSeq(parts["governors"], "\n") {
		fields := strings.Split(line, "|")
		p, ok := strings.CutPrefix(fields[0], root)
		if len(fields) != 3 || !ok || !isGovernorFile(p) || len(now.order) >= maxSensors {
			continue
		}
		if _, seen := now.governors[p]; !seen {
			now.order = append(now.order, p)
		}
		now.governors[p] = governor{word(fields[1]), strings.Fields(word(fields[2]))}
	}
	stay, android := parts[stayOn]
	now.android, now.stay, now.airplane = android, word(stay), word(parts[airplaneMode])
	return now
}

// isGovernorFile accepts only the kernel's two forms, because paths come from the device and
// its journal.
func isGovernorFile(p string) bool {
	dir, name := path.Split(p)
	rest, ok := strings.CutPrefix(dir, "/"+cpuDir)
	if !ok || name != "scaling_governor" {
		return false
	}
	if policy, ok := strings.CutPrefix(rest, "cpufreq/policy"); ok {
		return isNumber(strings.TrimSuffix(policy, "/"))
	}
	cpu, ok := strings.CutSuffix(rest, "/cpufreq/")
	number, isCPU := strings.CutPrefix(cpu, "cpu")
	return ok && isCPU && isNumber(number)
}

// plan returns the changes that the settings need.
func (now current) plan(s Settings) ([]change, error) {
	var changes []change
	if s.Governor != "" {
		governors, err := now.planGovernors(s.Governor)
		if err != nil {
			return nil, err
		}
		changes = governors
	}
	if (s.StayAwake || s.Airplane) && !now.android {
		return nil, userError(errors.New("the device has no Android settings, so it has neither a screen to keep awake nor an airplane mode"), "leave stay_awake and airplane_mode out of its settings")
	}
	android, err := now.planAndroid(s)
	return append(changes, android...), err
}

func (now current) planAndroid(s Settings) ([]change, error) {
	var changes []change
	if s.StayAwake {
		c := change{Kind: kindGlobal, Key: stayOn}
		old, ok := now.value(c)
		if !ok {
			return nil, unread(c)
		}
		mask, _ := strconv.Atoi(old) // 0 if it was never set
		c.Old, c.New = old, strconv.Itoa(mask|stayOnAny)
		changes = append(changes, c)
	}
	if s.Airplane {
		if s.Wireless {
			return nil, userError(errors.New("airplane mode would cut the connection to a phone that is reached over Wi-Fi"), "connect it by USB, or leave airplane_mode out of its settings")
		}
		c := change{Kind: kindAirplane, Key: airplaneMode, New: "1"}
		old, ok := now.value(c)
		if !ok {
			return nil, unread(c)
		}
		c.Old = old
		changes = append(changes, c)
	}
	return slices.DeleteFunc(changes, func(c change) bool { return c.Old == c.New }), nil
}

// unread is the error of a setting that the device does not report.
func unread(c change) error {
	return &devices.Error{Fault: devices.FaultDevice, Op: "read the settings of the device", Reason: ReasonSetting,
		Err: fmt.Errorf("%s cannot be read", c.name()), Advice: "wait until the device has booted, then try again"}
}

func (now current) planGovernors(want string) ([]change, error) {
	if !isValue(want) {
		return nil, userError(fmt.Errorf("%q is no name of a governor", want), "")
	}
	if len(now.order) == 0 {
		return nil, userError(errors.New("the device has no CPU governors to set"), "leave governor out of its settings")
	}
	var changes []change
	for _, file := range now.order {
		g := now.governors[file]
		if len(g.available) > 0 && !slices.Contains(g.available, want) {
			return nil, userError(fmt.Errorf("the device has no governor %q, but %s", want, strings.Join(g.available, ", ")), "")
		}
		if !isValue(g.now) {
			return nil, userError(fmt.Errorf("the governor in force cannot be read (%s), so it could not be put back", file), now.rootAdvice())
		}
		if g.now != want {
			changes = append(changes, change{kindGovernor, file, g.now, want})
		}
	}
	return changes, nil
}

// value returns a setting's present value; ok is false if the device did not report it. That
// does not mean that it has no value: a phone that boots reports none for a while.
func (now current) value(c change) (value string, ok bool) {
	switch c.Kind {
	case kindGovernor:
		value = now.governors[c.Key].now
		return value, isValue(value)
	case kindAirplane:
		if now.airplane == unset {
			return "0", true
		}
		return now.airplane, now.airplane == "0" || now.airplane == "1"
	}
	return now.stay, now.stay == unset || isNumber(now.stay)
}

func (now current) has(changes []change) bool {
	for _, c := range changes {
		if got, _ := now.value(c); got != c.New {
			return false
		}
	}
	return true
}

// refused is the error of a setting that did not take effect.
func (now current) refused(c change, got, said string) error {
	err := fmt.Errorf("%s is %q after it was set to %q", c.name(), got, c.New)
	advice := ""
	switch {
	case c.Kind == kindAirplane:
		advice = "airplane mode is set by `cmd connectivity`, which came with Android 11: on older ones switch it on by hand and leave airplane_mode out of the device's settings"
	case c.Kind == kindGovernor && !now.root:
		err = fmt.Errorf("%w: only root may set it", err)
		advice = now.rootAdvice()
	case c.Kind == kindGovernor:
		advice = "the kernel or a daemon of the vendor's refuses it: leave governor out of the device's settings"
	case c.Kind == kindGlobal:
		advice = "some makers forbid adb to change settings: in the developer options allow \"Disable permission monitoring\" or \"USB debugging (Security settings)\""
	}
	e := userError(err, advice)
	e.Output = text.Tail(said, maxTail)
	return e
}

func (now current) rootAdvice() string {
	if now.android {
		return "type `adb root`; phones with a release build refuse that, and Samsung's cannot at all: leave governor out of their settings"
	}
	return "name root as the user of the ssh connection, or leave governor out of the device's settings"
}

func userError(err error, advice string) *devices.Error {
	return &devices.Error{Fault: devices.FaultUser, Op: "make the settings of the device", Reason: ReasonSetting, Err: err, Advice: advice}
}
