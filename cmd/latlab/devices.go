package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/devices/state"
)

type deviceRow struct {
	devices.Info
	State   string         `json:"state"` // "ready" or "not ready"
	Problem string         `json:"problem,omitempty"`
	Type    string         `json:"type,omitempty"` // what to type
	SoC     *string        `json:"soc,omitempty"`  // of this machine, where its kernel names one
	Now     *devices.State `json:"condition,omitempty"`
}

func devicesCommand(s streams) *cli.Command {
	flags := join(deviceFlags()[1:], cacheFlags(), []cli.Flag{jsonFlag()})
	return &cli.Command{
		Name:  "devices",
		Usage: "list what can be timed on",
		Flags: flags,
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return listDevices(s, c)
		},
		Subcommands: []*cli.Command{{
			Name: "check", Usage: "explain step by step what a device lacks", ArgsUsage: "NAME",
			Flags: flags, OnUsageError: onUsage, HideHelpCommand: true,
			Action: func(c *cli.Context) error { return checkDevice(s, c) },
		}},
	}
}

// deviceRows are all that can be named. Only what must be started to know its state is
// started: the agent, and each estimator's Python once, all at the same time.
func deviceRows(c *cli.Context) ([]deviceRow, error) {
	o, err := deviceOptions(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context, deviceTimeout)
	defer cancel()
	tools := make([]*check, len(inventory.Tools()))
	var wg sync.WaitGroup
	for i, name := range inventory.Tools() {
		wg.Go(func() {
			steps, _ := inventory.Check(ctx, name, withoutThreads(o)) // every listed name is known
			tools[i] = inventory.Failed(steps)
		})
	}
	rows := []deviceRow{cpuRow(ctx, c)}
	wg.Wait()
	o = withoutThreads(o)
	for _, name := range inventory.Names() {
		if name == inventory.Local {
			continue
		}
		r, err := describedRow(name, o)
		if err != nil {
			return nil, err
		}
		if i := slices.Index(inventory.Tools(), inventory.SameTool(name)); i >= 0 && tools[i] != nil {
			r.State, r.Problem, r.Type = "not ready", tools[i].Detail, tools[i].Type
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// withoutThreads leaves out what is of this machine alone: other devices refuse it.
func withoutThreads(o inventory.Options) inventory.Options {
	o.Threads, o.CPUs = 0, nil
	return o
}

func describedRow(name string, o inventory.Options) (deviceRow, error) {
	info, err := inventory.Describe(name, o)
	return deviceRow{Info: info, State: "ready"}, err
}

func cpuRow(ctx context.Context, c *cli.Context) deviceRow {
	now := state.Read("/")
	var soc *string
	if name := state.SoC("/"); name != "" {
		soc = &name
	}
	d, err := openNamed(ctx, c, inventory.Local)
	if err == nil {
		defer d.Close()
		return deviceRow{Info: d.Info(), State: "ready", SoC: soc, Now: &now}
	}
	info, derr := describeNamed(c, inventory.Local)
	if derr != nil {
		info = devices.Info{Name: inventory.Local, Kind: devices.Measured}
	}
	return deviceRow{Info: info, State: "not ready", Problem: oneLine(err), SoC: soc, Now: &now}
}

func listDevices(s streams, c *cli.Context) error {
	rows, err := deviceRows(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printDoc(s.out, map[string]any{"devices": rows})
	}
	lines := [][]string{{"DEVICE", "KIND", "STATE", "TAKES"}}
	for _, g := range grouped(rows) {
		lines = append(lines, append([]string{g.name}, g.cells...))
	}
	if err := printTable(s.out, lines); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\n%s", wrapped(inventory.Local+":", conditionWords(rows[0]), terminalColumns))
	for _, form := range inventory.Forms() {
		fmt.Fprintf(s.out, "also %s\n", form)
	}
	printProblems(s, rows)
	return nil
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
func grouped(rows []deviceRow) []deviceGroup {
	var groups []deviceGroup
	for _, r := range rows {
		g := deviceGroup{name: r.Name, cells: []string{string(r.Kind), r.State, takesShort(r.Info)}}
		if colon := strings.IndexByte(r.Name, ':'); colon >= 0 {
			cut := max(colon, strings.LastIndexByte(r.Name, '-')) + 1
			g.stem, g.ends = r.Name[:cut], []string{r.Name[cut:]}
		}
		if last := len(groups) - 1; last < 0 || !groups[last].take(g) {
			groups = append(groups, g)
		}
	}
	return groups
}

// take makes one more device part of the group, where it is like the others.
func (g *deviceGroup) take(one deviceGroup) bool {
	ends := slices.Concat(g.ends, one.ends)
	name := g.stem + "{" + strings.Join(ends, ",") + "}"
	if g.stem == "" || g.stem != one.stem || !slices.Equal(g.cells, one.cells) || len(name) > groupColumns {
		return false
	}
	g.name, g.ends = name, ends
	return true
}

// printProblems says each problem once: an estimator's is that of all its names.
func printProblems(s streams, rows []deviceRow) {
	said := map[string]bool{}
	for _, r := range rows {
		if r.Problem == "" || said[r.Problem] {
			continue
		}
		said[r.Problem] = true
		fmt.Fprintf(s.out, "\n%s: %s\n", r.Name, r.Problem)
		if r.Type != "" {
			fmt.Fprintf(s.out, "  type: %s\n", r.Type)
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

// conditionWords are what this machine is, what times on it, and how it is now. What cannot
// be read is unknown, never left out: whoever reads a latency must know that heat would go
// unseen.
func conditionWords(r deviceRow) []string {
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
