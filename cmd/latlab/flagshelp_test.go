package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// eachVerb calls f for every verb that a user sees, with how it is typed. The shells of completion are left
// out: they take nothing, and their examples are completion's.
func eachVerb(p *program, f func(typed string, v *verb)) {
	var walk func(path string, verbs []*verb)
	walk = func(path string, verbs []*verb) {
		for _, v := range verbs {
			if v.hidden {
				continue
			}
			f(path+" "+v.name, v)
			if v.name != "completion" {
				walk(path+" "+v.name, v.verbs)
			}
		}
	}
	walk("latlab", p.verbs)
}

// TestHelp: every verb has two examples or more, each of flags that there are; its required flags exist; and
// its help fits into 80 columns.
func TestHelp(t *testing.T) {
	p := newProgram(streams{})
	eachVerb(p, func(typed string, v *verb) {
		if len(v.examples) < 2 {
			t.Errorf("%s has %d examples, want two or more", typed, len(v.examples))
		}
		for _, example := range v.examples {
			if !strings.Contains(example, typed) && !strings.Contains(example, "latlab --version") {
				t.Errorf("%s: %q is an example of another verb", typed, example)
			}
			checkExample(t, p, example)
		}
		for _, name := range v.required() {
			if !slices.Contains(v.flags.names(), name) {
				t.Errorf("%s needs %s, which is no flag of it", typed, dashed(name))
			}
		}
		for line := range strings.Lines(v.help(typed)) {
			if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > 80 {
				t.Errorf("%s --help has a line of more than 80 columns: %s", typed, line)
			}
		}
	})
	for _, example := range firstJob() {
		checkExample(t, p, example)
	}
}

// checkExample finds the latlab commands of a line of shell, and each of their verbs and flags.
func checkExample(t *testing.T, p *program, example string) {
	t.Helper()
	for _, command := range strings.Split(example, "latlab ")[1:] {
		command, _, _ = strings.Cut(command, "|")
		words := strings.Fields(strings.TrimRight(command, " )"))
		if words[0] == "--version" {
			continue
		}
		v := findVerb(p.verbs, words[0])
		if v == nil {
			t.Errorf("%q: no verb is named %q", example, words[0])
			continue
		}
		for _, word := range words[1:] {
			if within := findVerb(v.verbs, word); within != nil {
				v = within
			}
			name := strings.TrimLeft(word, "-")
			if name != word && !slices.Contains(v.flags.names(), name) {
				t.Errorf("%q: %s has no flag %s", example, v.name, word)
			}
		}
	}
}

// TestHelpHasEveryFlagOnce, in the groups' order.
func TestHelpHasEveryFlagOnce(t *testing.T) {
	eachVerb(newProgram(streams{}), func(typed string, v *verb) {
		var shown []string
		for _, g := range v.groups() {
			shown = append(shown, g.flags...)
		}
		want := v.flags.names()
		slices.Sort(shown)
		slices.Sort(want)
		if !slices.Equal(shown, want) {
			t.Errorf("%s --help has %q, the verb %q", typed, shown, want)
		}
	})
}
