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

	"latlab/bench"
	"latlab/exporters"
	"latlab/exporters/lut"
	"latlab/exporters/nnmeter"
	"latlab/exporters/table"
	"latlab/internal/atomicfile"
	"latlab/internal/text"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/sampler"
)

type exportOptions struct {
	cost, db string
	sweepChoice
	profiles               bool
	layers, space          string
	format, dialect        string
	validOnly, unreachable bool
	quiet                  bool
	outputOptions
}

func (o *exportOptions) register(f *flagSet) {
	f.cost(&o.cost)
	f.db(&o.db)
	o.sweepChoice.register(f, "which sweep of the store, by `ID`")
	f.bool(&o.profiles, "profiles", "of --db: the profiles of its networks (sweep --profile), a row for each op, instead of the measurements")
	f.string(&o.layers, "layers", "per-layer tables, a `FILE` with output lines of time --layers --json", "")
	f.space(&o.space)
	f.string(&o.format, "format", formatUsage(), "")
	f.bool(&o.validOnly, "valid-only", "measurements only: omit networks that are IMPRECISE, INVALID or were not measured, and print how many")
	f.bool(&o.unreachable, "unreachable", "csv of coefficients only: include entries that no network can use")
	f.string(&o.dialect, "dialect", "lut only: `PROJECT` whose keys to write, ofa or proxylessnas", string(lut.OFA))
	f.quiet(&o.quiet)
	o.outputOptions.register(f, "`PATH` to write: a file, - for stdout, or for "+text.Or(folderFormats())+" a folder")
}

type exportJob struct {
	*exportOptions
	s   streams
	out string // a path, or stdoutPath

	model      *regress.CostModel // of coefficients
	modelSpace *sampler.Space

	store     bench.Reader // of measurements
	sweep     bench.Sweep
	validOnly bool
	left      exporters.LeftOut

	networks map[int]bench.Network // of profiles, by index
	tables   []nnmeter.Table       // of layers
}

func (o *exportOptions) run(ctx context.Context, s streams) error {
	j, f, err := o.job(s)
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	done, err := j.load(ctx, f.of)
	if err != nil {
		return err
	}
	defer done()
	notes, err := j.write(ctx, f)
	if err != nil {
		return outputError(ctx, j.out, err)
	}
	return j.print(f, notes)
}

func (o *exportOptions) flags() *flagSet { return o.outputOptions.flags }

func (o *exportOptions) job(s streams) (*exportJob, exportFormat, error) {
	for _, need := range [][2]string{{"format", o.format}, {"o", o.out}} {
		if err := required(need[0], need[1]); err != nil {
			return nil, exportFormat{}, err
		}
	}
	of, err := o.content()
	if err != nil {
		return nil, exportFormat{}, err
	}
	f, err := findExportFormat(o.format, of)
	if err != nil {
		return nil, f, err
	}
	if err := o.refuseUnused(f); err != nil {
		return nil, f, err
	}
	j := &exportJob{exportOptions: o, s: s, validOnly: o.validOnly && exportTakes("valid-only", f)}
	j.out, err = outPath(o.outputOptions, f.folderName(), o.cost, o.db, o.layers)
	return j, f, err
}

func (o *exportOptions) content() (exportContent, error) {
	contents := exportContents()
	flag := o.flags().oneSource(coefficients.flag, measurements.flag, layerTables.flag)
	if o.profiles && flag == measurements.flag {
		return profiles, nil
	}
	if i := slices.IndexFunc(contents, func(of exportContent) bool { return of.flag == flag }); i >= 0 {
		return contents[i], nil
	}
	return exportContent{}, usagef("export takes one of --cost COST.json (coefficients), --db FILE (measurements) and --layers FILE (tables of layers)")
}

// load opens the source; done closes it.
func (j *exportJob) load(ctx context.Context, of exportContent) (done func(), err error) {
	done = func() {}
	switch of {
	case coefficients:
		j.model, j.modelSpace, err = loadCost(j.cost)
	case layerTables:
		j.tables, err = nnmeter.ReadTables(j.layers, anySpace(j.space))
		err = withCode(exitUsage, err)
	case measurements, profiles:
		st, err := openDB(ctx, j.db)
		if err != nil {
			return nil, err
		}
		done = func() { _ = st.Close() }
		j.store = st
		if j.sweep, err = j.one(ctx, st); err != nil {
			done()
			return nil, err
		}
		if of == profiles {
			if err := j.loadProfiles(ctx); err != nil {
				done()
				return nil, err
			}
		}
	}
	return done, err
}

