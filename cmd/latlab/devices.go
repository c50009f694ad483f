package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/devices/state"
)

type deviceRow struct {
	devices.Info
	State   string         `json:"state"` // "ready" or "not ready"
	Problem string         `json:"problem,omitempty"`
	Now     *devices.State `json:"condition,omitempty"`
}

func devicesCommand(s streams) *cli.Command {
	flags := join(deviceFlags()[1:], []cli.Flag{jsonFlag()})
	return &cli.Command{
		Name:  "devices",
		Usage: "list what can be timed on",
		Flags: flags,
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return listDevices(s, c, []deviceRow{cpuRow(c)})
		},
		Subcommands: []*cli.Command{{
			Name: "check", Usage: "explain step by step what a device lacks", ArgsUsage: "NAME",
			Flags: flags, OnUsageError: onUsage, HideHelpCommand: true,
			Action: func(c *cli.Context) error { return checkDevice(s, c) },
		}},
	}
}

func cpuRow(c *cli.Context) deviceRow {
	ctx, cancel := context.WithTimeout(c.Context, deviceTimeout)
	defer cancel()
	now := state.Read("/")
	d, err := openNamed(ctx, c, inventory.Local)
	if err != nil {
		return deviceRow{Info: devices.Info{Name: inventory.Local, Kind: devices.Measured}, State: "not ready", Problem: oneLine(err), Now: &now}
	}
	return deviceRow{Info: d.Info(), State: "ready", Now: &now}
}

func listDevices(s streams, c *cli.Context, rows []deviceRow) error {
	if c.Bool("json") {
		return printDoc(s.out, map[string]any{"devices": rows})
	}
	lines := [][]string{{"DEVICE", "KIND", "STATE", "TAKES", "RUNTIME", "MODEL"}}
	for _, r := range rows {
		lines = append(lines, []string{r.Name, string(r.Kind), r.State, takes(r.Info), runtimeOf(r.Info), r.Fingerprint["cpu"]})
	}
	if err := printTable(s.out, lines); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Problem != "" {
			fmt.Fprintf(s.out, "\n%s: %s\n", r.Name, r.Problem)
		}
	}
	return nil
}

func runtimeOf(i devices.Info) string {
	if i.Delegate == "" {
		return i.Fingerprint["runtime"]
	}
	return i.Fingerprint["runtime"] + " + " + i.Delegate
}

// checkDevice walks through what timing needs, in the order in which it can fail.
func checkDevice(s streams, c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("`latlab devices check NAME` takes one device")
	}
	if _, err := describeNamed(c, c.Args().First()); err != nil {
		return err
	}
	checks := cpuChecks(c)
	if err := printChecks(s, c.Bool("json"), checks); err != nil {
		return err
	}
	for _, k := range checks {
		if k.State == checkBad {
			return withCode(exitFailed, errors.New("device cpu is not ready"))
		}
	}
	return nil
}
