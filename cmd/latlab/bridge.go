package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/sampler"
	"latlab/sampler/model"
)

// What verbs that are not converted yet need. It goes with the last of them.

func stringFlag(name, usage, value string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Usage: usage, Value: value, EnvVars: env(name)}
}

func intFlag(name, usage string, value int) *cli.IntFlag {
	return &cli.IntFlag{Name: name, Usage: usage, Value: value, EnvVars: env(name)}
}

func boolFlag(name, usage string) *cli.BoolFlag {
	return &cli.BoolFlag{Name: name, Usage: usage, EnvVars: env(name)}
}

func jsonFlag() cli.Flag  { return boolFlag("json", "print JSON") }
func quietFlag() cli.Flag { return boolFlag("quiet", "no progress and no log on stderr, errors only") }

func spaceFlag() cli.Flag {
	return stringFlag("space", "search space: a built-in `NAME` or a .yaml file", "")
}

func seedFlag() cli.Flag {
	return &cli.Uint64Flag{Name: "seed", Usage: "random seed", Value: 1, EnvVars: env("seed")}
}

func countFlag() cli.Flag {
	return &cli.IntFlag{Name: "n", Usage: "how many networks, a `NUMBER`", EnvVars: env("n"), DefaultText: "none"}
}

func coverageFlag() cli.Flag {
	return boolFlag("coverage", "choose networks so that every table entry is seen as early as possible")
}

func dbFlag() cli.Flag { return stringFlag("db", "the store, an SQLite `FILE`", "") }

func costFlag() cli.Flag { return stringFlag("cost", "cost model, a JSON `FILE` that fit wrote", "") }

func sweepIDFlag() cli.Flag {
	return stringFlag("sweep", "which sweep of the store, by `ID`", "")
}

func flagsOf(register func(*flagSet)) []cli.Flag {
	var f flagSet
	register(&f)
	return f.flags
}

func deviceFlags() []cli.Flag {
	return flagsOf(func(f *flagSet) { f.device(new(string)); new(labOptions).register(f) })
}

func cacheFlags() []cli.Flag   { return flagsOf(new(cacheOptions).register) }
func measureFlags() []cli.Flag { return flagsOf(new(measureOptions).register) }

func join(groups ...[]cli.Flag) []cli.Flag {
	var all []cli.Flag
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// typed reports whether a flag was on the command line. What the environment and the
// configuration file set are defaults of many commands, and mean nothing to some of them.
func typedOf(c *cli.Context, name string) bool {
	line := *c
	line.Command = nil // by which the library finds what the environment set
	return slices.Contains(line.LocalFlagNames(), name)
}

// oneSource is the flag that names what a verb reads, of several that exclude each other; ""
// where none or more than one does. What was typed wins over what was set before.
func oneSourceOf(c *cli.Context, flags ...string) string {
	named := func(typedOnly bool) []string {
		return slices.DeleteFunc(slices.Clone(flags), func(name string) bool {
			return c.String(name) == "" || typedOnly && !typedOf(c, name)
		})
	}
	given := named(true)
	if len(given) == 0 {
		given = named(false)
	}
	if len(given) != 1 {
		return ""
	}
	return given[0]
}

// refuseIdle refuses a flag that was typed and would change nothing: whoever types it thinks
// that it does. belongs says what a flag is of, or "" where it has its meaning here.
func refuseIdleOf(c *cli.Context, here string, belongs func(flag string) string) error {
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if of := belongs(name); of != "" && typedOf(c, name) {
			return usagef("--%s is of %s, not of %s; leave it out", name, of, here)
		}
	}
	return nil
}

func requiredOf(c *cli.Context, name string) (string, error) {
	v := c.String(name)
	err := required(name, v)
	if err != nil {
		err = withCode(exitUsage, &missingFlagError{name, c.Command.Name})
	}
	return v, err
}

func requiredSpaceOf(c *cli.Context) (*sampler.Space, error) {
	name, err := requiredOf(c, "space")
	if err != nil {
		return nil, err
	}
	return findSpace(name)
}

func requiredCountOf(c *cli.Context) (int, error) { return c.Int("n"), requiredCount(c.Int("n")) }

func noArgumentsOf(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("unexpected argument %q; `latlab %s --help` lists the flags", c.Args().First(), c.Command.Name)
	}
	return nil
}

func outPathOf(c *cli.Context, folder string, inputs ...string) (string, error) {
	f := &flagSet{typedAt: typedFlags{"json": typedOf(c, "json")}}
	return outPath(outputOptions{out: c.String("o"), json: c.Bool("json"), flags: f}, folder, inputs...)
}

func labOptionsOf(c *cli.Context) labOptions {
	threads := 1
	if c.IsSet("threads") || c.Int("threads") != 0 {
		threads = c.Int("threads")
	}
	return labOptions{threads: threads, cpus: c.String("cpus"), programOptions: programOptions{
		agent: c.String("agent"), python: c.String("python"), velaConfig: c.String("vela-config"),
		inventory: c.String("inventory"), agentBundle: c.String("agent-bundle"), adb: c.String("adb"),
	}}
}

func measureOptionsOf(c *cli.Context) *measureOptions {
	return &measureOptions{
		device: c.String("device"), labOptions: labOptionsOf(c), cache: cacheOptions{c.String("cache-dir"), c.String("cache-size")},
		formOptions: formOptions{c.String("precision"), c.String("input")}, allowPartial: c.Bool("allow-partial"),
		protocol: c.String("protocol"), db: c.String("db"), wait: c.Bool("wait"), seed: c.Uint64("seed"),
		quiet: c.Bool("quiet"), json: c.Bool("json"),
	}
}

func openLabOf(c *cli.Context) (*inventory.Lab, error) { return labOptionsOf(c).lab() }

func openDeviceOf(ctx context.Context, c *cli.Context) (devices.Device, error) {
	if _, err := requiredOf(c, "device"); err != nil {
		return nil, err
	}
	return measureOptionsOf(c).open(ctx)
}

func describeDeviceOf(c *cli.Context) (devices.Info, error) {
	if _, err := requiredOf(c, "device"); err != nil {
		return devices.Info{}, err
	}
	return measureOptionsOf(c).describe()
}

func openCacheOf(c *cli.Context) (*model.Cache, error) { return measureOptionsOf(c).cache.open() }
