package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/ui"
	"latlab/sampler/model"
)

func timeCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "time",
		Usage: "time one network or one file of your own",
		Flags: join(networkFlags(), []cli.Flag{
			stringFlag("model", "a .tflite or .onnx `FILE` of your own", ""), dbFlag(),
			boolFlag("layers", "print what each layer takes, where the device says"),
		}, measureFlags()),
		Action: func(c *cli.Context) error { return timeOne(s, c) },
	}
}

func timeOne(s streams, c *cli.Context) error {
	if err := noArgumentsOf(c); err != nil {
		return err
	}
	info, err := describeDeviceOf(c)
	if err != nil {
		return err
	}
	one, err := listedNetwork(c, info)
	if err != nil {
		return err
	}
	d, err := openDeviceOf(c.Context, c)
	if err != nil {
		return err
	}
	defer closeDevice(s, d)
	ests, err := measureList(c.Context, s, c, d, listSource{one})
	if err != nil {
		return err
	}
	e := ests[0]
	if e.M == nil {
		return exitSilently(exitPartial)
	}
	err = printTimed(s, c, d, one, e)
	if err == nil && e.M.Verdict == bench.Invalid {
		err = exitSilently(exitInvalid)
	}
	return err
}

// listedNetwork reads --fixture, --space with --arch, or --model.
func listedNetwork(c *cli.Context, info devices.Info) (listed, error) {
	cache, err := openCacheOf(c)
	if err != nil {
		return listed{}, err
	}
	if file := c.String("model"); file != "" {
		if c.String("fixture") != "" || c.String("arch") != "" || c.String("space") != "" {
			return listed{}, usagef("--model, --fixture and --arch name different networks; give one")
		}
		return ownFile(c, file, info)
	}
	n, err := oneNetwork(c)
	if err != nil {
		return listed{}, err
	}
	form, err := deviceForm(c, info)
	if err != nil {
		return listed{}, err
	}
	return n.listed(form, cache)
}

// ownFile is a file that is timed as it is.
func ownFile(c *cli.Context, file string, info devices.Info) (listed, error) {
	m, err := model.FromFile(file)
	if err == nil {
		err = acceptFile(m, info)
	}
	if p := c.String("precision"); err == nil && p != "" && p != string(m.Precision) {
		err = fmt.Errorf("model %s is %s; --precision %s is of networks that latlab writes", file, m.Precision, p)
	}
	if err == nil && c.String("input") != "" {
		err = fmt.Errorf("model %s has the inputs that it has; --input is of networks that latlab writes", file)
	}
	return listed{name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), model: m}, withCode(exitUsage, err)
}

func (n network) listed(form model.Form, cache *model.Cache) (listed, error) {
	m, err := model.New(n.graph, form, cache)
	return listed{name: n.name, space: n.space, arch: n.arch, model: m}, err
}

// measureList times the networks of a list and returns their estimates in its order.
// Without --db the results are kept in memory.
func measureList(ctx context.Context, s streams, c *cli.Context, d devices.Device, list listSource) ([]bench.Estimate, error) {
	m, err := manifest(c, list[0].model.Form)
	if err != nil {
		return nil, err
	}
	m.ModelsHash = list.hash()
	j := job{sweep: m, n: len(list), source: list}
	if c.String("db") == "" {
		st := bench.NewMemory()
		res, err := runJob(ctx, s, c, d, st, j)
		if err != nil {
			return nil, err
		}
		return estimates(ctx, s, st, res.Sweep.ID)
	}
	j.resume = commandLine()
	res, err := measureOn(ctx, s, c, d, j)
	if err != nil {
		return nil, err
	}
	st, err := openRead(ctx, c.String("db"))
	if err != nil {
		return nil, err
	}
	defer st.Close()
	return estimates(ctx, s, st, res.Sweep.ID)
}

// estimates reads a finished list back and reports its failures.
func estimates(ctx context.Context, s streams, st bench.Reader, sweep string) ([]bench.Estimate, error) {
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

// printUnder wraps a sentence that belongs to the line above it.
func printUnder(w io.Writer, head, text string) {
	fmt.Fprint(w, ui.WrapIndented(head, strings.Fields(text), "   ", ui.Columns))
}
