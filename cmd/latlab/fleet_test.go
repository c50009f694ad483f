package main

import (
	"errors"
	"testing"
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
		if got := exitCode(moreSevere(tt.a, tt.b)); got != tt.want {
			t.Errorf("moreSevere(%v, %v) has exit code %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
