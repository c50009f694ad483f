package state_test

import (
	"os"
	"strings"
	"testing"

	"latlab/devices/state"
	"latlab/internal/testphone"
)

// Reads the state, and changes and restores settings, in a root folder with only Android's
// shell and tools.
func TestPhone(t *testing.T) {
	const governor = "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor"
	p := testphone.New(t, testphone.Options{Sys: map[string]string{strings.TrimPrefix(governor, "/sys/"): "schedutil\n"}})
	phone, dir := p.Transport(), testphone.Tmp+"/lab"
	s, err := state.Over(t.Context(), phone, state.OverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s.LoadAverage == nil || s.HottestC() == nil || s.ThermalStatus == nil || s.Battery == nil || s.OnBattery == nil || s.ScreenOn == nil ||
		s.AirplaneMode == nil || *s.AirplaneMode || len(s.MaxFrequencyHz) != 8 {
		t.Errorf("%+v", s)
	}
	if err := state.Apply(t.Context(), phone, dir, state.Settings{Governor: "performance", StayAwake: true, Airplane: true}); err != nil {
		t.Fatal(err)
	}
	text := func(path string) string {
		b, err := os.ReadFile(p.Path(path))
		if err != nil {
			t.Error(err)
		}
		return strings.TrimSpace(string(b))
	}
	const globals = "/data/testphone/settings/global/"
	for path, want := range map[string]string{governor: "performance", globals + "stay_on_while_plugged_in": "7", globals + "airplane_mode_on": "1"} {
		if got := text(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if s, err := state.Over(t.Context(), phone, state.OverOptions{}); err != nil || s.AirplaneMode == nil || !*s.AirplaneMode {
		t.Errorf("airplane mode is %v, %v", s.AirplaneMode, err)
	}
	if done, err := state.Restore(t.Context(), phone, dir); err != nil || len(done) != 3 {
		t.Errorf("done: %q, %v", done, err)
	}
	for path, want := range map[string]string{governor: "schedutil", globals + "stay_on_while_plugged_in": "0", globals + "airplane_mode_on": "0"} {
		if got := text(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if left, err := os.ReadDir(p.Path(dir)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
