package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"latlab/internal/text"

	"github.com/urfave/cli/v2"
)

// flagSet holds the flags of one verb. The verb's options register where the values go; after
// parsing, flagSet reports which flags were typed. Every flag can also be set by LATLAB_NAME in the
// environment and by a line of the configuration file. The command line overrides the environment,
// and the environment overrides the file.
type flagSet struct {
	flags     []cli.Flag
	texts     map[string]*string // values of string flags
	lists     map[string]*[]string
	words     *[]string // nil where the verb takes no arguments
	wordsName string
	parsed    *cli.Context
	typedAt   typedFlags
}

// typedFlags holds the names of the flags on the command line.
type typedFlags map[string]bool

func env(name string) []string { return []string{envName(name)} }

// envName is the environment variable that sets a flag.
func envName(flag string) string {
	return "LATLAB_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
}

func (f *flagSet) add(flag cli.Flag) { f.flags = append(f.flags, flag) }

func (f *flagSet) string(to *string, name, usage, value string) {
	f.addText(to, &cli.StringFlag{Name: name, Usage: usage, Value: value, EnvVars: env(name), Destination: to})
}

func (f *flagSet) addText(to *string, flag *cli.StringFlag) {
	if f.texts == nil {
		f.texts = map[string]*string{}
	}
	f.texts[flag.Name] = to
	f.add(flag)
}

func (f *flagSet) int(to *int, name, usage string, value int) {
	f.add(&cli.IntFlag{Name: name, Usage: usage, Value: value, EnvVars: env(name), Destination: to})
}

func (f *flagSet) bool(to *bool, name, usage string) {
	f.add(&cli.BoolFlag{Name: name, Usage: usage, EnvVars: env(name), Destination: to})
}

// strings adds a flag that may be repeated. Only the command line can set it.
func (f *flagSet) strings(to *[]string, name, usage string, values ...string) {
	if f.lists == nil {
		f.lists = map[string]*[]string{}
	}
	f.lists[name] = to
	flag := &cli.StringSliceFlag{Name: name, Usage: usage}
	if len(values) > 0 {
		flag.Value = cli.NewStringSlice(values...)
	}
	f.add(flag)
}

// output adds -o, which the environment cannot set: the result of each command has its own place.
func (f *flagSet) output(to *string, usage string) {
	f.addText(to, &cli.StringFlag{Name: "o", Usage: usage, Destination: to})
}

// arguments makes a verb take arguments besides its flags.
func (f *flagSet) arguments(to *[]string, name string) { f.words, f.wordsName = to, name }

// count adds -n, which has no default.
func (f *flagSet) count(to *int) {
	f.add(&cli.IntFlag{Name: "n", Usage: "how many networks, a `NUMBER`", EnvVars: env("n"), DefaultText: "none", Destination: to})
}

func (f *flagSet) seed(to *uint64) {
	f.add(&cli.Uint64Flag{Name: "seed", Usage: "random seed", Value: 1, EnvVars: env("seed"), Destination: to})
}

// read copies the parsed lists and arguments, for which the library has no Destination.
func (f *flagSet) read(c *cli.Context) error {
	f.parsed = c
	for name, to := range f.lists {
		*to = c.StringSlice(name)
	}
	if f.words != nil {
		*f.words = c.Args().Slice()
	} else if c.Args().Present() {
		return usagef("unexpected argument %q; `latlab %s --help` lists the flags", c.Args().First(), c.Command.Name)
	}
	return nil
}

// typed reports whether a flag was on the command line. The environment and the configuration
// file set defaults for many commands, some of which do not use them.
func (f *flagSet) typed(name string) bool { return f.typedAt[name] }

// given reports whether a flag was typed or is in the environment.
func (f *flagSet) given(name string) bool { return f.parsed.IsSet(name) }

// oneSource returns which one of several mutually exclusive flags is set, "" where none or
// several are. Flags on the command line override those of the environment and the file.
func (f *flagSet) oneSource(names ...string) string {
	set := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return *f.texts[name] == "" })
	if typed := slices.DeleteFunc(slices.Clone(set), func(name string) bool { return !f.typed(name) }); len(typed) > 0 {
		set = typed
	}
	if len(set) != 1 {
		return ""
	}
	return set[0]
}

// refuseUnused refuses a typed flag that has no effect here, so that nobody relies on it.
// belongs returns what the flag applies to, or "" where it applies here.
func (f *flagSet) refuseUnused(here string, belongs func(flag string) string) error {
	for _, flag := range f.flags {
		name := flag.Names()[0]
		if of := belongs(name); of != "" && f.typed(name) {
			return usagef("--%s applies to %s, not to %s; leave it out", name, of, here)
		}
	}
	return nil
}

// flagInfo is what completion and flagsFirst need to know about a flag.
type flagInfo struct {
	name, usage        string
	takesValue, repeat bool
}

func (f *flagSet) infos() []flagInfo {
	var all []flagInfo
	for _, flag := range f.flags {
		_, isBool := flag.(*cli.BoolFlag)
		_, repeat := flag.(*cli.StringSliceFlag)
		usage := ""
		if d, ok := flag.(cli.DocGenerationFlag); ok {
			usage = d.GetUsage()
		}
		for _, name := range flag.Names() {
			all = append(all, flagInfo{name, usage, !isBool, repeat})
		}
	}
	return all
}

// takesValue reports whether the word after a flag is its value.
func (f *flagSet) takesValue(name string) bool {
	return slices.ContainsFunc(f.infos(), func(i flagInfo) bool { return i.name == name && i.takesValue })
}

func (f *flagSet) names() []string {
	var names []string
	for _, i := range f.infos() {
		names = append(names, i.name)
	}
	return names
}

// setDefault changes the default of a flag, for the configuration file.
func (f *flagSet) setDefault(name, value string) error {
	at := slices.IndexFunc(f.flags, func(flag cli.Flag) bool { return flag.Names()[0] == name })
	if at < 0 {
		return fmt.Errorf("no such flag%s", text.DidYouMean(name, f.names()))
	}
	var err error
	switch flag := f.flags[at].(type) {
	case *cli.StringFlag:
		flag.Value = value
	case *cli.IntFlag:
		flag.Value, err = strconv.Atoi(value)
	case *cli.Uint64Flag:
		flag.Value, err = strconv.ParseUint(value, 10, 64)
	case *cli.BoolFlag:
		flag.Value, err = strconv.ParseBool(value)
	default:
		return errors.New("cannot be set in the configuration file")
	}
	if err != nil {
		return fmt.Errorf("bad value %q", value)
	}
	return nil
}

// missingFlagError reports a required flag that is missing.
type missingFlagError struct{ flag, verb string }

func (e *missingFlagError) Error() string {
	dashes := "--"
	if len(e.flag) == 1 {
		dashes = "-"
	}
	return fmt.Sprintf("%s%s is missing; `latlab %s --help` lists the flags", dashes, e.flag, e.verb)
}

// required returns a missingFlagError where the value is empty.
func required(name, value string) error {
	if value == "" {
		return withCode(exitUsage, &missingFlagError{flag: name})
	}
	return nil
}
