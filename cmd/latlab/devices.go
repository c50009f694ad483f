package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/internal/ui"
)

// devicesCommand has three documents.
//
// `devices --json` is {"devices": [...]}: each has the fields of devices.Info (name, kind,
// formats, precisions, delegate, threads, ...) and those of inventory.Status: state ("ready",
// "not ready", "offline", "unauthorized", "busy", "hot"), problem and type where it is not
// ready, source ("built-in", "file", "attached"), model, soc, os, build, delegates,
// temperature_celsius, battery_ratio, condition (devices.State). What is not known is null.
//
// `devices check NAME --json` is {"checks": [...]}: name, state ("ok", "note", "missing"),
// detail, and type where there is something to type. Only the last can be "missing".
//
// `devices clean NAME --json` is {"device": NAME, "done": [...]}, a line for each thing done.
func devicesCommand(s streams) *cli.Command {
	flags := join(deviceFlags()[1:], cacheFlags(), []cli.Flag{jsonFlag()})
	return &cli.Command{
		Name:  "devices",
		Usage: "list what can be timed on",
		Flags: flags,
		Action: func(c *cli.Context) error {
			if err := noArgumentsOf(c); err != nil {
				return err
			}
			return listDevices(s, c)
		},
		Subcommands: []*cli.Command{{
			Name: "check", Usage: "explain step by step what a device lacks", ArgsUsage: "NAME",
			Flags: flags, OnUsageError: onUsage, HideHelpCommand: true,
			Action: func(c *cli.Context) error { return checkDevice(s, c) },
		}, {
			Name: "clean", Usage: "remove all that latlab put on a device, and take settings back", ArgsUsage: "NAME",
			Flags: join(deviceFlags()[1:], []cli.Flag{jsonFlag()}), OnUsageError: onUsage, HideHelpCommand: true,
			Action: func(c *cli.Context) error { return cleanDevice(s, c) },
		}},
	}
}

// deviceRows are all that can be named, and phones that adb sees.
func deviceRows(c *cli.Context) ([]inventory.Status, *inventory.Lab, error) {
	l, err := openLabOf(c)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context, deviceTimeout)
	defer cancel()
	rows, err := l.List(ctx)
	return rows, l, err
}

func listDevices(s streams, c *cli.Context) error {
	rows, l, err := deviceRows(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return ui.Document(s.out, map[string]any{"devices": rows})
	}
	if err := ui.Table(s.out, deviceTable(rows)); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	for _, r := range rows {
		if words := rowWords(r); len(words) > 0 {
			fmt.Fprint(s.out, ui.Wrap(r.Name+":", words, ui.Columns))
		}
	}
	for _, form := range l.Forms() {
		fmt.Fprintf(s.out, "also %s\n", form)
	}
	if unseen := l.PhonesUnseen(c.Context); unseen != nil {
		fmt.Fprint(s.out, ui.Wrap("phones on the cable are not seen:", strings.Fields(unseen.Detail), ui.Columns))
		if unseen.Type != "" {
			ui.Command(s.out, "  ", unseen.Type)
		}
	}
	printProblems(s, rows)
	return nil
}

// deviceTable has a line a device, or a group of them. A name that leaves the others no room
// stands on a line of its own: it is there to be copied.
func deviceTable(rows []inventory.Status) [][]string {
	head := deviceGroup{name: "DEVICE", cells: []string{"KIND", "STATE", "TAKES"}}
	widths := make([]int, len(head.cells))
	room := ui.Columns
	for i := range widths {
		widths[i] = len(head.cells[i])
		for _, r := range rows {
			widths[i] = max(widths[i], len(deviceCells(r)[i]))
		}
		room -= 2 + widths[i]
	}
	groups := append([]deviceGroup{head}, grouped(rows, min(room, groupColumns))...)
	longest := 0
	for _, g := range groups {
		if len(g.name) <= room {
			longest = max(longest, len(g.name))
		}
	}
	var lines [][]string
	for _, g := range groups {
		if len(g.name) > room {
			lines = append(lines, []string{g.name})
			g.name = ""
		}
		// A line of its own would be the end of printTable's columns, were they not as wide
		// before it as behind it.
		line := []string{fmt.Sprintf("%-*s", longest, g.name)}
		for i, c := range g.cells {
			line = append(line, fmt.Sprintf("%-*s", widths[i], c))
		}
		lines = append(lines, line)
	}
	return lines
}

func deviceCells(r inventory.Status) []string {
	return []string{string(r.Kind), string(r.State), takesShort(r.Info)}
}

// deviceGroup is devices that differ in the ends of their names only.
type deviceGroup struct {
	name, stem string
	ends       []string
	cells      []string
}

// groupColumns is how long a group's name may be, for the table to fit into 80 columns.
const groupColumns = 30

// grouped puts neighbours that are alike on one line, their names as a shell expands them:
// vela:ethos-u65-{256,512}. Only names with a colon are of families that large.
func grouped(rows []inventory.Status, columns int) []deviceGroup {
	var groups []deviceGroup
	for _, r := range rows {
		g := deviceGroup{name: r.Name, cells: deviceCells(r)}
		if colon := strings.IndexByte(r.Name, ':'); colon >= 0 && r.Kind != devices.Measured {
			cut := max(colon, strings.LastIndexByte(r.Name, '-')) + 1
			g.stem, g.ends = r.Name[:cut], []string{r.Name[cut:]}
		}
		if last := len(groups) - 1; last < 0 || !groups[last].take(g, columns) {
			groups = append(groups, g)
		}
	}
	return groups
}

