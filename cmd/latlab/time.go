package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/source"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/internal/ui"
)

type timeOptions struct {
	named namedOptions
	callOptions
	ranking rankOptions
	layers  bool
	rows    int // of a network that --layers prints
	csv     string
	measureOptions
	flags *flagSet
}

func (o *timeOptions) register(f *flagSet) {
	o.flags = f
	o.named.register(f)
	o.callOptions.register(f)
	f.db(&o.db)
	o.ranking.register(f, "; with --layers: N of each network's ops and positions")
	f.bool(&o.layers, "layers", "also print the time of each op inside inferences, where the device reports it")
	f.result(&o.csv, "csv", "with --layers: write every row of every network to a CSV `FILE`")
	o.measureOptions.register(f)
}

// inputs are the files that are read.
func (o *timeOptions) inputs() []string {
	files := append(slices.Clone(o.named.models), o.named.space, o.named.archs, o.inventory, o.velaConfig)
	for _, f := range o.files {
		_, path, _ := strings.Cut(f, "=")
		files = append(files, path)
	}
	return files
}

func (o *timeOptions) run(ctx context.Context, s streams) error {
	if err := cmp.Or(o.ranking.check(), o.checkLayers(o.inputs())); err != nil {
		return err
	}
	if o.rows = layersShown; o.layers && o.ranking.top > 0 {
		o.rows, o.ranking.top = o.ranking.top, 0 // every network is ranked
	}
	info, err := o.describe()
	if err != nil {
		return err
	}
	o.named.preferTyped()
	call, err := o.call(len(o.named.models) > 0)
	if err != nil {
		return err
	}
	l, err := o.gather(s, &o.named, info, call)
	if err != nil {
		return err
	}
	if o.named.one() && len(o.named.models) > 0 {
		l.Networks[0].Name = l.Networks[0].Model.Name
	}
	d, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer closeDevice(s, d)
	t := timed{info: d.Info(), Named: l}
	if t.profiles, err = o.profiles(ctx, s, d, l.Networks); err != nil {
		return err
	}
	if t.ests, err = o.measureList(ctx, s, d, l.Networks, l.Refused); err != nil {
		return err
	}
	if o.named.one() {
		return o.printOne(s, t)
	}
	return o.printRanked(s, t)
}

// measureList times the networks of a list and returns their estimates in the list's order.
// Without --db the results are kept in memory.
func (o *measureOptions) measureList(ctx context.Context, s streams, d devices.Device, list source.List, refused []bench.Refused) ([]bench.Estimate, error) {
	m, err := o.manifest(list.Form())
	if err != nil {
		return nil, err
	}
	m.ModelsHash = list.Hash()
	run := bench.Options{Sweep: m, Networks: len(list), Source: list, Device: d, Store: memory.New(), Refused: refused}
	cache, err := o.cache.open()
	if err != nil {
		return nil, err
	}
	if run.BatchLimit, err = list.Batch(cache); err != nil {
		return nil, err
	}
	if o.db == "" {
		return o.measureAndRead(ctx, s, run)
	}
	// The store is opened after the device: a machine without an agent leaves no empty one behind.
	st, err := o.openStore(ctx, d.Info())
	if err != nil {
		return nil, err
	}
	run.Store = st
	ests, err := o.measureAndRead(ctx, s, run)
	if cerr := st.Close(); err == nil {
		err = cerr
	}
	return ests, err
}

// measureAndRead returns the estimates of a list, and reports its failures.
func (o *measureOptions) measureAndRead(ctx context.Context, s streams, run bench.Options) ([]bench.Estimate, error) {
	res, err := o.measure(ctx, s, run)
	if err != nil {
		return nil, err
	}
	st, sweep := run.Store, res.Sweep.ID
	if err := reportFailures(ctx, s.err, st, sweep); err != nil {
		return nil, err
	}
	var ests []bench.Estimate
	for e, err := range bench.Estimates(ctx, st, sweep) {
		if err != nil {
			return nil, err
		}
		ests = append(ests, e)
	}
	return ests, nil
}

// reportFailures prints one line for each network that was given up, and its tool's output.
func reportFailures(ctx context.Context, w io.Writer, st bench.Reader, sweep string) error {
	for f, err := range st.Failures(ctx, sweep) {
		if err != nil {
			return err
		}
		if !f.Final {
			continue
		}
		fmt.Fprintf(w, "latlab: %s failed, fault of the %s (%s): %s\n", f.Name, f.Fault, f.Reason, f.Message)
		printOutput(w, strings.TrimSpace(f.Output))
	}
	return nil
}

func interval(m *verdict.Measurement) string {
	if m.Low == nil || m.High == nil {
		return "(no interval)"
	}
	if *m.Low == *m.High {
		return "(the same every time)"
	}
	return fmt.Sprintf("(%s at %.0f %%)", ui.SecondsRange(*m.Low, *m.High), 100*m.Confidence)
}

func printDoubts(w io.Writer, m *verdict.Measurement) error {
	for _, d := range m.Reasons { // a VALID one has none
		printUnder(w, fmt.Sprintf("  %s:", m.Verdict), d.Text)
	}
	for _, d := range m.Warnings {
		printUnder(w, "  warning:", d.Text)
	}
	return nil
}

// printUnder prints a wrapped sentence that belongs to the line above.
func printUnder(w io.Writer, head, text string) {
	fmt.Fprint(w, ui.WrapIndented(head, strings.Fields(text), "   ", ui.Columns))
}
