package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/devices/state"
)

// check is one thing that doctor or devices check looked at.
type check struct {
	Name   string `json:"name"`
	State  string `json:"state"` // "ok", "note" or "missing"
	Detail string `json:"detail"`
	Type   string `json:"type,omitempty"` // what to type
}

const (
	checkOK   = "ok"
	checkNote = "note"
	checkBad  = "missing"
)

func doctorCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "say what this host lacks and what to type",
		Flags: join(deviceFlags()[1:], cacheFlags()[:1], []cli.Flag{jsonFlag()}),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			checks := append(cpuChecks(c), cacheCheck(c.String("cache-dir")))
			checks = append(checks, steadyChecks(state.Read("/"))...)
			if err := printChecks(s, c.Bool("json"), checks); err != nil {
				return err
			}
			for _, k := range checks {
				if k.State == checkBad {
					return withCode(exitFailed, errors.New("something is missing; see above for what to type"))
				}
			}
			return nil
		},
	}
}

func printChecks(s streams, asJSON bool, checks []check) error {
	if asJSON {
		return printDoc(s.out, map[string]any{"checks": checks})
	}
	for _, k := range checks {
		fmt.Fprintf(s.out, "%-8s %s: %s\n", k.State, k.Name, k.Detail)
		if k.Type != "" {
			fmt.Fprintf(s.out, "         type: %s\n", k.Type)
		}
	}
	return nil
}

// cpuChecks are what timing on this machine needs, each the next one's condition.
func cpuChecks(c *cli.Context) []check {
	if runtime.GOOS != "linux" {
		return []check{{"system", checkBad, runtime.GOOS + " has no agent; latlab times on Linux", ""}}
	}
	checks := []check{{Name: "system", State: checkOK, Detail: runtime.GOOS + "/" + runtime.GOARCH}}
	path, err := agentPath(c.String("agent"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return append(checks, check{"agent", checkBad, "latlab-agent, which times models, is not there: " + err.Error(), "make build"})
	}
	checks = append(checks, check{Name: "agent", State: checkOK, Detail: path})
	ctx, cancel := context.WithTimeout(c.Context, deviceTimeout)
	defer cancel()
	d, err := openNamed(ctx, c, inventory.Local)
	if err != nil {
		return append(checks, agentProblem(err))
	}
	f := d.Info().Fingerprint
	return append(checks, check{Name: "runtime", State: checkOK, Detail: f["runtime"] + " with xnnpack, library " + clipHash(f["library_sha256"])})
}

// agentProblem explains why the agent did not start, with what it printed.
func agentProblem(err error) check {
	k := check{"runtime", checkBad, oneLine(err), "make build"}
	var e *devices.Error
	if errors.As(err, &e) {
		switch {
		case strings.Contains(e.Output, "libtensorflowlite_c.so"):
			k.Detail = "the TFLite library cannot be loaded: " + strings.TrimSpace(e.Output)
		case strings.Contains(e.Output, "GLIBC"):
			k.Detail, k.Type = "the C library is too old for this runtime: "+strings.TrimSpace(e.Output), "make build TFLITE_DIR=FOLDER  # a runtime of your own"
		}
	}
	return k
}

func clipHash(h string) string {
	if len(h) > 12 {
		return h[:12]
	}
	return h
}

// cacheCheck writes a file where models will be written.
func cacheCheck(flag string) check {
	dir, err := cacheDir(flag)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return check{"model cache", checkBad, err.Error(), "latlab sweep --cache-dir FOLDER ..."}
	}
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return check{"model cache", checkBad, err.Error(), "latlab sweep --cache-dir FOLDER ..."}
	}
	f.Close()
	os.Remove(f.Name())
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return check{"model cache", checkNote, dir + ": free space unknown: " + err.Error(), ""}
	}
	free := int64(fs.Bavail) * fs.Bsize
	k := check{"model cache", checkOK, fmt.Sprintf("%s, %d MiB free", dir, free>>20), ""}
	if free < 1<<30 {
		k.State, k.Type = checkNote, "latlab sweep --cache-size 200M ..."
	}
	return k
}

func cacheDir(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "latlab", "models"), err
}

// steadyChecks are about how steady numbers will be; none forbids measuring.
func steadyChecks(s devices.State) []check {
	checks := []check{loadCheck(s)}
	if len(s.TemperaturesC) == 0 {
		checks = append(checks, check{"temperature", checkNote, "no sensor can be read (a virtual machine?): throttling shows only as drift", ""})
	}
	if s.Governor != "" && s.Governor != "performance" {
		checks = append(checks, check{"governor", checkNote, s.Governor + " changes the clock with the load", "cpupower frequency-set -g performance"})
	}
	if s.Turbo != nil && *s.Turbo {
		checks = append(checks, check{"turbo", checkNote, "the clock depends on the temperature and on the other cores", "echo 0 > /sys/devices/system/cpu/cpufreq/boost"})
	}
	if s.OnBattery != nil && *s.OnBattery {
		checks = append(checks, check{"power", checkNote, "on battery; plug it in", ""})
	}
	return checks
}

func loadCheck(s devices.State) check {
	if s.LoadAverage == nil {
		return check{"load", checkNote, "unknown", ""}
	}
	k := check{"load", checkOK, fmt.Sprintf("%.2f on %d CPUs", *s.LoadAverage, runtime.NumCPU()), ""}
	if *s.LoadAverage > 0.5*float64(runtime.NumCPU()) {
		k.State, k.Detail = checkNote, k.Detail+": others are working here; expect noise"
	}
	return k
}
