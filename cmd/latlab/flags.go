package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/devices/inventory"
	"latlab/sampler"
)

// Flags that several verbs share. Every one is also LATLAB_NAME in the environment and a
// line of the configuration file; the flag wins over the environment, that over the file.

func env(name string) []string { return []string{envName(name)} }

// envName is the environment variable of a flag.
func envName(flag string) string {
	return "LATLAB_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
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
		intFlag("threads", "`N` threads of the runtime, of cpu, adb:SERIAL and ssh:HOST; part of the device's identity", 1),
		stringFlag("cpus", "CPUs to run on, a `LIST` such as 0,1, of cpu, adb:SERIAL and ssh:HOST; part of the device's identity", ""),
		stringFlag("agent", "latlab-agent's `FILE`; beside latlab unless told", ""),
		stringFlag("python", "the estimators' Python, a `FILE`; python3 unless told", ""),
		stringFlag("vela-config", "system configurations and memory modes for Vela, a `FILE` .ini; Vela's own unless told", ""),
		stringFlag("inventory", "your devices, a `FILE` .yml; latlab/devices.yml of the user's configuration unless told", ""),
		stringFlag("agent-bundle", "`FOLDER` of the agent for arm64 phones and boards; agent-arm64 beside latlab unless told", ""),
		stringFlag("adb", "adb's `FILE`; the one of PATH unless told", ""),
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
		dashes := "--"
		if len(name) == 1 {
			dashes = "-"
		}
		return "", usagef("%s%s is missing; `latlab %s --help` lists the flags", dashes, name, c.Command.Name)
	}
	return v, nil
}

// stdoutPath is how people ask for stdout.
const stdoutPath = "-"

// outPath reads -o, which may be missing, and refuses what it must not name; folder is what
// would be written as several files, "" where it is one. /dev/stdout and what it leads to are
// the same stream as a dash: opened by its name, a file behind it would be replaced under the shell
// that opened it.
func outPath(c *cli.Context, folder string, inputs ...string) (string, error) {
	out := c.String("o")
	if slices.Contains([]string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}, out) {
		out = stdoutPath
	}
	switch {
	case out != stdoutPath:
		if err := notOver(out, inputs...); err != nil {
			return "", err
		}
		return out, fits(out, folder)
	case folder != "":
		return "", usagef("%s is a folder of files; -o names it", folder)
	case c.Bool("json") && typed(c, "json"):
		return "", usagef("--json prints to stdout, where the result goes; leave it out or name a file with -o")
	}
	return out, nil
}

// fits refuses a place where the output cannot be: now, not when an hour's fit has nowhere to go.
func fits(out, folder string) error {
	switch {
	case folder != "" && isFile(out):
		return usagef("-o %s is a file; %s is a folder of files", out, folder)
	case folder != "":
		return nil
	case isFolder(out):
		return usagef("-o %s is a folder; name a file", out)
	case !isFolder(filepath.Dir(out)):
		return usagef("-o %s: there is no folder %s", out, filepath.Dir(out))
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// notOver refuses to write over a file that the command reads and over any store and its log, which
// may hold the last of it: one slip of the hand, and the sweep of a week would be a page. Links are
// known by where they lead. It comes before a store is opened: SQLite loses its locks on a file that is opened beside it.
func notOver(out string, inputs ...string) error {
	for _, part := range []string{"-wal", "-shm", "-journal", ".lock"} {
		if store, is := strings.CutSuffix(out, part); is && isDatabase(store) {
			return usagef("-o %s would be taken for a part of the store %s; name another file", out, store)
		}
	}
	there, err := os.Stat(out)
	if err != nil {
		return nil //nolint:nilerr // what is not there is nobody's input
	}
	for _, in := range inputs {
		if read, err := os.Stat(in); err == nil && os.SameFile(there, read) {
			return usagef("-o %s would write over %s, which is read here; name another file", out, in)
		}
	}
	if there.Mode().IsRegular() && isDatabase(out) {
		return usagef("-o %s would write over a store (it is an SQLite file); name another file, or delete that one first", out)
	}
	return nil
}

// isDatabase looks at the first bytes only. The mark of latlab's own stores lies behind them, but
// of a store that its first sweep still writes it is in the log beside the file.
func isDatabase(path string) bool {
	const magic = "SQLite format 3\x00"
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
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
	cpus, err := inventory.ParseCPUs(list)
	if err != nil {
		return nil, usagef("--cpus %q: %w", list, err)
	}
	return cpus, nil
}

// parseSize reads a number of bytes such as 500M or 2G (powers of 1024).
func parseSize(text string) (int64, error) {
	n, err := inventory.ParseSize(text)
	return n, withCode(exitUsage, err)
}

// didYouMean suggests the candidate that a mistyped word most likely meant, if any.
func didYouMean(word string, candidates []string) string {
	if near := sampler.Nearest(word, candidates); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
