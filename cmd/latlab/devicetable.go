package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/internal/ui"
)

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