// loadProfiles reads which networks are profiled, for nnmeter their tables of layers too.
func (j *exportJob) loadProfiles(ctx context.Context) error {
	j.networks = map[int]bench.Network{}
	for n, err := range j.store.Networks(ctx, j.sweep.ID) {
		if err != nil {
			return err
		}
		j.networks[n.Index] = n
	}
	found := false
	for p, err := range j.store.Profiles(ctx, j.sweep.ID) {
		if err != nil {
			return err
		}
		if found = true; j.format != "nnmeter" {
			break
		}
		j.tables = append(j.tables, nnmeter.Table{
			Device: j.sweep.Device.Name, Kind: string(j.sweep.Device.Kind), Ops: p.Ops, Layers: p.Profile.Layers,
		})
	}
	if !found {
		return usagef("no network of sweep %s is profiled; repeat its command with --profile N", j.sweep.ID)
	}
	return nil
}

func (j *exportJob) layerRows(ctx context.Context) iter.Seq2[table.Layer, error] {
	return table.Layers(j.sweep, j.networks, j.store.Profiles(ctx, j.sweep.ID))
}

func (j *exportJob) rows(ctx context.Context) iter.Seq2[exporters.Row, error] {
	rows := exporters.Rows(ctx, j.store, j.sweep)
	if j.validOnly {
		return exporters.ValidOnly(rows, &j.left)
	}
	return rows
}

// write writes the export and, beside a file, notes on what the format omits. A folder's format
// writes its own notes, which depend on the content.
func (j *exportJob) write(ctx context.Context, f exportFormat) (exporters.Notes, error) {
	if f.folder != nil {
		return f.folder(j)
	}
	stream := func(w io.Writer) error { return f.stream(ctx, w, j) }
	if j.out == stdoutPath {
		return j.notes(f), stream(j.s.out)
	}
	if err := atomicfile.Write(j.out, stream); err != nil {
		return exporters.Notes{}, err
	}
	notes, path := j.notes(f), j.notesPath(f)
	if path == "" || len(notes.Lost) == 0 && !exists(path) {
		return notes, nil
	}
	// Notes of an earlier export are replaced, even by empty ones.
	if err := notes.Write(path); err != nil {
		return notes, fmt.Errorf("%s is written, but not the notes on what it omits: %w", j.out, writeError(path, err))
	}
	return notes, nil
}

func (j *exportJob) notes(f exportFormat) exporters.Notes {
	n := exporters.Notes{Format: f.name, Lost: slices.Clone(f.lost)}
	if j.left.Total() > 0 {
		n.Lost = append(n.Lost, exporters.Loss{What: "networks that are not VALID", Why: "omitted by --valid-only: " + j.left.String()})
	}
	switch {
	case j.model != nil:
		n.Cost = exporters.OriginOf(j.model)
	case j.store != nil:
		n.Sweep = &j.sweep
	}
	return n
}

// notesPath is the path of the notes: in the output folder, or beside the output file. Pipes and
// stdout have none.
func (j *exportJob) notesPath(f exportFormat) string {
	switch {
	case f.folder != nil:
		return filepath.Join(j.out, "notes.json")
	case j.out == stdoutPath || !isFile(j.out):
		return ""
	}
	return j.out + ".notes.json"
}

// isFile is false for pipes and devices, such as the /dev/fd/63 of a shell's >(gzip).
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

type exported struct {
	Format  string             `json:"format"`
	Path    string             `json:"path"`
	Notes   string             `json:"notes,omitempty"`    // path of the notes
	Lost    []string           `json:"lost,omitempty"`     // what the format omits; the notes have the reasons
	LeftOut *exporters.LeftOut `json:"left_out,omitempty"` // by --valid-only
}

func (j *exportJob) print(f exportFormat, notes exporters.Notes) error {
	e := exported{Format: f.name, Path: j.out}
	if len(notes.Lost) > 0 {
		e.Lost = mapped(notes.Lost, func(l exporters.Loss) string { return l.What })
		e.Notes = j.notesPath(f)
	}
	if j.validOnly {
		e.LeftOut = &j.left
	}
	if !j.quiet {
		j.warn(e)
	}
	switch {
	case j.out == stdoutPath:
		return nil
	case j.json:
		return ui.Document(j.s.out, e)
	}
	_, err := fmt.Fprintf(j.s.out, "written to %s\n", e.Path)
	return err
}

func (j *exportJob) warn(e exported) {
	if e.LeftOut != nil {
		fmt.Fprintf(j.s.err, "latlab: --valid-only omitted %s\n", e.LeftOut)
	}
	if j.model != nil {
		if n := j.model.Negative(); n != "" {
			fmt.Fprintf(j.s.err, "latlab: warning: %s\n", n)
		}
	}
	if len(e.Lost) == 0 {
		return
	}
	where := "details in " + e.Notes
	if e.Notes == "" {
		where = "-o FILE writes the details to FILE.notes.json"
	}
	fmt.Fprintf(j.s.err, "latlab: warning: %s omits %s; %s\n", e.Format, strings.Join(e.Lost, "; "), where)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
