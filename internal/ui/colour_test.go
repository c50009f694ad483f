package ui

import (
	"bytes"
	"testing"
)

func TestPainterLeavesNamesAlone(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"3 of 9 INVALID, 1 failed\n", "3 of 9 \x1b[1;31mINVALID\x1b[0m, 1 failed\n"},
		{"0 INVALID, 2 networks failed\n", "0 INVALID, \x1b[1;31m2 networks failed\x1b[0m\n"},
		{"20 INVALID in all\n", "20 \x1b[1;31mINVALID\x1b[0m in all\n"},
		{"verdict VALID\n", "verdict \x1b[38;5;28mVALID\x1b[0m\n"},
		{"SWEEP  FAILED  INVALID\n", "SWEEP  FAILED  INVALID\n"},
		{"written to a/INVALID/x-VALID.json and VALIDITY\n", "written to a/INVALID/x-VALID.json and VALIDITY\n"},
		{"pixel  measured  not ready  x\n", "pixel  measured  \x1b[1;31mnot ready\x1b[0m  x\n"},
		{"no end of line: ready", "no end of line: \x1b[38;5;28mready\x1b[0m"},
	} {
		var got bytes.Buffer
		p := NewPainter(&got)
		for _, b := range []byte(tt.in) { // however it comes
			if _, err := p.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(); err != nil || got.String() != tt.want {
			t.Errorf("%q is painted as %q, %v; want %q", tt.in, &got, err, tt.want)
		}
	}
}
