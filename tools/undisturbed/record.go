package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"latlab/bench/protocol"
	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/machine"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

type options struct {
	agent, space     string
	networks, rounds int
}

// quiet is the condition that the others are compared with.
const quiet = "quiet"

// conditions disturb the machine until their context ends. They return the agent to time with.
var conditions = map[string]func(context.Context, options) (agentPath string, err error){
	quiet:                func(_ context.Context, o options) (string, error) { return o.agent, nil },
	"one busy process":   busy(1, 0),
	"two busy processes": busy(2, 0),
	"two, stop and go":   busy(2, time.Second),
	"CPU quota of 50 %":  quota,
	"SIGSTOP":            stopped,
}

// record times pairs of blocks: one on the quiet machine, and one in a condition. The quiet latency changes by more from
// minute to minute, on a machine that shares its memory with others, than a rule may be wrong.
func record(ctx context.Context, o options, put func(row) error) error {
	dir, err := os.MkdirTemp("", "latlab-undisturbed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	defer func() {
		made, _ := group()
		_ = os.Remove(made) // there is one if the quota was reached
	}()
	models, err := sampleModels(o, dir)
	if err != nil {
		return err
	}
	var names []string
	for name := range conditions {
		names = append(names, name)
	}
	for round := range o.rounds {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, name)
			if err := inCondition(ctx, o, name, models, put); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func sampleModels(o options, dir string) ([]*model.Model, error) {
	s, err := sampler.Builtin(o.space)
	if err != nil {
		return nil, err
	}
	archs, err := sampler.Sample(s, o.networks, 1)
	if err != nil {
		return nil, err
	}
	var models []*model.Model
	cache := model.NewCache(dir, 1<<32)
	for _, a := range archs {
		g, err := graph.Lower(s, a)
		if err != nil {
			return nil, err
		}
		m, err := model.New(g, model.Form{Format: model.TFLite, Precision: model.Float32}, cache)
		if err != nil {
			return nil, err
		}
		models = append(models, m)
	}
	return models, nil
}

// inCondition times a pair of blocks of every model, the quiet one first and last by turns.
func inCondition(ctx context.Context, o options, name string, models []*model.Model, put func(row) error) error {
	for i, m := range models {
		pair := []*devices.Block{nil, nil} // quiet, in the condition
		stopped := 0.0
		for k := range pair {
			k = (k + i) % 2
			before := stoppedSeconds()
			var err error
			if pair[k], err = timed(ctx, o, []string{quiet, name}[k], m); err != nil {
				var e *devices.Error
				if errors.As(err, &e) && e.Fault == devices.FaultDevice {
					fmt.Fprintln(os.Stderr, err) // too slow under this load
					continue
				}
				return err
			}
			if k == 1 {
				stopped = stoppedSeconds() - before
			}
		}
		if q, b := pair[0], pair[1]; q != nil && b != nil {
			r := row{name, m.Name, samples{b.Samples, b.CPUSamples}, samples{q.Samples, q.CPUSamples}, stopped / b.Elapsed}
			if err := put(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// timed times a block in a condition.
func timed(ctx context.Context, o options, condition string, m *model.Model) (*devices.Block, error) {
	during, end := context.WithCancel(ctx)
	defer end()
	path, err := conditions[condition](during, o)
	if err != nil {
		return nil, err
	}
	d, err := agent.Open(ctx, machine.Here("cpu"), agent.Options{Name: "cpu", Path: path})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	p, err := protocol.Named("default")
	if err != nil {
		return nil, err
	}
	return d.Run(ctx, m, p.Plan(1))
}

const burnArg = "burn"

// burn computes for ever, or by turns computes and sleeps for so many nanoseconds.
func burn(args []string) error {
	pause, err := strconv.ParseInt(strings.Join(args, ""), 10, 64)
	if err != nil {
		return err
	}
	for since := time.Now(); ; {
		if d := time.Duration(pause); d > 0 && time.Since(since) > d {
			time.Sleep(d)
			since = time.Now()
		}
	}
}

func busy(n int, pause time.Duration) func(context.Context, options) (string, error) {
	return func(ctx context.Context, o options) (string, error) {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		for range n {
			c := exec.CommandContext(ctx, self, burnArg, strconv.FormatInt(int64(pause), 10))
			if err := c.Start(); err != nil {
				return "", err
			}
			go c.Wait() //nolint:errcheck // it ends with the context
		}
		return o.agent, nil
	}
}

// group is the control group of the quota, of version 1 or 2.
func group() (dir string, v2 bool) {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return "/sys/fs/cgroup/latlab-undisturbed", true
	}
	return "/sys/fs/cgroup/cpu/latlab-undisturbed", false
}

// stoppedSeconds is for how long the quota has stopped the group's processes.
func stoppedSeconds() float64 {
	dir, _ := group()
	text, _ := os.ReadFile(filepath.Join(dir, "cpu.stat")) // there may be no group yet
	for line := range strings.Lines(string(text)) {
		var n float64
		if _, err := fmt.Sscanf(line, "throttled_usec %f", &n); err == nil {
			return n / 1e6
		}
		if _, err := fmt.Sscanf(line, "throttled_time %f", &n); err == nil {
			return n / 1e9
		}
	}
	return 0
}

// quota makes a control group whose processes get half of one core, and an agent that joins it.
func quota(ctx context.Context, o options) (string, error) {
	group, v2 := group()
	settings := map[string]string{"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}
	if v2 {
		settings = map[string]string{"cpu.max": "50000 100000"}
	}
	if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	for name, value := range settings {
		if err := os.WriteFile(filepath.Join(group, name), []byte(value), 0o600); err != nil {
			return "", err
		}
	}
	real, err := filepath.Abs(o.agent)
	if err != nil {
		return "", err
	}
	// A folder of its own: the script of the block before is removed meanwhile.
	dir, err := os.MkdirTemp("", "latlab-undisturbed-agent-")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = os.RemoveAll(dir) })
	script := filepath.Join(dir, "agent")
	text := fmt.Sprintf("#!/bin/sh\necho $$ > %s/cgroup.procs\nexec '%s' \"$@\"\n", group, real)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil { //nolint:gosec // it is a program
		return "", err
	}
	return script, nil
}

// stopped stops the agent now and then for a moment.
func stopped(ctx context.Context, o options) (string, error) {
	go func() {
		for ctx.Err() == nil {
			time.Sleep(time.Duration(20+rand.IntN(200)) * time.Millisecond)
			signalAgents(syscall.SIGSTOP)
			time.Sleep(time.Duration(5+rand.IntN(40)) * time.Millisecond)
			signalAgents(syscall.SIGCONT)
		}
		signalAgents(syscall.SIGCONT)
	}()
	return o.agent, nil
}

// signalAgents signals this process's children.
func signalAgents(s syscall.Signal) {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range files {
		list, _ := os.ReadFile(f) // the thread may have ended
		for _, word := range strings.Fields(string(list)) {
			if pid, err := strconv.Atoi(word); err == nil {
				_ = syscall.Kill(pid, s) // it may have ended
			}
		}
	}
}
