package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"latlab/internal/text"

	"github.com/urfave/cli/v2"
)

// options are a verb's flags and what it does with them.
type options interface {
	register(f *flagSet)
	run(ctx context.Context, s streams) error
}

// verb is one of latlab's commands.
type verb struct {
	name, usage string
	// needs is what a command must have, as "--db FILE (--space NAME -n NUMBER or --models LIST.jsonl)". Its
	// flags come first in the help.
	needs string
	// examples are commands, two or more a verb.
	examples []string
	hidden   bool
	options
	verbs []*verb // subcommands

	flags flagSet
}

// printed is a verb without flags that prints a text.
type printed func() (string, error)

func (printed) register(*flagSet) {}

func (p printed) run(_ context.Context, s streams) error {
	text, err := p()
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.out, text)
	return err
}

// command makes the library's command of a verb.
func (v *verb) command(s streams, typed typedFlags) *cli.Command {
	v.flags.typedAt = typed
	v.register(&v.flags)
	cmd := &cli.Command{
		Name: v.name, Usage: v.usage, Hidden: v.hidden,
		ArgsUsage: v.flags.wordsName, Flags: v.flags.flags, OnUsageError: onUsage, HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			if err := v.flags.read(c); err != nil {
				return err
			}
			err := v.run(c.Context, s)
			if missing, ok := errors.AsType[missingFlagError](err); ok {
				return usagef("%w; `%s --help` lists the flags", missing, c.Command.HelpName)
			}
			return err
		},
	}
	for _, within := range v.verbs {
		cmd.Subcommands = append(cmd.Subcommands, within.command(s, typed))
	}
	return cmd
}

func findVerb(verbs []*verb, name string) *verb {
	if i := slices.IndexFunc(verbs, func(v *verb) bool { return v.name == name }); i >= 0 {
		return verbs[i]
	}
	return nil
}

func verbNames(verbs []*verb) []string {
	return mapped(verbs, func(v *verb) string { return v.name })
}

// flagsFirst moves a verb's flags in front of its arguments, because the library stops at the
// first argument and people type "show SWEEP --db FILE". It replaces --version by the verb
// version, and records the flags in typed. It refuses a flag that is typed twice, of which the
// library would silently use the last; --quiet --quiet means the same as --quiet.
func flagsFirst(verbs []*verb, args []string, typed typedFlags) ([]string, error) {
	if len(args) < 2 {
		return args, nil
	}
	if args[1] == "--version" {
		args = append([]string{args[0], "version"}, args[2:]...)
	}
	v := findVerb(verbs, args[1])
	if v == nil {
		return args, nil
	}
	head, rest := slices.Clone(args[:2]), args[2:]
	if len(rest) > 0 {
		if within := findVerb(v.verbs, rest[0]); within != nil {
			v, head, rest = within, append(head, rest[0]), rest[1:]
		}
	}
	var words []string
	for len(rest) > 0 && rest[0] != "--" {
		n := 1
		name, isFlag := strings.CutPrefix(rest[0], "-")
		if !isFlag || name == "" {
			words = append(words, rest[0])
		} else {
			name, _, joined := strings.Cut(strings.TrimPrefix(name, "-"), "=")
			flag := v.flags.info(name)
			if typed[name] && !flag.repeat && (flag.takesValue || joined) {
				return nil, usagef("%s is given twice and takes one value; leave one out", dashed(name))
			}
			typed[name] = true
			if !joined && flag.takesValue {
				n = min(2, len(rest))
			}
			head = append(head, rest[:n]...)
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		head, rest = append(head, "--"), rest[1:]
	}
	return append(append(head, words...), rest...), nil
}

// badValue is the library's error for a value that is no number. Only numbers have a form that it checks, but
// for --flag=VALUE of a boolean, of which it says "invalid boolean value".
var badValue = regexp.MustCompile(`^invalid value (".*") for flag -(\S+): (.*)$`)

// onUsage rewords the library's errors and suggests the flag that was probably meant.
func onUsage(c *cli.Context, err error, _ bool) error {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if bad := badValue.FindStringSubmatch(err.Error()); bad != nil {
		why := "is no whole number"
		if bad[3] == "value out of range" {
			why = "is too large"
		}
		return usagef("%s %s %s", dashed(bad[2]), bad[1], why)
	}
	if !unknown {
		return usagef("%v", err)
	}
	flags := c.App.Flags
	if c.Command != nil && len(c.Command.Flags) > 0 {
		flags = c.Command.Flags
	}
	near := ""
	if len(name) > 1 { // any other letter is near to a letter
		near = text.Nearest(name, (&flagSet{flags: flags}).names())
	}
	if near != "" {
		near = fmt.Sprintf("; did you mean %q?", dashed(near))
	}
	return usagef("no flag is named %q%s", dashed(name), near)
}
