package main

import (
	"io"
	"strings"
	"testing"
)

// FuzzConfigure: no latlab.yml crashes the program; one that it refuses ends in one line with the
// file's name.
func FuzzConfigure(f *testing.F) {
	for _, text := range []string{
		"", "# nothing\n", "---\n", "null\n", "sweep:\n", "sweep:\n  protocol: precise\n  cache-size: 8G\n",
		"sweep: [1]\n", "swep:\n  n: 1\n", "sweep:\n  n: x\n", "sweep:\n  n: {a: 1}\n", "a: &a [*a]\n", "sweep: &s\n  n: 1\ntime: *s\n",
		"sweep:\n  n: 1\n  n: 2\n", "\xff\xfe", "? [a]\n: b\n", "<<: {n: 1}\n", "sweep:\n  json: maybe\n", "a: b\n---\nc: d\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newProgram(streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
		err := configure(p.verbs, "latlab.yml", data)
		if err != nil && (!strings.HasPrefix(err.Error(), "latlab.yml:") || strings.ContainsAny(err.Error(), "\n\x1b")) {
			t.Errorf("%q: error %q does not begin with the file, or has several lines", data, err)
		}
	})
}

// A configuration is bounded before it is parsed, however it is read.
func TestEndlessConfiguration(t *testing.T) {
	err := applyConfig(nil, func(string) string { return "/dev/zero" })
	if exitCode(err) != exitUsage || !strings.Contains(err.Error(), "/dev/zero is larger than 262144 bytes") {
		t.Errorf("%v", err)
	}
}
