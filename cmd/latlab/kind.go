package main

import (
	"strings"

	"latlab/devices"
)

// kindWord is a kind as people must not overlook it: anything but a measurement is shouted.
func kindWord(k devices.Kind) string {
	if k == devices.Measured {
		return string(k)
	}
	return strings.ToUpper(string(k))
}

// kindSentence says what a number that was not measured is; empty for one that was.
func kindSentence(k devices.Kind, harness string) string {
	switch k {
	case devices.Simulated:
		return "SIMULATED: computed by " + harness + " from the network's ops, never measured"
	case devices.Estimated:
		return "ESTIMATED: told by " + harness + ", the vendor's own tool, never measured"
	}
	return ""
}
