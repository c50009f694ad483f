package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"latlab/devices/inventory"
	"latlab/internal/ui"
	"latlab/internal/version"
	"latlab/sampler/onnx"
	"latlab/sampler/tflite"
)

func versionCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print versions: latlab, Go, the writer, the agent's runtime",
		Flags: []cli.Flag{jsonFlag(), deviceFlags()[3]},
		Action: func(c *cli.Context) error {
			if err := noArgumentsOf(c); err != nil {
				return err
			}
			v := versions(c)
			if c.Bool("json") {
				return ui.Document(s.out, v)
			}
			fmt.Fprintf(s.out, "latlab %s\n", v["latlab"])
			rows := [][]string{}
			for _, k := range []string{"commit", "go", "platform", "writer_revision", "runtime"} {
				rows = append(rows, []string{"  " + k, v[k]})
			}
			return ui.Table(s.out, rows)
		},
	}
}

func versions(c *cli.Context) map[string]string {
	v := map[string]string{
		"latlab": version.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		"writer_revision": "tflite " + tflite.WriterRevision + ", onnx " + onnx.WriterRevision, "commit": version.Commit(), "runtime": "not found",
	}
	ctx, cancel := context.WithTimeout(c.Context, deviceTimeout)
	defer cancel()
	if r, err := localRuntime(ctx, c); err == nil {
		v["runtime"] = r
	}
	return v
}

// localRuntime asks the agent. The user's inventory has no say in it.
func localRuntime(ctx context.Context, c *cli.Context) (string, error) {
	path, err := agentPath(c.String("agent"))
	if err != nil {
		return "", err
	}
	l, err := inventory.New(inventory.Options{BuiltIn: true, AgentPath: path})
	if err != nil {
		return "", err
	}
	d, err := l.Open(ctx, inventory.Local)
	if err != nil {
		return "", err
	}
	return d.Info().Fingerprint["runtime"], d.Close()
}
