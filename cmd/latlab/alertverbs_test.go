package main

import (
	"io"
	"os"
	"regexp"
	"testing"
)

// TestAlertsNameVerbs: what an alert tells a person to type, there is.
func TestAlertsNameVerbs(t *testing.T) {
	verbs := newProgram(streams{out: io.Discard, err: io.Discard}).verbs
	found := 0
	for _, path := range []string{"../../monitoring/rules/latlab.yml", "../../docs/dashboards.md", "../../docs/serving.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)(?:`|^)latlab ([a-z]+)").FindAllSubmatch(text, -1) {
			found++
			if findVerb(verbs, string(m[1])) == nil {
				t.Errorf("%s: there is no %s", path, m[0])
			}
		}
	}
	if found < 15 {
		t.Errorf("%d commands found, there are more", found)
	}
}
