package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/internal/ui"
)

// deviceTimeout bounds looking at a device, not timing on it.
const deviceTimeout = 30 * time.Second

// openDevice opens what --device names.
func openDevice(ctx context.Context, c *cli.Context) (devices.Device, error) {
	name, err := required(c, "device")
	if err != nil {
		return nil, err
	}
	return openNamed(ctx, c, name)
}

func openNamed(ctx context.Context, c *cli.Context, name string) (devices.Device, error) {
	l, err := openLab(c)
	if err != nil {
		return nil, err
	}
	// An interrupt while programs are pushed and settings are made ends that in order.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	d, err := l.Open(ctx, name)
	return d, deviceError(err)
}

// closeDevice says what could not be put right on a device. What was measured is not wrong by it.
func closeDevice(s streams, d devices.Device) {
	if err := d.Close(); err != nil {
		fmt.Fprintf(s.err, "latlab: WARNING: %s: %s\n", d.Info().Name, ui.OneLine(err))
	}
}

// describeDevice says what --device takes, without starting anything.
func describeDevice(c *cli.Context) (devices.Info, error) {
	name, err := required(c, "device")
	if err != nil {
		return devices.Info{}, err
	}
	return describeNamed(c, name)
}

func describeNamed(c *cli.Context, name string) (devices.Info, error) {
	l, err := openLab(c)
	if err != nil {
		return devices.Info{}, err
	}
	info, err := l.Describe(name)
	return info, deviceError(err)
}

// deviceError gives a name that nothing has its exit code.
func deviceError(err error) error {
	var unknown *inventory.UnknownError
	if errors.As(err, &unknown) {
		return withCode(exitNoDevice, err)
	}
	return err
}

// openLab reads the inventory file, and what devices' names do not say.
func openLab(c *cli.Context) (*inventory.Lab, error) {
	o, err := deviceOptions(c)
	if err != nil {
		return nil, err
	}
	return inventory.New(o)
}

// deviceOptions reads what a device's name does not say.
func deviceOptions(c *cli.Context) (inventory.Options, error) {
	cpus, err := parseCPUs(c.String("cpus"))
	if err != nil {
		return inventory.Options{}, err
	}
	threads := 1
	if c.IsSet("threads") || c.Int("threads") != 0 {
		threads = c.Int("threads")
	}
	if threads < 1 || threads > 1024 {
		return inventory.Options{}, usagef("--threads is %d; it must be 1 to 1024", threads)
	}
	path, err := agentPath(c.String("agent"))
	return inventory.Options{
		Threads: threads, CPUs: cpus, AgentPath: path, Python: c.String("python"), VelaConfig: c.String("vela-config"),
		File: c.String("inventory"), AgentBundle: c.String("agent-bundle"), ADB: c.String("adb"),
	}, err
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
