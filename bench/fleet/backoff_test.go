package fleet

import (
	"testing"

	"latlab/devices"
)

// TestWhatCanComeBackIsWaitedFor: this machine cannot be unplugged from itself.
func TestWhatCanComeBackIsWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		info devices.Info
		want bool
	}{
		{devices.Info{Kind: devices.Measured}, false},
		{devices.Info{Kind: devices.Estimated}, false},
		{devices.Info{Kind: devices.Measured, Transport: "adb"}, true},
		{devices.Info{Kind: devices.Simulated}, true},
	} {
		if got := len(BackOff(tt.info)) > 0; got != tt.want {
			t.Errorf("%+v is waited for: %v", tt.info, got)
		}
	}
}
