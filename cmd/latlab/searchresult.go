package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/atomicfile"
	"latlab/internal/text"
	"latlab/internal/ui"
)

// print writes the networks and removes a state that is no longer needed.
func (j *searchJob) print() error {
	switch j.out {
	case "":
	case stdoutPath:
		err := j.writeLines(j.s.out)
		if j.s.out = j.s.err; j.quiet {
			j.s.out = io.Discard
		}
		if err != nil {
			return err
		}
	default:
		if err := writeError(j.out, atomicfile.Write(j.out, j.writeLines)); err != nil {
			return err
		}
		if err := j.removeState(); err != nil {
			return err
		}
	}
	if len(j.found) < j.n && !j.quiet {
		fmt.Fprintf(j.s.err, "latlab: %d of %d networks: no more were found that no other one dominates\n", len(j.found), j.n)
	}
	if j.json {
		return ui.Document(j.s.out, j.document())
	}
	return j.printTable()
}

func (j *searchJob) writeLines(w io.Writer) error {
	for _, f := range j.found {
		if err := ui.JSON(w, f); err != nil {
			return err
		}
	}
	return nil
}

// removeState keeps a program's answers, which more candidates or networks can use.
func (j *searchJob) removeState() error {
	if !j.savesState() || j.hasProgram() {
		return nil
	}
	if err := os.Remove(j.statePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (j *searchJob) document() map[string]any {
	return map[string]any{
		"space": j.space.Name, "device": j.model.Device, "kind": j.model.Kind, "below_seconds": j.limit, "least_seconds": j.least,
		"quality": j.quality, "seed": j.seed, "candidates": j.looked, "networks": list(j.found), "verify": j.verifyCommand(),
	}
}

// verifyCommand times what was found. Without a file it repeats the search, which gives the same networks.
func (j *searchJob) verifyCommand() string {
	file, before := j.out, ""
	if file == "" || file == stdoutPath {
		file = "found.jsonl"
		before = fmt.Sprintf("latlab search --cost %s --below %s -n %d", text.ShellWord(j.cost), j.below, j.n)
		if j.quality != qualityMACs {
			before += " --quality " + text.ShellWord(j.quality)
		}
		if j.flags.typed("candidates") {
			before += fmt.Sprintf(" --candidates %d", j.candidates)
		}
		before += fmt.Sprintf(" --seed %d -o %s && ", j.seed, file)
	}
	return before + fmt.Sprintf("latlab verify --cost %s --device %s%s --archs %s", text.ShellWord(j.cost), text.ShellWord(j.model.Device), j.deviceFlags(), text.ShellWord(file))
}

// deviceFlags are those that are part of the device's identity.
func (j *searchJob) deviceFlags() (flags string) {
	if n := j.model.Fingerprint["threads"]; !slices.Contains([]string{"", "0", "1"}, n) {
		flags += " --threads " + text.ShellWord(n)
	}
	if cpus := j.model.Fingerprint["affinity"]; cpus != "" {
		flags += " --cpus " + text.ShellWord(strings.ReplaceAll(cpus, " ", ","))
	}
	return flags
}

// printTable prints the indices only where no file has them.
func (j *searchJob) printTable() error {
	var seconds, macs []float64
	for _, f := range j.found {
		seconds, macs = append(seconds, f.Seconds), append(macs, float64(f.MACs))
	}
	scale, count := ui.SecondsScale(seconds...), ui.CountScale(macs...)
	kind := ""
	if k := j.model.Kind; k != devices.Measured {
		kind = " " + ui.Kind(k)
	}
	rows := [][]string{{"NETWORK", "PREDICTED", "MACS"}}
	if j.quality != qualityMACs {
		rows[0] = append(rows[0], "QUALITY")
	}
	if j.out == "" {
		rows[0] = append(rows[0], "INDICES")
	}
	for _, f := range j.found {
		row := []string{f.ID, scale.Format(f.Seconds) + kind, count.Format(float64(f.MACs))}
		if j.quality != qualityMACs {
			row = append(row, fmt.Sprintf("%.6g", f.Quality))
		}
		if j.out == "" {
			row = append(row, f.Indices)
		}
		rows = append(rows, row)
	}
	if err := ui.Table(j.s.out, rows); err != nil {
		return err
	}
	fmt.Fprintf(j.s.out, "the best of %s candidates, by predictions alone; time them:\n", ui.Thousands(j.looked))
	ui.Command(j.s.out, "  ", j.verifyCommand())
	return nil
}
