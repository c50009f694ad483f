package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/exporters"
	"latlab/exporters/benchfmt"
	"latlab/exporters/lut"
	"latlab/exporters/nnmeter"
	"latlab/exporters/prom"
	"latlab/exporters/table"
	"latlab/exporters/tunas"
	"latlab/internal/text"
)

// exportContent is the content of an export's source, and the flag that names the source.
type exportContent struct{ name, flag string }

func (of exportContent) String() string { return of.name }

var (
	coefficients = exportContent{"coefficients", "cost"}
	measurements = exportContent{"measurements", "db"}
	profiles     = exportContent{"profiles", "db --profiles"}
	layerTables  = exportContent{"layers", "layers"}
)

func exportContents() []exportContent {
	return []exportContent{coefficients, measurements, profiles, layerTables}
}

// exportFormat is a format of one content. Help, errors and docs/exports.md are generated from
// exportFormats. One of stream and folder is set.
type exportFormat struct {
	name string
	of   exportContent
	// lost is what every file of this format omits; a folder's format writes its own notes.
	lost   []exporters.Loss
	stream func(ctx context.Context, w io.Writer, j *exportJob) error
	folder func(j *exportJob) (exporters.Notes, error)
}

// folderName is "" where the format is one file.
func (f exportFormat) folderName() string {
	if f.folder == nil {
		return ""
	}
	return fmt.Sprintf("format %s of %s", f.name, f.of)
}

func exportFormats() []exportFormat {
	return slices.Concat(coefficientFormats(), measurementFormats(), profileFormats(), []exportFormat{
		{name: "nnmeter", of: layerTables, folder: exportLayers},
	})
}

func coefficientFormats() []exportFormat {
	return []exportFormat{
		{name: "json", of: coefficients, stream: func(_ context.Context, w io.Writer, j *exportJob) error { return table.JSON(w, j.model) }},
		{name: "csv", of: coefficients, lost: lossesOfCoefficients(), stream: func(_ context.Context, w io.Writer, j *exportJob) error {
			return table.Coefficients(w, j.model, j.modelSpace, table.Options{Unreachable: j.unreachable})
		}},
		{name: "npz", of: coefficients, stream: func(_ context.Context, w io.Writer, j *exportJob) error {
			return table.CoefficientsNPZ(w, j.model, j.modelSpace)
		}},
		{name: "tunas", of: coefficients, folder: func(j *exportJob) (exporters.Notes, error) {
			return tunas.Notes(j.model, j.modelSpace), tunas.Write(j.out, j.model, j.modelSpace)
		}},
		{name: "lut", of: coefficients, folder: exportLUT},
		{name: "nnmeter", of: coefficients, folder: exportPrices},
	}
}

// lossesOfCoefficients are what a plain table of numbers omits.
func lossesOfCoefficients() []exporters.Loss {
	return []exporters.Loss{
		{What: "origin", Why: "a table has no room for device, kind, method and fingerprint: they are in this file"},
		{What: "figures, op-level weights", Why: "the cost model's own JSON has them (--format json)"},
	}
}

func measurementFormats() []exportFormat {
	return []exportFormat{
		ofRows("csv", table.Measurements, lostManifest, lostSamples, lostRest),
		ofRows("jsonl", table.JSONL, lostManifest, lostRest),
		ofRows("parquet", table.Parquet, lostRest),
		ofRows("npz", table.MeasurementsNPZ, lostSamples, lostDoubts, lostRest),
		ofRows("benchfmt", benchfmt.Write, lostManifest, lostSamples, lostDoubts, exporters.Loss{
			What: "intervals", Why: "benchstat computes its own from the blocks of each network"}, exporters.Loss{
			What: "networks that were not measured", Why: "a line is a block, and they have none"}, lostRest),
		{name: "openmetrics", of: measurements, stream: exportOpenMetrics, lost: []exporters.Loss{
			lostManifest,
			{What: "networks", Why: "a database of times has no room for thousands of series: distributions, verdicts and known networks are there"},
			{What: "raw samples", Why: "they are counted in buckets; --format jsonl and parquet have them"}, lostRest,
		}},
	}
}

