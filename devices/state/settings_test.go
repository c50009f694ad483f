package state_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/devices"
	"latlab/devices/state"
	"latlab/devices/transport"
	"latlab/internal/testenv"
)

// phone is a device with its own tree and Android's commands, each a script that works on a
// file.
type phone struct {
	transport.Local // Put, Get, Stat
	shell
	root, dir string
	ops       *int        // operations so far
	fails     func() bool // the next operation does not answer
	late      bool        // a failing operation is still done: only its answer is lost
}

// tB is implemented by *testing.T and *rapid.T.
type tB interface {
	Helper()
	Fatal(args ...any)
}

// newPhone makes a phone with the governors of some policies and, if there are any, Android's
// settings.
func newPhone(t *testing.T, argv []string, governors, globals map[string]string) *phone {
	t.Helper()
	p := &phone{shell: newShell(t, argv...), root: t.TempDir(), ops: new(int)}
	p.dir = filepath.Join(p.root, "data/local/tmp/latlab it's")
	p.fill(t, governors, globals)
	return p
}

const policyDir = "sys/devices/system/cpu/cpufreq/"

func (p *phone) fill(t tB, governors, globals map[string]string) {
	t.Helper()
	for name, g := range governors {
		p.write(t, policyDir+name+"/scaling_governor", g)
		p.write(t, policyDir+name+"/scaling_available_governors", "schedutil performance powersave")
	}
	path := p.path
	if globals != nil {
		p.write(t, "bin/settings", settingsCommand)
		p.write(t, "bin/cmd", connectivityCommand)
		path = filepath.Join(p.root, "bin") + ":" + path
	}
	p.env = []string{"PATH=" + path, "FAKE=" + filepath.Join(p.root, "globals")}
	for name, v := range globals {
		p.write(t, "globals/"+name, v)
	}
}

