package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/bench/verdict"
)

// Thresholds of notes. They decide only whether a difference is worth a line.
const (
	warmer = 5.0 // degrees, between the medians of the networks' hottest sensors
	share  = 0.5 // of the networks, by which a warning or reason is more frequent on one side
)

func (c *Comparison) add(code, format string, args ...any) {
	c.Notes = append(c.Notes, Note{Code: code, Text: fmt.Sprintf(format, args...)})
}

// differ adds a note if two settings differ.
func (c *Comparison) differ(code, what, a, b string) {
	if a != b {
		c.add(code, "%s differs: %s in A, %s in B", what, cmp.Or(short(a), "none"), cmp.Or(short(b), "none"))
	}
}

// short cuts a hash to the digits by which people tell two apart.
func short(value string) string {
	if len(value) < 40 || strings.Trim(value, "0123456789abcdef") != "" {
		return value
	}
	return value[:12]
}

// note lists what else differs between the sweeps: settings, the device, its state.
func (c *Comparison) note(pairs [][2]network) {
	ma, mb := c.A.Sweep, c.B.Sweep
	da, db := ma.Device, mb.Device
	c.differ("device", "device", da.Name, db.Name)
	c.differ("harness", "the program that times", da.Harness, db.Harness)
	c.differ("delegate", "delegate", da.Delegate, db.Delegate)
	c.differ("threads", "number of threads", fmt.Sprint(da.Threads), fmt.Sprint(db.Threads))
	c.differ("cpus", "CPU affinity", list(da.CPUs), list(db.CPUs))
	c.differ("precision", "precision", string(ma.Precision), string(mb.Precision))
	if ma.Protocol.Identity() != mb.Protocol.Identity() {
		c.add("protocol", "protocol differs: %s in A, %s in B", blocksAndRuns(ma.Protocol), blocksAndRuns(mb.Protocol))
	}
	if da.Name == db.Name { // of two devices everything differs
		c.differAll("fingerprint", da.Fingerprint, db.Fingerprint)
	}
	c.differAll("tools", ma.Tools, mb.Tools)
	named := 0
	for _, p := range c.Pairs {
		if p.ByName {
			named++
		}
	}
	if named > 0 {
		c.add("paired_by_name", "%d of %d pairs are of different model files, paired by their indices or name", named, len(c.Pairs))
	}
	c.state(pairs)
}

func blocksAndRuns(p protocol.Protocol) string {
	return fmt.Sprintf("%s (%d to %d blocks of %d to %d runs)", p.Name, p.MinBlocks, p.MaxBlocks, p.MinRuns, p.MaxRuns)
}

func list(cpus []int) string {
	if len(cpus) == 0 {
		return ""
	}
	return fmt.Sprint(cpus)
}

func (c *Comparison) differAll(code string, a, b map[string]string) {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		c.differ(code, k, a[k], b[k])
	}
}

// state compares the device's state in the blocks of the pairs.
func (c *Comparison) state(pairs [][2]network) {
	units, invalid := 0, 0
	var governors [2]map[string]bool
	var hottest [2][]float64
	var warned [2]map[string]int
	for side := range 2 {
		governors[side], warned[side] = map[string]bool{}, map[string]int{}
		for _, p := range pairs {
			n := p[side]
			for _, g := range n.governors {
				governors[side][g] = true
			}
			if n.hottest != nil {
				hottest[side] = append(hottest[side], *n.hottest)
			}
			codes := map[string]bool{}
			for _, w := range n.doubts {
				codes[w.Code] = true
			}
			for code := range codes {
				warned[side][code]++
			}
		}
	}
	for _, p := range pairs {
		if x, y := p[0].delegation, p[1].delegation; x.Nodes > 0 && y.Nodes > 0 && x.Delegated*y.Nodes != y.Delegated*x.Nodes {
			units++
		}
		if p[0].verdict == verdict.Invalid || p[1].verdict == verdict.Invalid {
			invalid++
		}
	}
	if invalid > 0 {
		c.add("invalid", "%d of %d pairs have an INVALID measurement (--include-invalid)", invalid, len(pairs))
	}
	if units > 0 {
		c.add("delegation", "of %d of %d networks the delegate took a different share of the nodes", units, len(pairs))
	}
	c.differ("governor", "clock governor", words(governors[0]), words(governors[1]))
	if len(hottest[0]) > 0 && len(hottest[1]) > 0 {
		if x, y := stats.Median(hottest[0]), stats.Median(hottest[1]); max(x, y)-min(x, y) > warmer {
			c.add("temperature", "temperature differs: %.0f C in A, %.0f C in B (median of the hottest sensor)", x, y)
		}
	}
	codes := maps.Clone(warned[0])
	maps.Copy(codes, warned[1])
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		x, y := warned[0][code], warned[1][code]
		if float64(max(x, y)-min(x, y)) >= share*float64(len(pairs)) {
			c.add("warning", "doubt %s: of %d networks in A, of %d in B", code, x, y)
		}
	}
}

func words(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}
