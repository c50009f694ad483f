package main

import (
	"strings"
	"testing"
)

// A configuration is bounded before it is parsed, however it is read.
func TestEndlessConfiguration(t *testing.T) {
	err := applyConfig(nil, func(string) string { return "/dev/zero" })
	if exitCode(err) != exitUsage || !strings.Contains(err.Error(), "/dev/zero is larger than 262144 bytes") {
		t.Errorf("%v", err)
	}
}
