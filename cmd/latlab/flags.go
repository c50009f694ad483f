package main

import (
	"errors"
	"fmt"
	"os"
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
	lists     []func(*cli.Context) // copy what the library has no Destination for
	words     *[]string            // nil where the verb takes no arguments
	wordsName string
	parsed    *cli.Context
	typedAt   typedFlags
	written   []string // flags of files that need not exist
}

type typedFlags map[string]bool

func env(name string) []string { return []string{envName(name)} }

func envName(flag string) string {
	return "LATLAB_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
}

func (f *flagSet) add(flag cli.Flag) { f.flags = append(f.flags, flag) }

func (f *flagSet) string(to *string, name, usage, value string) {
	f.add(&cli.StringFlag{Name: name, Usage: usage, Value: value, EnvVars: env(name), Destination: to})
}

func (f *flagSet) int(to *int, name, usage string, value int) {
	f.add(&cli.IntFlag{Name: name, Usage: usage, Value: value, EnvVars: env(name), Destination: to})
}

func (f *flagSet) bool(to *bool, name, usage string) {
	f.add(&cli.BoolFlag{Name: name, Usage: usage, EnvVars: env(name), Destination: to})
}

// strings adds a flag that may be repeated. Only the command line can set it. A comma belongs to the
// value, because it may be part of a file's name.
func (f *flagSet) strings(to *[]string, name, usage string, values ...string) {
	f.list(name, usage, func(given []string) { *to = given }).Value = cli.NewStringSlice(values...)
}

// several adds a flag that may be repeated, of names without commas: a comma separates two of them. The
// environment can set it by the variables, if there are any, and then the configuration file too.
func (f *flagSet) several(to *[]string, name, usage string, variables ...string) {
	f.list(name, usage, func(given []string) {
		*to = nil
		for _, one := range given {
			*to = append(*to, strings.Split(one, ",")...)
		}
	}).EnvVars = variables
}

func (f *flagSet) list(name, usage string, set func([]string)) *cli.StringSliceFlag {
	f.lists = append(f.lists, func(c *cli.Context) { set(c.StringSlice(name)) })
	flag := &cli.StringSliceFlag{Name: name, Usage: usage}
	f.add(flag)
	return flag
}

// output adds -o, which the environment cannot set: the result of each command has its own place.
func (f *flagSet) output(to *string, usage string) {
	f.add(&cli.StringFlag{Name: "o", Usage: usage, Destination: to})
}

// result adds the name of a further file that is written, likewise.
func (f *flagSet) result(to *string, name, usage string) {
	f.written = append(f.written, name)
	f.add(&cli.StringFlag{Name: name, Usage: usage, Destination: to})
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

// read copies the parsed lists and arguments, and refuses what is no file in a file's place.
func (f *flagSet) read(c *cli.Context) error {
	f.parsed = c
	for _, read := range f.lists {
		read(c)
	}
	if f.words != nil {
		*f.words = c.Args().Slice()
	} else if c.Args().Present() {
		if word := c.Args().First(); slices.Contains(c.FlagNames(), "model") && (strings.HasSuffix(word, ".tflite") || strings.HasSuffix(word, ".onnx")) {
			return usagef("unexpected argument %q; a shell expands a glob to several files: quote it, --model '*.tflite', or repeat --model", word)
		}
		return usagef("unexpected argument %q; `%s --help` lists the flags", c.Args().First(), c.Command.HelpName)
	}
	return f.checkFiles()
}

// checkPath refuses a folder for a program, and a file for a folder.
func (f *flagSet) checkPath(name, usage string) error {
	path := f.parsed.String(name)
	if strings.Contains(usage, "`PROGRAM`") && strings.Contains(path, "/") {
		return asFile(dashed(name), path)
	}
	if info, err := os.Stat(path); strings.Contains(usage, "`FOLDER`") && name != "o" && err == nil && !info.IsDir() {
		return usagef("%s %s is a file; name a folder", dashed(name), path)
	}
	return nil
}

// checkFiles refuses folders and unreadable files as values of the flags whose help names a FILE or a
// LIST.jsonl, and missing ones that were typed, so that no verb silently ignores one. The environment's and
// the configuration's values are checked too, but they may be for other verbs. The path of a PROGRAM is no
// folder, and a FOLDER that is there is one.
func (f *flagSet) checkFiles() error {
	for _, flag := range f.flags {
		name, usage := flag.Names()[0], flag.(cli.DocGenerationFlag).GetUsage()
		if err := f.checkPath(name, usage); err != nil {
			return err
		}
		isFile := strings.Contains(usage, "`FILE`") || strings.Contains(usage, "`LIST.jsonl`")
		// -o is written. --model takes folders too, and the readers of --model and --models say what to type
		// instead. A store of --db may be made.
		if !isFile || name == "o" || name == "model" || name == "models" {
			continue
		}
		values := f.parsed.StringSlice(name)
		if _, one := flag.(*cli.StringFlag); one {
			values = []string{f.parsed.String(name)}
		}
		for _, path := range values {
			if err := asFile(dashed(name), path); err != nil {
				return err
			}
			if f.typed(name) && name != "db" && !slices.Contains(f.written, name) && isMissing(path) {
				return usagef("%s %s: no such file", dashed(name), path)
			}
		}
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
	set := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return f.parsed.String(name) == "" })
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

// info is the zero value for a flag that the verb does not have.
func (f *flagSet) info(name string) flagInfo {
	all := f.infos()
	if i := slices.IndexFunc(all, func(i flagInfo) bool { return i.name == name }); i >= 0 {
		return all[i]
	}
	return flagInfo{}
}

func (f *flagSet) takesValue(name string) bool { return f.info(name).takesValue }

func (f *flagSet) names() []string {
	return mapped(f.infos(), func(i flagInfo) string { return i.name })
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
	case *cli.StringSliceFlag:
		if len(flag.EnvVars) == 0 {
			return errors.New("cannot be set in the configuration file")
		}
		flag.Value = cli.NewStringSlice(value)
	default:
		return errors.New("cannot be set in the configuration file")
	}
	if err != nil {
		return fmt.Errorf("bad value %q", value)
	}
	return nil
}

// missingFlagError is the name of a required flag that is missing.
type missingFlagError string

func (e missingFlagError) Error() string { return dashed(string(e)) + " is missing" }

// dashed is a flag as it is typed.
func dashed(flag string) string {
	if len(flag) == 1 {
		return "-" + flag
	}
	return "--" + flag
}

// required returns a missingFlagError where the value is empty.
func required(name, value string) error {
	if value == "" {
		return withCode(exitUsage, missingFlagError(name))
	}
	return nil
}
