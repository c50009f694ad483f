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

// flagSet is the flags of one verb. The verb's options register where the values go; after the
// command line was parsed it says what was typed. Every flag is also LATLAB_NAME in the
// environment and a line of the configuration file; the command line wins over the environment,
// that over the file.
type flagSet struct {
	flags     []cli.Flag
	texts     map[string]*string // values of flags of one word
	lists     map[string]*[]string
	words     *[]string // nil where the verb takes none
	wordsName string
	parsed    *cli.Context
	typedAt   typedFlags
}

// typedFlags are the names of the flags that stood on the command line.
type typedFlags map[string]bool

func env(name string) []string { return []string{envName(name)} }

// envName is the environment variable of a flag.
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

// strings is a flag that may be given several times. It is of the command line alone.
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

// output is -o, which no environment sets: a result goes where this call says.
func (f *flagSet) output(to *string, usage string) {
	f.addText(to, &cli.StringFlag{Name: "o", Usage: usage, Destination: to})
}

// arguments makes a verb take words that belong to no flag.
func (f *flagSet) arguments(to *[]string, name string) { f.words, f.wordsName = to, name }

// count is -n, which has no default.
func (f *flagSet) count(to *int) {
	f.add(&cli.IntFlag{Name: "n", Usage: "how many networks, a `NUMBER`", EnvVars: env("n"), DefaultText: "none", Destination: to})
}

func (f *flagSet) seed(to *uint64) {
	f.add(&cli.Uint64Flag{Name: "seed", Usage: "random seed", Value: 1, EnvVars: env("seed"), Destination: to})
}

// read takes what the parser found and a plain field cannot hold.
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

// typed reports whether a flag was on the command line. What the environment and the
// configuration file set are defaults of many commands, and mean nothing to some of them.
func (f *flagSet) typed(name string) bool { return f.typedAt[name] }

// given reports whether a flag was typed or is in the environment.
func (f *flagSet) given(name string) bool { return f.parsed.IsSet(name) }

// oneSource is the flag that names what a verb reads, of several that exclude each other; ""
// where none or more than one does. What was typed wins over what was set before.
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

// refuseIdle refuses a flag that was typed and would change nothing: whoever types it thinks
// that it does. belongs says what a flag is of, or "" where it has its meaning here.
func (f *flagSet) refuseIdle(here string, belongs func(flag string) string) error {
	for _, flag := range f.flags {
		name := flag.Names()[0]
		if of := belongs(name); of != "" && f.typed(name) {
			return usagef("--%s is of %s, not of %s; leave it out", name, of, here)
		}
	}
	return nil
}

// flagInfo is what completion and the order of words need to know of a flag.
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

// takesValue reports whether the next word belongs to a flag.
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

// setDefault changes the default of a flag, as the configuration file does.
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
		return errors.New("cannot be set in the file")
	}
	if err != nil {
		return fmt.Errorf("bad value %q", value)
	}
	return nil
}

// missingFlagError is a flag that a verb cannot do without.
type missingFlagError struct{ flag, verb string }

func (e *missingFlagError) Error() string {
	dashes := "--"
	if len(e.flag) == 1 {
		dashes = "-"
	}
	return fmt.Sprintf("%s%s is missing; `latlab %s --help` lists the flags", dashes, e.flag, e.verb)
}

// required refuses a flag without a value.
func required(name, value string) error {
	if value == "" {
		return withCode(exitUsage, &missingFlagError{flag: name})
	}
	return nil
}
