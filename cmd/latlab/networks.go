package main

import (
	"fmt"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/bench/source"
	"latlab/devices"
	"latlab/internal/ui"
	"latlab/sampler/model"
)

// namedOptions name the networks of a run, in forms that can be mixed.
type namedOptions struct {
	fixtures, points []string
	space, archs     string
	models           []string
	list             string // of model files; sweep only
	flags            *flagSet
}

func (o *namedOptions) register(f *flagSet) {
	o.flags = f
	f.several(&o.fixtures, "fixture", "built-in network, by `NAME`; may be repeated", env("fixture")...)
	f.space(&o.space)
	f.several(&o.points, "arch", "a point of the space: `INDICES` such as 0:3:1; may be repeated", env("arch")...)
	f.string(&o.archs, "archs", "networks as JSON lines, a `FILE` that sample wrote; - is stdin", "")
	f.list("model", "a .tflite or .onnx `FILE` of your own, a folder of them, or a glob; may be repeated", func(given []string) { o.models = given }).EnvVars = env("model")
}

// form is a way to name networks. It holds a flag's name, whether it names any, and how to drop them.
type form struct {
	flag  string
	given bool
	drop  func()
}

func (o *namedOptions) forms() []form {
	return []form{
		{"fixture", len(o.fixtures) > 0, func() { o.fixtures = nil }},
		{"arch", len(o.points) > 0, func() { o.points = nil }},
		{"archs", o.archs != "", func() { o.archs = "" }},
		{"model", len(o.models) > 0, func() { o.models = nil }},
		{"models", o.list != "", func() { o.list = "" }},
	}
}

// preferTyped drops forms that only the environment or the configuration file has, where networks are
// named, or sampled, on the command line.
func (o *namedOptions) preferTyped() {
	forms := o.forms()
	if !o.flags.typed("n") && !slices.ContainsFunc(forms, func(f form) bool { return o.flags.typed(f.flag) }) {
		return
	}
	for _, f := range forms {
		if !o.flags.typed(f.flag) {
			f.drop()
		}
	}
}

// first is the flag of the first form that names networks, "" if there is none.
func (o *namedOptions) first() string {
	for _, f := range o.forms() {
		if f.given {
			return f.flag
		}
	}
	return ""
}

// written reports whether latlab writes some of the networks itself.
func (o *namedOptions) written() bool { return len(o.fixtures)+len(o.points) > 0 || o.archs != "" }

// one reports whether exactly one network is named, by a form that names no more than one.
func (o *namedOptions) one() bool {
	return o.archs == "" && o.list == "" && len(o.fixtures)+len(o.points)+len(o.models) == 1 &&
		(len(o.models) == 0 || !source.IsSeveral(o.models[0]))
}

func (o *namedOptions) check(form formOptions) error {
	switch {
	case o.first() == "":
		return usagef("name a network: --fixture NAME, or --space NAME with --arch INDICES, --archs FILE, --model FILE")
	case o.flags.typed("space") && len(o.points) == 0 && o.archs == "":
		return usagef("--%s and --space choose different networks; choose one", o.first())
	case form.input != "" && !o.written():
		return usagef("the inputs of model files cannot be changed; --input applies only to networks that latlab writes")
	}
	return nil
}

// gather makes the networks ready to be timed on a device; call is how files are executed.
func (o *measureOptions) gather(s streams, named *namedOptions, info devices.Info, call model.Call) (*source.Named, error) {
	if err := named.check(o.formOptions); err != nil {
		return nil, err
	}
	cache, err := o.cache.open()
	if err != nil {
		return nil, err
	}
	to := source.NamedOptions{
		Device: info, Cache: cache, Written: named.written(), Form: model.Form{Precision: model.Precision(o.precision)},
		Report: func(err error) { fmt.Fprintf(s.err, "latlab: %s\n", ui.OneLine(err)) },
	}
	if to.Written {
		if to.Form, err = o.deviceForm(info, info.Precisions[0]); err != nil {
			return nil, err
		}
	}
	l := source.NewNamed(to)
	if err := named.addTo(l, s, call); err != nil {
		return nil, err
	}
	return l, withCode(exitUsage, l.Done())
}

func (o *namedOptions) addTo(l *source.Named, s streams, call model.Call) error {
	for _, name := range o.fixtures {
		n, err := source.Fixture(name)
		if err == nil {
			err = l.AddNetwork(n, "--fixture "+name)
		}
		if err != nil {
			return err
		}
	}
	for _, indices := range o.points {
		n, err := pointOfSpace(o.space, indices)
		if err == nil {
			err = l.AddNetwork(n, "--arch "+indices)
		}
		if err != nil {
			return err
		}
	}
	if o.archs != "" {
		in, name, err := openInput(s, o.archs)
		if err != nil {
			return err
		}
		defer in.Close()
		if err := l.AddArchs(in, name, anySpace(o.space)); err != nil {
			return withCode(exitUsage, err)
		}
	}
	for _, path := range o.models {
		if err := l.AddFiles(path, call); err != nil {
			return withCode(exitUsage, err)
		}
	}
	if o.list != "" {
		return withCode(exitUsage, l.AddList(o.list))
	}
	return nil
}

// words say where the networks of a run come from: "of list.jsonl".
func (o *namedOptions) words() string {
	switch {
	case o.list != "" && !o.written() && len(o.models) == 0:
		return "of " + o.list
	case o.archs != "" && len(o.fixtures)+len(o.points)+len(o.models) == 0 && o.list == "":
		return "of " + o.archs
	}
	return "as named"
}

// countsLine is "11 of 14 networks measured on cpu; 3 refused".
func countsLine(measured, asked int, kind devices.Kind, on string, failed, refused int) string {
	line := fmt.Sprintf("%s of %s %s%s", ui.Thousands(measured), ui.Plural(asked, "network"), ui.Kind(kind), on)
	var but []string
	if refused > 0 {
		but = append(but, ui.Thousands(refused)+" refused")
	}
	if failed > 0 {
		but = append(but, ui.Thousands(failed)+" failed")
	}
	if len(but) > 0 {
		line += "; " + strings.Join(but, ", ")
	}
	return line
}

// printRefused says which networks were refused, and why.
func printRefused(s streams, refused []bench.Refused) {
	for _, r := range refused {
		fmt.Fprint(s.out, ui.Wrap("refused:", append([]string{r.Name + ":"}, strings.Fields(r.Reason)...), ui.Columns))
	}
}
