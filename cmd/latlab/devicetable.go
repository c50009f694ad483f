package main

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/internal/ui"
)

// deviceTable has one line for each device or group of devices. A name that is too long for the
// table has a line of its own: it is not cut, because people copy it.
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
		// A line with one cell ends a tabwriter's columns, so cells are padded here to the same
		// width before and after it.
		line := []string{fmt.Sprintf("%-*s", longest, g.name)}
		for i, c := range g.cells {
			line = append(line, fmt.Sprintf("%-*s", widths[i], c))
		}
		lines = append(lines, line)
	}
	return lines
}

func deviceCells(r inventory.Status) []string {
	return []string{string(r.Kind), string(r.State), formsAndPrecisions(r.Info)}
}

// deviceGroup is devices that differ only in the ends of their names.
type deviceGroup struct {
	name, stem string
	ends       []string
	cells      []string
}

// groupColumns limits a group's name, so that the table fits into 80 columns.
const groupColumns = 30

// grouped puts neighbours with the same cells on one line, in a shell's brace notation:
// vela:ethos-u65-{256,512}. Only names with a colon belong to families worth grouping.
func grouped(rows []inventory.Status, columns int) []deviceGroup {
	var groups []deviceGroup
	for _, r := range rows {
		g := deviceGroup{name: r.Name, cells: deviceCells(r)}
		if colon := strings.IndexByte(r.Name, ':'); colon >= 0 && r.Kind != devices.Measured {
			cut := max(colon, strings.LastIndexByte(r.Name, '-')) + 1
			g.stem, g.ends = r.Name[:cut], []string{r.Name[cut:]}
		}
		if last := len(groups) - 1; last < 0 || !groups[last].add(g, columns) {
			groups = append(groups, g)
		}
	}
	return groups
}

// add adds a device to the group and returns true, if its stem and cells are the group's.
func (g *deviceGroup) add(one deviceGroup, columns int) bool {
	ends := slices.Concat(g.ends, one.ends)
	name := g.stem + "{" + strings.Join(ends, ",") + "}"
	if g.stem == "" || g.stem != one.stem || !slices.Equal(g.cells, one.cells) || len(name) > columns {
		return false
	}
	g.name, g.ends = name, ends
	return true
}

func runtimeOf(i devices.Info) string {
	runtime := cmp.Or(i.Fingerprint["runtime"], i.Harness)
	if i.Delegate == "" {
		return runtime
	}
	return runtime + " + " + i.Delegate
}

// rowWords describe a device whose state could be read; nil where nothing is known besides the
// table.
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

// conditionWords describe this machine, its runtime and its current state. Values that cannot be
// read are printed as unknown: a reader of latencies must know that overheating would go unnoticed.
func conditionWords(r inventory.Status) []string {
	s := r.Now
	load := "unknown"
	if s.LoadAverage != nil {
		load = fmt.Sprintf("%.2f", *s.LoadAverage)
	}
	parts := []string{runtimeOf(r.Info)}
	if r.SoC != nil {
		parts = append(parts, *r.SoC)
	}
	parts = append(parts,
		cmp.Or(r.Fingerprint["cpu"], "CPU model unknown"), fmt.Sprintf("%d cores", runtime.NumCPU()),
		"governor "+cmp.Or(s.Governor, "unknown"), "load "+load, hottestWord(*s),
	)
	return strings.Fields(strings.Join(parts, ", "))
}

func hottestWord(s devices.State) string {
	hottest := s.HottestC()
	switch {
	case len(s.TemperaturesC) == 0:
		return "no temperature sensor"
	case hottest == nil:
		if unclear := s.Unclear(); unclear != "" {
			return fmt.Sprintf("none of %d temperature sensors is understood (%s)", len(s.TemperaturesC), unclear)
		}
		return fmt.Sprintf("none of %d temperature sensors can be read", len(s.TemperaturesC))
	}
	return fmt.Sprintf("%.0f C the hottest of %d sensors", *hottest, len(s.TemperaturesC))
}
