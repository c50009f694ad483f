package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/sampler"
)

// Flags that several verbs share. Every one is also LATLAB_NAME in the environment and a
// line of the configuration file; the flag wins over the environment, that over the file.

func env(name string) []string {
	return []string{"LATLAB_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
}

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
	return &cli.Uint64Flag{Name: "seed", Usage: "`SEED` of everything random", Value: 1, EnvVars: env("seed")}
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

func deviceFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag("device", "what to time on, a `NAME`; the verb devices lists them", ""),
		intFlag("threads", "`N` threads of the runtime, of cpu alone; part of the device's identity", 1),
		stringFlag("cpus", "CPUs to run on, a `LIST` such as 0,1, of cpu alone; part of the device's identity", ""),
		stringFlag("agent", "latlab-agent's `FILE`; beside latlab unless told", ""),
		stringFlag("python", "the estimators' Python, a `FILE`; python3 unless told", ""),
		stringFlag("vela-config", "system configurations and memory modes for Vela, a `FILE` .ini; Vela's own unless told", ""),
	}
}

func cacheFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag("cache-dir", "`FOLDER` of the model cache; the user's cache folder unless told", ""),
		stringFlag("cache-size", "how much the model cache may hold: a `SIZE` such as 500M or 2G", "2G"),
	}
}

func join(groups ...[]cli.Flag) []cli.Flag {
	var all []cli.Flag
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// required returns a flag's value or says that it is missing.
func required(c *cli.Context, name string) (string, error) {
	v := c.String(name)
	if v == "" {
		return "", usagef("--%s is missing; `latlab %s --help` lists the flags", name, c.Command.Name)
	}
	return v, nil
}

func requiredSpace(c *cli.Context) (*sampler.Space, error) {
	name, err := required(c, "space")
	if err != nil {
		return nil, err
	}
	return findSpace(name)
}

func findSpace(name string) (*sampler.Space, error) {
	s, err := sampler.Find(name)
	return s, withCode(exitUsage, err)
}

func requiredCount(c *cli.Context) (int, error) {
	n := c.Int("n")
	if n < 1 {
		return 0, usagef("-n must be at least 1")
	}
	return n, nil
}

// parseCPUs reads a list such as 0,2-3.
func parseCPUs(list string) ([]int, error) {
	var cpus []int
	if list == "" {
		return nil, nil
	}
	for _, part := range strings.Split(list, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.Atoi(from)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 0 || b < a || b >= 4096 {
			return nil, usagef("--cpus %q: %q is not a CPU number or a range such as 2-3", list, part)
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

// parseSize reads a number of bytes such as 500M or 2G (powers of 1024).
func parseSize(text string) (int64, error) {
	shift := 0
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	if n := len(number); n > 0 {
		switch number[n-1] {
		case 'K':
			shift = 10
		case 'M':
			shift = 20
		case 'G':
			shift = 30
		case 'T':
			shift = 40
		}
		if shift > 0 {
			number = number[:n-1]
		}
	}
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || v <= 0 || v > 1<<62>>shift {
		return 0, usagef("size %q: want a number of bytes such as 500M or 2G", text)
	}
	return v << shift, nil
}

// didYouMean suggests the candidate that a mistyped word most likely meant, if any.
func didYouMean(word string, candidates []string) string {
	if near := sampler.Nearest(word, candidates); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
