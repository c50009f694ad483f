package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/exporters"
	"latlab/exporters/lut"
	"latlab/exporters/nnmeter"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/sampler"
)

func exportCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write a cost model, a sweep's measurements or tables of layers in a format",
		Flags: []cli.Flag{
			costFlag(), dbFlag(), sweepIDFlag(), stringFlag("device", "the sweep's device, by `NAME`", ""),
			stringFlag("layers", "per-layer tables, a `FILE` of lines that time --layers --json printed", ""), spaceFlag(),
			stringFlag("format", formatUsage(), ""),
			boolFlag("valid-only", "measurements: leave out networks that are INVALID or were not measured; how many is said"),
			boolFlag("unreachable", "csv of coefficients: entries that no network can use, too"),
			stringFlag("dialect", "lut: `WHOSE` keys, ofa or proxylessnas", string(lut.OFA)),
			&cli.StringFlag{Name: "o", Usage: "`PATH` to write: a file, - for stdout, or for " + ui.Or(folderFormats()) + " a folder"},
			quietFlag(), jsonFlag(),
		},
		Action: func(c *cli.Context) error { return export(s, c) },
	}
}

// exportJob is one export: where it goes, and of its source what a format may take.
type exportJob struct {
	s   streams
	c   *cli.Context
	out string // a path, or stdoutPath

	cost  *regress.CostModel // of coefficients
	space *sampler.Space

	store     bench.Reader // of measurements
	sweep     bench.Sweep
	validOnly bool
	left      exporters.LeftOut

	layers []nnmeter.Table // of layers
}

func export(s streams, c *cli.Context) error {
	if err := noArgumentsOf(c); err != nil {
		return err
	}
	j, f, err := exportOf(s, c)
	if err != nil {
		return err
	}
	defer untilInterrupted(c)()
	done, err := j.load(f.of)
	if err != nil {
		return err
	}
	defer done()
	notes, err := j.write(f)
	if err != nil {
		return outputError(c, j.out, err)
	}
	return j.printExported(f, notes)
}

// exportOf reads the flags.
func exportOf(s streams, c *cli.Context) (*exportJob, exportFormat, error) {
	name, err := requiredOf(c, "format")
	if err != nil {
		return nil, exportFormat{}, err
	}
	if _, err := requiredOf(c, "o"); err != nil {
		return nil, exportFormat{}, err
	}
	of, err := exportSource(c)
	if err != nil {
		return nil, exportFormat{}, err
	}
	f, err := findExportFormat(name, of)
	if err == nil {
		err = refuseIdleExport(c, f)
	}
	if err != nil {
		return nil, exportFormat{}, err
	}
	j := &exportJob{s: s, c: c, validOnly: c.Bool("valid-only") && exportTakes("valid-only", f)}
	j.out, err = outPathOf(c, f.folderName(), c.String("cost"), c.String("db"), c.String("layers"))
	return j, f, err
}

// exportSource is what the one source that was named holds.
func exportSource(c *cli.Context) (exportContent, error) {
	var flags []string
	for _, of := range exportContents() {
		flags = append(flags, of.flag())
	}
	source := oneSourceOf(c, flags...)
	for _, of := range exportContents() {
		if of.flag() == source {
			return of, nil
		}
	}
	return "", usagef("export takes one of --cost COST.json (coefficients), --db FILE (measurements) and --layers FILE (tables of layers)")
}

// load opens the source; done closes it.
func (j *exportJob) load(of exportContent) (done func(), err error) {
	done = func() {}
	switch of {
	case coefficients:
		j.cost, j.space, err = loadCost(j.c)
	case layerTables:
		j.layers, err = readLayerTables(j.c, j.c.String("layers"))
	case measurements:
		st, err := openDB(j.c)
		if err != nil {
			return nil, err
		}
		done = func() { _ = st.Close() }
		j.store = st
		if j.sweep, err = chooseSweep(j.c.Context, j.c, st); err != nil {
			done()
			return nil, err
		}
	}
	return done, err
}