func profileFormats() []exportFormat {
	rows := func(name string, write func(io.Writer, *exportJob, iter.Seq2[table.Layer, error]) error, lost ...exporters.Loss) exportFormat {
		return exportFormat{name: name, of: profiles, lost: append(lost, lostProfile), stream: func(ctx context.Context, w io.Writer, j *exportJob) error {
			return write(w, j, j.layerRows(ctx))
		}}
	}
	return []exportFormat{
		rows("csv", func(w io.Writer, _ *exportJob, l iter.Seq2[table.Layer, error]) error { return table.LayersCSV(w, l) }, lostManifest),
		rows("jsonl", func(w io.Writer, _ *exportJob, l iter.Seq2[table.Layer, error]) error { return table.LayersJSONL(w, l) }, lostManifest),
		rows("parquet", func(w io.Writer, j *exportJob, l iter.Seq2[table.Layer, error]) error {
			return table.LayersParquet(w, j.sweep, l)
		}),
		{name: "nnmeter", of: profiles, folder: exportLayers},
	}
}

func exportOpenMetrics(ctx context.Context, w io.Writer, j *exportJob) error {
	return prom.WriteOpenMetrics(ctx, w, j.store, j.sweep, prom.BackfillOptions{})
}

// ofRows is a format of measurements that is written row by row.
func ofRows(name string, write func(io.Writer, bench.Sweep, iter.Seq2[exporters.Row, error]) error, lost ...exporters.Loss) exportFormat {
	return exportFormat{name: name, of: measurements, lost: lost, stream: func(ctx context.Context, w io.Writer, j *exportJob) error {
		return write(w, j.sweep, j.rows(ctx))
	}}
}

var (
	lostManifest = exporters.Loss{What: "manifest", Why: "device, protocol, seed and fingerprint of the sweep are in this file"}
	lostSamples  = exporters.Loss{What: "raw samples", Why: "a row has no room for lists: --format jsonl and parquet have them"}
	lostDoubts   = exporters.Loss{What: "reasons, warnings", Why: "the verdict alone is there; --format csv, jsonl and parquet say why"}
	lostProfile  = exporters.Loss{What: "device state", Why: "clocks, sensors and delegation around each profile are in the store only"}
	lostRest     = exporters.Loss{What: "failed attempts, warm-up, device state", Why: "what failed and why, warm-up and CPU times, clocks and sensors around each block, a tool's own counters are in the store only"}
)

func findExportFormat(name string, of exportContent) (exportFormat, error) {
	for _, f := range exportFormats() {
		if f.name == name && f.of == of {
			return f, nil
		}
	}
	return exportFormat{}, unknownFormat(name, of.name, formatNames(of)...)
}

func unknownFormat(format, what string, known ...string) error {
	return usagef("no format of %s is named %q; known: %s", what, format, strings.Join(known, ", "))
}

func formatNames(of exportContent) []string {
	var names []string
	for _, f := range exportFormats() {
		if f.of == of {
			names = append(names, f.name)
		}
	}
	return names
}

func folderFormats() []string {
	var names []string
	for _, f := range exportFormats() {
		if f.folder != nil && !slices.Contains(names, f.name) {
			names = append(names, f.name)
		}
	}
	return names
}

func formatUsage() string {
	return strings.Join(mapped(exportContents(), func(of exportContent) string {
		return "of " + of.name + " " + text.Or(formatNames(of))
	}), "; ")
}

func exportLUT(j *exportJob) (exporters.Notes, error) {
	d := lut.Dialect(j.dialect)
	if !slices.Contains(lut.Dialects(), d) {
		return exporters.Notes{}, usagef("unknown dialect %q; known: %s", d, text.Or(lut.Dialects()))
	}
	return lut.Write(j.out, j.model, j.modelSpace, d)
}

func exportPrices(j *exportJob) (exporters.Notes, error) {
	k, err := nnmeter.Priced(j.model, j.modelSpace)
	if err != nil {
		return exporters.Notes{}, err
	}
	return k.Write(j.out)
}

func exportLayers(j *exportJob) (exporters.Notes, error) {
	k, err := nnmeter.Timed(j.tables)
	if err != nil {
		return exporters.Notes{}, withCode(exitUsage, err)
	}
	return k.Write(j.out)
}
