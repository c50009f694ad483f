package machine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/transport"
)

// android is a machine with Android's settings command, which keeps one file a setting.
func android(t *testing.T) (r *remote, stayOn func() string) {
	t.Helper()
	dir := t.TempDir()
	script := `#!/bin/sh
f=$FAKE/$3
case $1 in
get) if [ -e "$f" ]; then cat "$f"; else echo null; fi ;;
put) echo "$4" >"$f" ;;
delete) rm -f "$f" ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "settings"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &remote{env: []string{"FAKE=" + dir, "PATH=" + dir + ":" + os.Getenv("PATH")}}, func() string {
		b, _ := os.ReadFile(filepath.Join(dir, "stay_on_while_plugged_in"))
		return strings.TrimSpace(string(b))
	}
}

func TestSettings(t *testing.T) {
	r, stayOn := android(t)
	dir := filepath.Join(t.TempDir(), "lab")
	awake := machine.Options{Name: "pixel", Dir: dir, Settings: state.Settings{StayAwake: true}}
	m := open(t, r, awake)
	if got := stayOn(); got != "7" {
		t.Errorf("open: %q", got)
	}
	if err := m.Close(); err != nil || stayOn() != "" {
		t.Errorf("close: %v, %q", err, stayOn())
	}
	wantNames(t, dir, ".latlab")

	// A crash, followed by a run that changes no settings.
	if _, err := machine.Open(t.Context(), r, awake); err != nil || stayOn() != "7" {
		t.Fatalf("%v, %q", err, stayOn())
	}
	if err := open(t, r, machine.Options{Dir: dir}).Close(); err != nil || stayOn() != "" {
		t.Errorf("after a crash: %v, %q", err, stayOn())
	}

	// A crash, followed by a cleanup.
	if _, err := machine.Open(t.Context(), r, awake); err != nil {
		t.Fatal(err)
	}
	lines, err := machine.Clean(t.Context(), r, awake)
	if err != nil || len(lines) != 2 || !strings.Contains(lines[0], "put back") || lines[1] != "removed "+dir || stayOn() != "" || exists(t, dir) {
		t.Errorf("clean: %q, %v, %q", lines, err, stayOn())
	}
}

// TestCloseOfAnInterruptedSweep: settings are restored even if the context has ended.
func TestCloseOfAnInterruptedSweep(t *testing.T) {
	r, stayOn := android(t)
	ctx, cancel := context.WithCancel(t.Context())
	m, err := machine.Open(ctx, r, machine.Options{Name: "pixel", Dir: filepath.Join(t.TempDir(), "lab"), Settings: state.Settings{StayAwake: true}})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := m.Close(); err != nil || stayOn() != "" {
		t.Errorf("close: %v, %q", err, stayOn())
	}
}

func TestSettingsOfADeviceThatIsAway(t *testing.T) {
	r, stayOn := android(t)
	dir := filepath.Join(t.TempDir(), "lab")
	o := machine.Options{Name: "pixel", Dir: dir, Settings: state.Settings{StayAwake: true}}
	m, err := machine.Open(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	stage(t, m, sized(t, t.TempDir(), 100_000, 1))
	r.onStart = func(transport.Command) error { return offline() }
	r.onGet = func(string) error { return offline() }
	err = m.Close()
	for _, text := range []string{"the cable is out", "stay awake may still be set there", dir + "/settings.json and is put back when pixel is next used", "models remain"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: want %q", err, text)
		}
	}
	if reason(err) != "device offline" || stayOn() != "7" {
		t.Errorf("%s, %q", reason(err), stayOn())
	}
	// The cleanup needs the device as well.
	if _, err := machine.Clean(t.Context(), r, o); reason(err) != "device offline" {
		t.Errorf("clean: %v", err)
	}
	r.onStart, r.onGet = nil, nil
	if err := open(t, r, machine.Options{Dir: dir}).Close(); err != nil || stayOn() != "" {
		t.Errorf("at the next contact: %v, %q", err, stayOn())
	}
}

// TestSettingsThatCannotBePutBack: their journal is kept, and everything else is removed.
func TestSettingsThatCannotBePutBack(t *testing.T) {
	r, _ := android(t)
	dir := filepath.Join(t.TempDir(), "lab")
	o := machine.Options{Name: "pixel", Dir: dir, Settings: state.Settings{StayAwake: true}}
	m, err := machine.Open(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	stage(t, m, sized(t, t.TempDir(), 100_000, 1))
	if err := os.WriteFile(filepath.Join(dir, "settings.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := machine.Clean(t.Context(), r, o)
	if err == nil || len(lines) != 1 || !strings.HasPrefix(lines[0], "removed 1 model") {
		t.Errorf("%q, %v", lines, err)
	}
	wantNames(t, dir, ".latlab", "settings.json")
}

// TestSettingsWithoutAFolder: without a folder they could not be restored after a crash, so
// they are refused.
func TestSettingsWithoutAFolder(t *testing.T) {
	_, err := machine.Open(t.Context(), transport.Local{}, machine.Options{Name: "cpu", Settings: state.Settings{Governor: "performance"}})
	if reason(err) != "user folder" {
		t.Errorf("open: %v", err)
	}
	if err := errors.Join(machine.Here("cpu").Close()); err != nil {
		t.Error(err)
	}
}
