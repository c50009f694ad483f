// Package benchfmt writes measurements as Go benchmark text, which benchstat reads
// (https://go.dev/design/14313-benchmark-format).
// One line is one block, a run in a fresh process: its value, and as iterations the number of
// samples that it comes from. benchstat treats lines of one name as independent repetitions. Blocks are
// independent; the samples within a block are not (they share a process, its memory layout and
// a clock), so one line per sample would make intervals far too narrow and every difference
// significant. With one line per network benchstat could not compute intervals.
//
// Settings of the whole sweep are file configuration lines, by which benchstat separates its
// tables: two devices, kinds or precisions are never in one table, nor networks of
// different verdicts. The sweep's id and seed are not configuration lines, because benchstat OLD NEW
// would then compare nothing.
//
// A name always ends in -THREADS: the format reads a number at a name's end as GOMAXPROCS, so
// a device called pixel-4 would lose its 4. The package computes nothing: benchstat computes
// intervals, and the manifest is in the notes file.
package benchfmt

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/devices"
	"latlab/exporters"
)

// Unit is the unit of the values: seconds, which benchstat scales.
const Unit = "sec/op"

// Write writes a line for every block with a value. It stops at the first error of rows.
func Write(w io.Writer, m bench.Sweep, rows iter.Seq2[exporters.Row, error]) error {
	if _, err := fmt.Fprintf(w, "# %s latencies of %s by latlab, sweep %s; a line is a block\n",
		strings.ToUpper(string(m.Device.Kind)), escape(m.Device.Name, inLine), m.ID); err != nil {
		return err
	}
	common, out := config(m), benchfmt.NewWriter(w)
	for r, err := range rows {
		if err != nil {
			return err
		}
		if err := network(out, common, m.Rule(), r); err != nil {
			return err
		}
	}
	return nil
}

func network(out *benchfmt.Writer, common []benchfmt.Config, rule stats.Rule, r exporters.Row) error {
	if r.M == nil {
		return nil
	}
	own := append(slices.Clip(common), setting("estimator", r.M.Estimator)...)
	own = append(own, setting("verdict", string(r.M.Verdict))...)
	rule.SlowHz, rule.Trend = r.M.Rule.SlowHz, r.M.Rule.Trend
	blocks, values, _ := rule.Usable(r.Blocks)
	for i, b := range blocks {
		err := out.Write(&benchfmt.Result{
			Config: own, Name: benchfmt.Name(name(r, rule.Info.Threads)), Iters: iterations(rule, b),
			Values: []benchfmt.Value{{Value: values[i], Unit: Unit}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// iterations is the number of invokes behind a block's value.
func iterations(rule stats.Rule, b *devices.Block) int {
	switch {
	case len(b.Samples) > 0:
		return len(rule.Used(b))
	case b.Summary != nil && b.Summary.Count > 0:
		return b.Summary.Count
	}
	return 1
}

// config has the settings that hold for all networks of the sweep.
func config(m bench.Sweep) []benchfmt.Config {
	var c []benchfmt.Config
	for _, kv := range [][2]string{
		{"device", m.Device.Name}, {"kind", string(m.Device.Kind)}, {"harness", m.Device.Harness},
		{"delegate", m.Device.Delegate}, {"threads", strconv.Itoa(max(1, m.Device.Threads))},
		{"cpus", cpus(m.Device.CPUs)}, {"precision", string(m.Precision)}, {"space", m.Space}, {"protocol", m.Protocol.Name},
	} {
		c = append(c, setting(kv[0], kv[1])...)
	}
	return c
}

// setting is a configuration line, or nothing for an empty value, which would delete the key.
func setting(key, value string) []benchfmt.Config {
	if value == "" {
		return nil
	}
	return []benchfmt.Config{{Key: key, Value: []byte(escape(value, inLine)), File: true}}
}

func cpus(list []int) string {
	var texts []string
	for _, c := range list {
		texts = append(texts, strconv.Itoa(c))
	}
	return strings.Join(texts, ",")
}

// name is "Infer/arch=0123456789ab-1", or "Infer/model=NAME-1" of a listed model.
func name(r exporters.Row, threads int) string {
	part := "arch=" + r.ID
	if r.ID == "" {
		part = "model=" + escape(r.Network.Name, inName)
	}
	return fmt.Sprintf("Infer/%s-%d", part, max(1, threads))
}

// inName are characters that would end or divide a name.
func inName(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("/=%*", r) || !unicode.IsPrint(r)
}

// inLine are characters that would end a line or are not printable.
func inLine(r rune) bool { return r == '%' || r != ' ' && !unicode.IsPrint(r) }

// escape writes such characters, blanks at both ends and wrong bytes as %XX, as URLs do.
func escape(s string, must func(rune) bool) string {
	var b strings.Builder
	begin, end := len(s)-len(strings.TrimLeft(s, " ")), len(strings.TrimRight(s, " "))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		wrong := r == utf8.RuneError && n == 1
		if wrong || must(r) || i < begin || i >= end {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
