package main

import (
	"context"
	"fmt"
	"io"

	"latlab/devices"
	"latlab/exporters/tunas"
	"latlab/internal/atomicfile"
	"latlab/internal/ui"
	"latlab/regress"
)

// importVerb has one verb for each format that a cost model can be read from.
type importVerb struct{}

func (importVerb) register(*flagSet) {}

func (importVerb) run(context.Context, streams) error {
	return usagef("import what? latlab import tunas FILE --space NAME -o COST.json reads a cost_model_data.py")
}

type importTunasOptions struct {
	files []string
	space string
	outputOptions
}

func (o *importTunasOptions) register(f *flagSet) {
	f.space(&o.space)
	o.outputOptions.register(f, "cost model to write, a JSON `FILE`, or - for stdout")
	f.arguments(&o.files, "FILE")
}

// importedModel is the document of import --json.
type importedModel struct {
	Path     string       `json:"path"`
	Space    string       `json:"space"`
	Device   string       `json:"device"`
	Kind     devices.Kind `json:"kind"`
	DataHash string       `json:"data_hash"`
	Fastest  float64      `json:"fastest_seconds"` // predicted of any network of the space
	Slowest  float64      `json:"slowest_seconds"`
	Warnings []string     `json:"warnings"`
}

func (o *importTunasOptions) run(ctx context.Context, s streams) error {
	if len(o.files) != 1 {
		return usagef("import tunas takes one FILE, a cost_model_data.py; %d are given", len(o.files))
	}
	for _, need := range [][2]string{{"space", o.space}, {"o", o.out}} {
		if err := required(need[0], need[1]); err != nil {
			return err
		}
	}
	file := o.files[0]
	if err := asFile("the module", file); err != nil {
		return err
	}
	out, err := outPath(o.outputOptions, "", file)
	if err != nil {
		return err
	}
	sp, err := findSpace(o.space)
	if err != nil {
		return err
	}
	m, err := tunas.ImportFile(file, sp)
	if err != nil {
		return inputError(err)
	}
	if out == stdoutPath {
		return m.Write(s.out)
	}
	if err := atomicfile.Write(out, func(w io.Writer) error { return m.Write(w) }); err != nil {
		return outputError(ctx, out, err)
	}
	least, greatest, err := m.Range(sp)
	if err != nil {
		return err
	}
	if o.json {
		return ui.Document(s.out, importedModel{out, m.Space, m.Device, m.Kind, m.DataHash, least, greatest, list(m.Warnings)})
	}
	return printImported(s.out, out, m, least, greatest)
}

func printImported(w io.Writer, out string, m *regress.CostModel, least, greatest float64) error {
	of := fmt.Sprintf("%s on %s (%s),", m.Space, m.Device, ui.Kind(m.Kind))
	fmt.Fprint(w, ui.Wrap("cost model of", []string{of, "method " + m.Method}, ui.Columns))
	fmt.Fprintf(w, "  predicts %s to %s\n", ui.Seconds(least), ui.Seconds(greatest))
	printWarnings(w, m.Warnings)
	_, err := fmt.Fprintf(w, "%s written\n", out)
	return err
}
