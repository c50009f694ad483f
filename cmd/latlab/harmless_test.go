package main

import (
	"bytes"
	"testing"
)

// TestToolOutputIsNotObeyed: what a device's tool printed is shown with its lines and tabs, and
// clears no screen.
func TestToolOutputIsNotObeyed(t *testing.T) {
	var out bytes.Buffer
	printOutput(&out, "INFO\t1\r\n\x1b[2J\x1b]0;title\aERROR: caf\u00e9\r")
	want := "  its output:\n    INFO\t1\n    ?[2J?]0;title?ERROR: caf\u00e9?\n"
	if got := out.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