// take makes one more device part of the group, where it is like the others.
func (g *deviceGroup) take(one deviceGroup, columns int) bool {
	ends := slices.Concat(g.ends, one.ends)
	name := g.stem + "{" + strings.Join(ends, ",") + "}"
	if g.stem == "" || g.stem != one.stem || !slices.Equal(g.cells, one.cells) || len(name) > columns {
		return false
	}
	g.name, g.ends = name, ends
	return true
}

// printProblems says each problem once: an estimator's is that of all its names.
func printProblems(s streams, rows []inventory.Status) {
	said := map[string]bool{}
	for _, r := range rows {
		if r.Problem == "" || said[r.Problem] {
			continue
		}
		said[r.Problem] = true
		fmt.Fprintf(s.out, "\n%s", ui.Wrap(r.Name+":", strings.Fields(r.Problem), ui.Columns))
		if r.Type != "" {
			ui.Command(s.out, "  ", r.Type)
		}
	}
}

func runtimeOf(i devices.Info) string {
	runtime := i.Fingerprint["runtime"]
	if runtime == "" {
		runtime = i.Harness
	}
	if i.Delegate == "" {
		return runtime
	}
	return runtime + " + " + i.Delegate
}

// rowWords are what is known of a device that could be looked at; nil where there is no more
// than the table says.
func rowWords(r inventory.Status) []string {
	switch {
	case r.Name == inventory.Local:
		return conditionWords(r)
	case r.Source == inventory.SourceBuiltIn || r.Now == nil && r.Model == nil:
		return nil
	}
	var parts []string
	for _, text := range []*string{r.Model, r.SoC, r.OS} {
		if text != nil {
			parts = append(parts, *text)
		}
	}
	if len(r.Delegates) > 0 {
		parts = append(parts, strings.Join(r.Delegates, " "))
	}
	if r.Now != nil {
		parts = append(parts, hottestWord(*r.Now))
	}
	if r.Battery != nil {
		parts = append(parts, fmt.Sprintf("battery %.0f %%", 100**r.Battery))
	}
	return strings.Fields(strings.Join(parts, ", "))
}

// conditionWords are what this machine is, what times on it, and how it is now. What cannot
// be read is unknown, never left out: whoever reads a latency must know that heat would go
// unseen.
func conditionWords(r inventory.Status) []string {
	s := r.Now
	parts := []string{runtimeOf(r.Info)}
	if r.SoC != nil {
		parts = append(parts, *r.SoC)
	}
	parts = append(parts,
		orUnknown("CPU model", r.Fingerprint["cpu"]), fmt.Sprintf("%d cores", runtime.NumCPU()),
		"governor "+orUnknown("", s.Governor), "load "+optionalOr(s.LoadAverage, "%.2f"), hottestWord(*s),
	)
	return strings.Fields(strings.Join(parts, ", "))
}

func orUnknown(what, text string) string {
	if text == "" {
		return strings.TrimSpace(what + " unknown")
	}
	return text
}

func optionalOr(x *float64, format string) string {
	if x == nil {
		return "unknown"
	}
	return fmt.Sprintf(format, *x)
}

func hottestWord(s devices.State) string {
	hottest := s.HottestC()
	switch {
	case len(s.TemperaturesC) == 0:
		return "no temperature sensor"
	case hottest == nil:
		return fmt.Sprintf("none of %d temperature sensors can be read", len(s.TemperaturesC))
	}
	return fmt.Sprintf("%.0f C the hottest of %d sensors", *hottest, len(s.TemperaturesC))
}

// checkDevice walks through what timing needs, in the order in which it can fail.
func checkDevice(s streams, c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("`latlab devices check NAME` takes one device")
	}
	name := c.Args().First()
	// What was set on the device for the check is set back when it is interrupted too.
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	c.Context = ctx
	checks, err := deviceChecks(c, name)
	if err != nil {
		return err
	}
	if err := printChecks(s, c.Bool("json"), checks); err != nil {
		return err
	}
	if k := inventory.Failed(checks); k != nil {
		return withCode(exitFailed, fmt.Errorf("device %s is not ready: %s", name, k.Name))
	}
	return nil
}

// cleanTimeout bounds the removal of models and programs; a slow card takes its time.
const cleanTimeout = 3 * time.Minute

// cleanDevice removes what latlab put on a device.
func cleanDevice(s streams, c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("`latlab devices clean NAME` takes one device")
	}
	l, err := openLabOf(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	ctx, cancel := context.WithTimeout(c.Context, cleanTimeout)
	defer cancel()
	done, err := l.Clean(ctx, name)
	if err != nil {
		return deviceError(err)
	}
	if c.Bool("json") {
		return ui.Document(s.out, map[string]any{"device": name, "done": done})
	}
	for _, line := range done {
		fmt.Fprintln(s.out, line)
	}
	return nil
}