// rows streams the sweep's networks.
func (j *exportJob) rows(ctx context.Context) iter.Seq2[exporters.Row, error] {
	rows := exporters.Rows(ctx, j.store, j.sweep)
	if j.validOnly {
		return exporters.ValidOnly(rows, &j.left)
	}
	return rows
}

// write writes the export, and beside a file what it could not carry. A folder's notes are
// its format's own: they depend on what is in it.
func (j *exportJob) write(f exportFormat) (exporters.Notes, error) {
	if f.folder != nil {
		return f.folder(j)
	}
	stream := func(w io.Writer) error { return f.stream(w, j) }
	if j.out == stdoutPath {
		return j.notes(f), stream(j.s.out)
	}
	if err := exporters.WriteFile(j.out, stream); err != nil {
		return exporters.Notes{}, err
	}
	notes, path := j.notes(f), j.notesPath(f)
	if path == "" || len(notes.Lost) == 0 && !exists(path) {
		return notes, nil
	}
	// A file of notes that was there already told of what was there before.
	if err := notes.Write(path); err != nil {
		return notes, fmt.Errorf("%s is written, but not what it cannot carry: %w", j.out, writeError(path, err))
	}
	return notes, nil
}

func (j *exportJob) notes(f exportFormat) exporters.Notes {
	n := exporters.Notes{Format: f.name, Lost: slices.Clone(f.lost)}
	if j.left.Total() > 0 {
		n.Lost = append(n.Lost, exporters.Loss{What: "networks that are not VALID", Why: "left out as asked: " + j.left.String()})
	}
	switch {
	case j.cost != nil:
		n.Cost = exporters.OriginOf(j.cost)
	case j.store != nil:
		n.Sweep = &j.sweep
	}
	return n
}

// notesPath is where the side file lies: in a format's folder, or beside its file. Pipes
// and stdout have none.
func (j *exportJob) notesPath(f exportFormat) string {
	switch {
	case f.folder != nil:
		return filepath.Join(j.out, "notes.json")
	case j.out == stdoutPath || !isFile(j.out):
		return ""
	}
	return j.out + ".notes.json"
}

// isFile is false of pipes and devices, such as the /dev/fd/63 of a shell's >(gzip).
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

type exported struct {
	Format  string             `json:"format"`
	Path    string             `json:"path"`
	Notes   string             `json:"notes,omitempty"`    // the side file
	Lost    []string           `json:"lost,omitempty"`     // what the format cannot carry; the notes say why
	LeftOut *exporters.LeftOut `json:"left_out,omitempty"` // by --valid-only
}

// printExported says what was written, and warns of what the format could not carry.
func (j *exportJob) printExported(f exportFormat, notes exporters.Notes) error {
	e := exported{Format: f.name, Path: j.out}
	for _, l := range notes.Lost {
		e.Lost = append(e.Lost, l.What)
	}
	if len(e.Lost) > 0 {
		e.Notes = j.notesPath(f)
	}
	if j.validOnly {
		e.LeftOut = &j.left
	}
	if !j.c.Bool("quiet") {
		j.warn(e)
	}
	switch {
	case j.out == stdoutPath:
		return nil
	case j.c.Bool("json"):
		return ui.Document(j.s.out, e)
	}
	_, err := fmt.Fprintf(j.s.out, "written to %s\n", e.Path)
	return err
}

func (j *exportJob) warn(e exported) {
	if e.LeftOut != nil {
		fmt.Fprintf(j.s.err, "latlab: --valid-only left out %s\n", e.LeftOut)
	}
	if len(e.Lost) == 0 {
		return
	}
	where := e.Notes + " says what and why"
	if e.Notes == "" {
		where = "with -o FILE a side file says what and why"
	}
	fmt.Fprintf(j.s.err, "latlab: warning: format %s cannot carry all (%s); %s\n", e.Format, strings.Join(e.Lost, "; "), where)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
