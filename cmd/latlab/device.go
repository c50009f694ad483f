package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/transport"
)

// deviceTimeout bounds looking at a device, not timing on it.
const deviceTimeout = 30 * time.Second

// cpuDevice is this machine.
const cpuDevice = "cpu"

// openDevice opens what --device names.
func openDevice(ctx context.Context, c *cli.Context) (devices.Device, error) {
	if err := checkDeviceName(c); err != nil {
		return nil, err
	}
	return openCPU(ctx, c)
}

// checkDeviceName says whether there is such a device, without opening it.
func checkDeviceName(c *cli.Context) error {
	name, err := required(c, "device")
	if err == nil && name != cpuDevice {
		err = noDevice(name)
	}
	return err
}

func noDevice(name string) error {
	return withCode(exitNoDevice, usagef("no device is named %q; there is %s (`latlab devices` lists them)", name, cpuDevice))
}

func openCPU(ctx context.Context, c *cli.Context) (devices.Device, error) {
	o, err := cpuOptions(c)
	if err != nil {
		return nil, err
	}
	return agent.Open(ctx, transport.Local{}, o)
}

func cpuOptions(c *cli.Context) (agent.Options, error) {
	cpus, err := parseCPUs(c.String("cpus"))
	if err != nil {
		return agent.Options{}, err
	}
	threads := 1
	if c.IsSet("threads") || c.Int("threads") != 0 {
		threads = c.Int("threads")
	}
	if threads < 1 || threads > 1024 {
		return agent.Options{}, usagef("--threads is %d; it must be 1 to 1024", threads)
	}
	path, err := agentPath(c.String("agent"))
	return agent.Options{Name: cpuDevice, Path: path, Threads: threads, CPUs: cpus}, err
}

// agentPath is where latlab-agent lies: where the user says, or beside latlab.
func agentPath(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	return filepath.Join(filepath.Dir(exe), "latlab-agent"), nil
}
