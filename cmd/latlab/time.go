package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/source"
	"latlab/devices"
	"latlab/internal/ui"
)

type timeOptions struct {
	networkOptions
	modelOptions
	layerOptions
	measureOptions
}

func (o *timeOptions) register(f *flagSet) {
	o.networkOptions.register(f)
	o.modelOptions.register(f, "a .tflite or .onnx `FILE` of your own")
	f.db(&o.db)
	o.layerOptions.register(f)
	o.measureOptions.register(f)
}

func (o *timeOptions) run(ctx context.Context, s streams) error {
	if err := o.layerOptions.check(); err != nil {
		return err
	}
	info, err := o.describe()
	if err != nil {
		return err
	}
	one, err := o.listed(info)
	if err != nil {
		return err
	}
	d, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer closeDevice(s, d)
	list := source.List{one}
	profiles, err := o.profiles(ctx, s, d, list, o.measureOptions)
	if err != nil {
		return err
	}
	ests, err := o.measureList(ctx, s, d, list)
	if err != nil {
		return err
	}
	e := ests[0]
	if e.M == nil {
		return exitSilently(exitPartial)
	}
	err = o.print(s, d.Info(), one, e, profiles[0])
	if err == nil && e.M.Verdict == bench.Invalid {
		err = exitSilently(exitInvalid)
	}
	return err
}

func (o *timeOptions) listed(info devices.Info) (source.Listed, error) {
	cache, err := o.cache.open()
	if err != nil {
		return source.Listed{}, err
	}
	if o.model != "" {
		if o.fixture != "" || o.arch != "" || o.space != "" {
			return source.Listed{}, usagef("--model, --fixture and --arch name different networks; choose one")
		}
		l, err := o.ownFile(info)
		return l, withCode(exitUsage, err)
	}
	if err := o.refuseWithoutModel(); err != nil {
		return source.Listed{}, err
	}
	n, err := o.network()
	if err != nil {
		return source.Listed{}, err
	}
	form, err := o.deviceForm(info, info.Precisions[0])
	if err != nil {
		return source.Listed{}, err
	}
	return n.Listed(form, cache)
}

// ownFile reads --model, a file that is timed unchanged.
func (o *timeOptions) ownFile(info devices.Info) (source.Listed, error) {
	m, err := o.fromFile()
	if err == nil {
		err = source.Accept(m, info)
	}
	switch {
	case err != nil:
		return source.Listed{}, err
	case o.precision != "" && o.precision != string(m.Precision):
		return source.Listed{}, fmt.Errorf("model %s is %s; --precision %s applies only to networks that latlab writes", o.model, m.Precision, o.precision)
	case o.input != "":
		return source.Listed{}, fmt.Errorf("the inputs of model %s cannot be changed; --input applies only to networks that latlab writes", o.model)
	}
	return source.Listed{Name: strings.TrimSuffix(filepath.Base(o.model), filepath.Ext(o.model)), Model: m}, nil
}

// measureList times the networks of a list and returns their estimates in the list's order.
// Without --db the results are kept in memory.
func (o *measureOptions) measureList(ctx context.Context, s streams, d devices.Device, list source.List) ([]bench.Estimate, error) {
	m, err := o.manifest(list[0].Model.Form)
	if err != nil {
		return nil, err
	}
	m.ModelsHash = list.Hash()
	run := bench.Options{Sweep: m, Networks: len(list), Source: list, Device: d, Store: memory.New()}
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

func interval(m *bench.Measurement) string {
	if m.Low == nil || m.High == nil {
		return "(no interval)"
	}
	if *m.Low == *m.High {
		return "(the same every time)"
	}
	return fmt.Sprintf("(%s at %.0f %%)", ui.SecondsRange(*m.Low, *m.High), 100*m.Confidence)
}

func printDoubts(w io.Writer, m *bench.Measurement) error {
	for _, d := range m.Reasons {
		printUnder(w, "  INVALID:", d.Text)
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
