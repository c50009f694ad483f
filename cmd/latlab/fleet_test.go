package main

import (
	"errors"
	"testing"

	"latlab/devices"
)

func TestWorstErrorDecides(t *testing.T) {
	invalid, partial, failed := exitSilently(exitInvalid), exitSilently(exitPartial), errors.New("disk")
	for _, tt := range []struct {
		a, b error
		want int
	}{
		{nil, nil, exitOK}, {nil, invalid, exitInvalid}, {invalid, nil, exitInvalid},
		{invalid, partial, exitPartial}, {partial, invalid, exitPartial},
		{partial, failed, exitFailed}, {failed, partial, exitFailed}, {failed, nil, exitFailed},
		{usagef("x"), failed, exitUsage}, // the first of two that stopped
	} {
		if got := exitCodeOf(moreSevere(tt.a, tt.b)); got != tt.want {
			t.Errorf("moreSevere(%v, %v) has exit code %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

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
		if got := len(backOff(tt.info)) > 0; got != tt.want {
			t.Errorf("%+v is waited for: %v", tt.info, got)
		}
	}
}