func (p *phone) write(t tB, name, text string) {
	t.Helper()
	full := filepath.Join(p.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(text+"\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
}

const settingsCommand = `#!/bin/sh
f=$FAKE/$3
case $1 in
get) if [ -e "$f" ]; then cat "$f"; else echo null; fi ;;
put) mkdir -p "$FAKE" && echo "$4" >"$f" ;;
delete) rm -f "$f"; echo "Deleted 1 rows" ;;
esac`

const connectivityCommand = `#!/bin/sh
[ "$1 $2" = "connectivity airplane-mode" ] || exit 1
case $3 in
enable) echo 1 >"$FAKE/airplane_mode_on" ;;
disable) echo 0 >"$FAKE/airplane_mode_on" ;;
esac`

var errOffline = &devices.Error{Fault: devices.FaultDevice, Op: "test", Reason: devices.ReasonOffline, Err: errors.New("the device went away")}

func (p *phone) broken() bool {
	*p.ops++
	return p.fails != nil && p.fails()
}

func (p *phone) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	broken := p.broken()
	if broken && !p.late {
		return nil, errOffline
	}
	process, err := p.shell.Start(ctx, c)
	if broken && err == nil {
		return lost{process}, nil
	}
	return process, err
}

// lost is a process whose exit is never reported.
type lost struct{ transport.Process }

func (l lost) Wait() transport.Exit {
	l.Process.Wait()
	return transport.Exit{Code: -1, Err: errOffline}
}

func (p *phone) Put(ctx context.Context, f transport.File) error {
	broken := p.broken()
	if broken && !p.late {
		return errOffline
	}
	err := p.Local.Put(ctx, f)
	if broken {
		return errOffline
	}
	return err
}

func (p *phone) Get(ctx context.Context, path string, w io.Writer, limit int64) error {
	if p.broken() {
		return errOffline
	}
	return p.Local.Get(ctx, path, w, limit)
}

// asNobody runs the device's shell as an unprivileged user who owns a folder.
func (p *phone) asNobody(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		if err := os.Chmod(filepath.Join(p.root, policyDir, "policy0/scaling_governor"), 0o444); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := errors.Join(os.Chmod(filepath.Dir(p.root), 0o755), os.MkdirAll(p.dir, 0o777), os.Chmod(p.dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	p.argv = append([]string{testenv.Program(t, "setpriv", "util-linux"), "--reuid=65534", "--clear-groups"}, p.argv...)
}

// facts are all settings that latlab can change, and whether there is a journal.
func (p *phone) facts(t tB) map[string]string {
	t.Helper()
	facts := map[string]string{}
	for _, dir := range []string{policyDir, "globals"} {
		err := filepath.WalkDir(filepath.Join(p.root, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == "scaling_available_governors" {
				return nil
			}
			text, err := os.ReadFile(path)
			name, _ := filepath.Rel(p.root, path)
			facts[name] = strings.TrimSpace(string(text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(p.dir, state.JournalName)); err == nil {
		facts["journal"] = "there"
	}
	return facts
}

var androidGlobals = map[string]string{"stay_on_while_plugged_in": "0", "airplane_mode_on": "0"}

func TestApplyAndRestore(t *testing.T) {
	for _, argv := range shells {
		t.Run(argv[0], func(t *testing.T) {
			p := newPhone(t, argv, map[string]string{"policy0": "schedutil", "policy4": "powersave", "policy7": "performance"},
				map[string]string{"airplane_mode_on": "0", "other": "5"})
			before := p.facts(t)
			s := state.Settings{Governor: "performance", StayAwake: true, Airplane: true}
			if err := state.ApplyBelow(t.Context(), p, p.dir, p.root, s); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]string{
				policyDir + "policy0/scaling_governor": "performance", policyDir + "policy4/scaling_governor": "performance",
				policyDir + "policy7/scaling_governor": "performance", "globals/other": "5",
				"globals/stay_on_while_plugged_in": "7", "globals/airplane_mode_on": "1", "journal": "there",
			}, p.facts(t)); diff != "" {
				t.Errorf("applied: %s", diff)
			}
			info, err := os.Stat(filepath.Join(p.dir, state.JournalName))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the journal is %v, %v", info, err)
			}
			done, err := state.RestoreBelow(t.Context(), p, p.dir, p.root)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{
				"airplane mode was put back to 0", "stay_on_while_plugged_in was put back to null",
				"the governor of policy4 was put back to powersave", "the governor of policy0 was put back to schedutil",
			}, done); diff != "" {
				t.Errorf("done: %s", diff)
			}
			if diff := cmp.Diff(before, p.facts(t)); diff != "" {
				t.Errorf("restored: %s", diff)
			}
			if done, err := state.RestoreBelow(t.Context(), p, p.dir, p.root); len(done) > 0 || err != nil {
				t.Errorf("restored twice: %q, %v", done, err)
			}
		})
	}
}

// Restore repairs what an Apply left that was killed after any step, whether or not the step
// took effect, even if Restore is killed too and called again.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	states := rapid.SampledFrom([]string{"schedutil", "performance", "powersave"})
	p := newPhone(t, []string{"dash"}, nil, nil)
	runs := 0
	rapid.Check(t, func(r *rapid.T) {
		runs++
		p := *p
		p.root = filepath.Join(p.root, fmt.Sprint(runs))
		p.dir, p.ops = filepath.Join(p.root, "lab"), new(int)
		globals := map[string]string{"unrelated": "1"}
		for _, name := range []string{"stay_on_while_plugged_in", "airplane_mode_on"} {
			if v := rapid.SampledFrom([]string{"", "0", "1"}).Draw(r, name); v != "" {
				globals[name] = v
			}
		}
		p.fill(r, map[string]string{"policy0": states.Draw(r, "policy0"), "policy6": states.Draw(r, "policy6")}, globals)
		before := p.facts(r)
		if before["globals/airplane_mode_on"] == "" {
			before["globals/airplane_mode_on"] = "0" // no command deletes it
		}
		s := state.Settings{Governor: states.Draw(r, "governor"), StayAwake: rapid.Bool().Draw(r, "stay"), Airplane: rapid.Bool().Draw(r, "airplane")}
		p.late = rapid.Bool().Draw(r, "late")
		at := rapid.IntRange(1, 14).Draw(r, "step of Apply")
		p.fails = func() bool { return *p.ops >= at }
		err := state.ApplyBelow(r.Context(), &p, p.dir, p.root, s)
		if err != nil && !errors.Is(err, errOffline.Err) {
			r.Fatalf("Apply: %v", err)
		}
		*p.ops, at = 0, rapid.IntRange(1, 12).Draw(r, "step of Restore")
		if _, err := state.RestoreBelow(r.Context(), &p, p.dir, p.root); err != nil && !errors.Is(err, errOffline.Err) {
			r.Fatalf("Restore, killed: %v", err)
		}
		p.fails = nil
		if _, err := state.RestoreBelow(r.Context(), &p, p.dir, p.root); err != nil {
			r.Fatalf("Restore: %v", err)
		}
		after := p.facts(r)
		if after["globals/airplane_mode_on"] == "" {
			after["globals/airplane_mode_on"] = "0"
		}
		if diff := cmp.Diff(before, after); diff != "" {
			r.Fatalf("restored: %s", diff)
		}
	})
}

// A second Apply first restores what the first one changed, so the journal never takes
// latlab's own values for the user's.
func TestApplyTwice(t *testing.T) {
	p := newPhone(t, []string{"dash"}, map[string]string{"policy0": "schedutil"}, nil)
	for _, governor := range []string{"performance", "powersave", "performance"} {
		if err := state.ApplyBelow(t.Context(), p, p.dir, p.root, state.Settings{Governor: governor}); err != nil {
			t.Fatal(err)
		}
		if got := p.facts(t)[policyDir+"policy0/scaling_governor"]; got != governor {
			t.Errorf("the governor is %s, want %s", got, governor)
		}
	}
	if err := state.ApplyBelow(t.Context(), p, p.dir, p.root, state.Settings{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{policyDir + "policy0/scaling_governor": "schedutil"}, p.facts(t)); diff != "" {
		t.Error(diff)
	}
}

// Kernels of old boards have no policies; what somebody else changed meanwhile is not touched,
// and an offline CPU has no governor.
func TestRestoreIsModest(t *testing.T) {
	p := newPhone(t, []string{"dash"}, nil, nil)
	cpu := func(n int) string { return fmt.Sprintf("sys/devices/system/cpu/cpu%d/cpufreq", n) }
	for n := range 4 {
		p.write(t, cpu(n)+"/scaling_governor", "interactive")
	}
	if err := state.ApplyBelow(t.Context(), p, p.dir, p.root, state.Settings{Governor: "performance"}); err != nil {
		t.Fatal(err)
	}
	p.write(t, cpu(1)+"/scaling_governor", "ondemand")
	p.write(t, cpu(2)+"/scaling_governor", "interactive")
	if err := os.RemoveAll(filepath.Join(p.root, cpu(3))); err != nil {
		t.Fatal(err)
	}
	done, err := state.RestoreBelow(t.Context(), p, p.dir, p.root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"the governor of cpu3 is not there any more: its CPUs are switched off",
		"the governor of cpu1 is ondemand, which latlab did not set: left as it is",
		"the governor of cpu0 was put back to interactive",
	}, done); diff != "" {
		t.Error(diff)
	}
}

func TestApplyRefuses(t *testing.T) {
	one := map[string]string{"policy0": "schedutil"}
	for _, tt := range []struct {
		name      string
		governors map[string]string
		globals   map[string]string
		change    func(t *testing.T, p *phone)
		settings  state.Settings
		fault     devices.Fault
		want      string
	}{
		{"no such governor", one, nil, nil, state.Settings{Governor: "fast"}, devices.FaultUser, `the device has no governor "fast", but schedutil, performance, powersave`},
		{"an option", one, nil, nil, state.Settings{Governor: "-n"}, devices.FaultUser, `"-n" is no name of a governor`},
		{"a command", one, nil, nil, state.Settings{Governor: "$(reboot)"}, devices.FaultUser, `"$(reboot)" is no name of a governor`},
		{"no governors", nil, nil, nil, state.Settings{Governor: "performance"}, devices.FaultUser, "has no CPU governors"},
		{"stay awake on a board", one, nil, nil, state.Settings{StayAwake: true}, devices.FaultUser, "no Android settings"},
		{"airplane mode on a board", one, nil, nil, state.Settings{Airplane: true}, devices.FaultUser, "no Android settings"},
		{"airplane mode over Wi-Fi", one, androidGlobals, nil, state.Settings{Airplane: true, Wireless: true}, devices.FaultUser, "would cut the connection"},
		{"an old Android", one, androidGlobals, func(t *testing.T, p *phone) { p.write(t, "bin/cmd", "#!/bin/sh\nexit 1") }, state.Settings{Airplane: true}, devices.FaultUser, "came with Android 11"},
		{"a maker that forbids it", one, androidGlobals, func(t *testing.T, p *phone) {
			p.write(t, "bin/settings", "#!/bin/sh\n[ $1 = get ] || { echo SecurityException >&2; exit 255; }\necho 0")
		}, state.Settings{StayAwake: true}, devices.FaultUser, "Disable permission monitoring"},
		{"a phone that boots", one, androidGlobals, func(t *testing.T, p *phone) { p.write(t, "bin/settings", "#!/bin/sh\necho cmd: no service") }, state.Settings{StayAwake: true}, devices.FaultDevice, "wait until the device has booted"},
		{"not root", one, nil, func(t *testing.T, p *phone) { p.asNobody(t) }, state.Settings{Governor: "performance"}, devices.FaultUser, "only root may set it (name root as the user of the ssh connection"},
		{"not root on a phone", one, androidGlobals, func(t *testing.T, p *phone) { p.asNobody(t) }, state.Settings{Governor: "performance"}, devices.FaultUser, "type `adb root`; phones with a release build refuse that, and Samsung's cannot"},
		{"a governor that cannot be read", one, nil, func(t *testing.T, p *phone) { p.write(t, policyDir+"policy1/scaling_governor", "") }, state.Settings{Governor: "performance"}, devices.FaultUser, "cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPhone(t, []string{"dash"}, tt.governors, tt.globals)
			if tt.change != nil {
				tt.change(t, p)
			}
			before := p.facts(t)
			err := state.ApplyBelow(t.Context(), p, p.dir, p.root, tt.settings)
			if devices.FaultOf(err) != tt.fault || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v (%s), want %q (%s)", err, devices.FaultOf(err), tt.want, tt.fault)
			}
			if diff := cmp.Diff(before, p.facts(t)); diff != "" {
				t.Errorf("it was changed: %s", diff)
			}
		})
	}
}

