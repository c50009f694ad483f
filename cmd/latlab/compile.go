package main

import (
	"context"
	"fmt"

	"latlab/bench/source"
	"latlab/internal/ui"
	"latlab/sampler"
	"latlab/sampler/model"
)

type compileOptions struct {
	networkOptions
	archs, format string
	formOptions
	output outputOptions
}

func (o *compileOptions) register(f *flagSet) {
	o.networkOptions.register(f)
	f.string(&o.archs, "archs", "networks as JSON lines, a `FILE` that sample wrote; - is stdin", "")
	f.string(&o.precision, "precision", "numeric type: `PRECISION` float32 or int8", string(model.Float32))
	f.string(&o.format, "format", "file format: `FORMAT` tflite or onnx", string(model.TFLite))
	o.registerInput(f)
	o.output.register(f, "`FOLDER` to write into")
}

type compiled struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

func (o *compileOptions) run(ctx context.Context, s streams) error {
	if err := required("o", o.output.out); err != nil {
		return err
	}
	dir, err := outPath(o.output, "what compile writes")
	if err != nil {
		return err
	}
	form, err := o.fileForm(o.format)
	if err != nil {
		return err
	}
	write := func(n source.Network) error { return o.write(ctx, s, n, form, dir) }
	if o.archs != "" && (o.arch != "" || o.fixture != "") {
		return usagef("--archs, --arch and --fixture name different networks; choose one")
	}
	if o.archs == "" {
		n, err := o.network()
		if err != nil {
			return err
		}
		return write(n)
	}
	in, name, err := openInput(s, o.archs)
	if err != nil {
		return err
	}
	defer in.Close()
	find := anySpace(o.space)
	return eachLine(s, in, name, find, func(a sampler.Arch) error {
		sp, err := find(a.Space)
		if err != nil {
			return err
		}
		n, err := source.Point(sp, a)
		if err != nil {
			return withCode(exitUsage, err)
		}
		return write(n)
	})
}

func (o *compileOptions) write(ctx context.Context, s streams, n source.Network, form model.Form, dir string) error {
	m, err := model.New(n.Graph, form, nil)
	if err != nil {
		return withCode(exitUsage, err)
	}
	f, err := m.WriteFile(ctx, dir)
	if err != nil {
		return err
	}
	if o.output.json {
		return ui.Document(s.out, compiled{f.Path, f.SHA256, f.Size})
	}
	_, err = fmt.Fprintf(s.out, "%s  %s  %d\n", f.Path, f.SHA256, f.Size)
	return err
}
