package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"latlab/internal/ui"
	"latlab/sampler"
	"latlab/sampler/model"
)

func compileCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "compile",
		Usage: "write networks as model files",
		Flags: join(networkFlags(), []cli.Flag{
			stringFlag("archs", "networks as JSON lines, a `FILE` that sample wrote; - is stdin", ""),
			stringFlag("precision", "numeric type: `PRECISION` float32 or int8", string(model.Float32)),
			stringFlag("format", "file format: `FORMAT` tflite or onnx", string(model.TFLite)), inputFlag(),
			&cli.StringFlag{Name: "o", Usage: "`FOLDER` to write into", Required: false},
			jsonFlag(),
		}),
		Action: func(c *cli.Context) error { return compile(s, c) },
	}
}

type compiled struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

func compile(s streams, c *cli.Context) error {
	if err := noArgumentsOf(c); err != nil {
		return err
	}
	if _, err := requiredOf(c, "o"); err != nil {
		return err
	}
	dir, err := outPathOf(c, "what compile writes")
	if err != nil {
		return err
	}
	form, err := fileForm(c)
	if err != nil {
		return err
	}
	write := func(n network) error { return compileOne(s, c, n, form, dir) }
	if c.String("archs") != "" && (c.String("arch") != "" || c.String("fixture") != "") {
		return usagef("--archs, --arch and --fixture name different networks; give one")
	}
	if c.String("archs") == "" {
		n, err := oneNetwork(c)
		if err != nil {
			return err
		}
		return write(n)
	}
	in, name, err := openInput(s, c.String("archs"))
	if err != nil {
		return err
	}
	defer in.Close()
	find := anySpace(c.String("space"))
	return eachLine(s, in, name, find, func(a sampler.Arch) error {
		sp, err := find(a.Space)
		if err != nil {
			return err
		}
		n, err := archNetwork(sp, a)
		if err != nil {
			return err
		}
		return write(n)
	})
}

func compileOne(s streams, c *cli.Context, n network, form model.Form, dir string) error {
	m, err := model.New(n.graph, form, nil)
	if err != nil {
		return withCode(exitUsage, err)
	}
	f, err := m.WriteFile(c.Context, dir)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return ui.Document(s.out, compiled{f.Path, f.SHA256, f.Size})
	}
	_, err = fmt.Fprintf(s.out, "%s  %s  %d\n", f.Path, f.SHA256, f.Size)
	return err
}