// A journal comes from the device: it must not make latlab write to other files.
func TestHostileJournals(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":          "\x00\xff",
		"another version":  `{"version":2}`,
		"another file":     `{"version":1,"changes":[{"kind":"governor","key":"/etc/passwd","old":"x","new":"y"}]}`,
		"a way out":        `{"version":1,"changes":[{"kind":"governor","key":"/sys/devices/system/cpu/cpufreq/policy0/../../../scaling_governor","old":"x","new":"y"}]}`,
		"a command":        `{"version":1,"changes":[{"kind":"global","key":"stay_on_while_plugged_in","old":"$(touch bad)","new":"7"}]}`,
		"an option":        `{"version":1,"changes":[{"kind":"global","key":"stay_on_while_plugged_in","old":"--user","new":"7"}]}`,
		"another setting":  `{"version":1,"changes":[{"kind":"global","key":"adb_enabled","old":"0","new":"1"}]}`,
		"another kind":     `{"version":1,"changes":[{"kind":"script","key":"x","old":"0","new":"1"}]}`,
		"too many":         `{"version":1,"changes":[` + strings.Repeat(`{"kind":"airplane","key":"airplane_mode_on","old":"0","new":"1"},`, 2000) + `{"kind":"airplane","key":"airplane_mode_on","old":"0","new":"1"}]}`,
		"longer than wise": strings.Repeat(" ", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPhone(t, []string{"dash"}, map[string]string{"policy0": "schedutil"}, androidGlobals)
			p.write(t, "data/local/tmp/latlab it's/"+state.JournalName, text)
			before := maps.Clone(p.facts(t))
			done, err := state.RestoreBelow(t.Context(), p, p.dir, p.root)
			if devices.FaultOf(err) != devices.FaultDevice || len(done) > 0 {
				t.Errorf("%q, %v", done, err)
			}
			if diff := cmp.Diff(before, p.facts(t)); diff != "" {
				t.Errorf("it was changed: %s", diff)
			}
		})
	}
}
