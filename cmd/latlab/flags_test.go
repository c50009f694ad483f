package main

import (
	"testing"
)

// TestFlagsGivenTwice: every flag of every verb either takes several values or is refused when it is
// typed twice.
func TestFlagsGivenTwice(t *testing.T) {
	p := newProgram(streams{})
	var check func(path []string, v *verb)
	check = func(path []string, v *verb) {
		path = append(path, v.name)
		for _, flag := range v.flags.infos() {
			typed := dashed(flag.name) + "=1"
			_, err := flagsFirst(p.verbs, append(append([]string{"latlab"}, path...), typed, typed), typedFlags{})
			if refused := exitCode(err) == exitUsage; refused == flag.repeat {
				t.Errorf("%q with %s twice: refused is %v, the flag takes several values: %v", path, flag.name, refused, flag.repeat)
			}
		}
		for _, within := range v.verbs {
			check(path, within)
		}
	}
	for _, v := range p.verbs {
		check(nil, v)
	}
}
