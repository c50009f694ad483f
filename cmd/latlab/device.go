package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"latlab/bench/fleet"
	"latlab/devices"
	"latlab/internal/ui"
)

// deviceTimeout bounds listing and checking devices, not timing on them.
const deviceTimeout = 30 * time.Second

func (o labOptions) openNamed(ctx context.Context, name string) (devices.Device, error) {
	l, err := o.lab()
	if err != nil {
		return nil, err
	}
	// After an interrupt while programs are pushed and settings changed, Open cleans up.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	return l.Open(ctx, name)
}

// closeDevice warns of what could not be restored on a device. Its measurements stay valid.
func closeDevice(s streams, d devices.Device) {
	if err := d.Close(); err != nil {
		fmt.Fprintf(s.err, "latlab: WARNING: %s: %s\n", d.Info().Name, ui.OneLine(err))
	}
}

func (o labOptions) describeNamed(name string) (devices.Info, error) {
	l, err := o.lab()
	if err != nil {
		return devices.Info{}, err
	}
	return l.Describe(name)
}

// twinsOf are the devices that the inventory names as twins of one.
func (o labOptions) twinsOf(name string) ([]fleet.Twin, error) {
	l, err := o.lab()
	if err != nil {
		return nil, err
	}
	var twins []fleet.Twin
	for _, t := range l.Twins(name) {
		twins = append(twins, fleet.Twin{Name: t, Open: func(ctx context.Context) (devices.Device, error) { return o.openNamed(ctx, t) }})
	}
	return twins, nil
}

// agentPath is the path of latlab-agent: the flag's, or beside latlab.
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
