package main

import (
	"context"
	"fmt"
	"runtime"

	"latlab/devices/inventory"
	"latlab/internal/ui"
	"latlab/internal/version"
	"latlab/sampler/onnx"
	"latlab/sampler/tflite"
)

type versionOptions struct {
	agent string
	json  bool
}

func (o *versionOptions) register(f *flagSet) {
	f.json(&o.json)
	f.agent(&o.agent)
}

func (o *versionOptions) run(ctx context.Context, s streams) error {
	v := versions(ctx, o.agent)
	if o.json {
		return ui.Document(s.out, v)
	}
	fmt.Fprintf(s.out, "latlab %s\n", v["latlab"])
	rows := [][]string{}
	for _, k := range []string{"commit", "go", "platform", "writer_revision", "runtime"} {
		rows = append(rows, []string{"  " + k, v[k]})
	}
	return ui.Table(s.out, rows)
}

func versions(ctx context.Context, agent string) map[string]string {
	v := map[string]string{
		"latlab": version.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		"writer_revision": "tflite " + tflite.WriterRevision + ", onnx " + onnx.WriterRevision, "commit": version.Commit(), "runtime": "not found",
	}
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	if r, err := localRuntime(ctx, agent); err == nil {
		v["runtime"] = r
	}
	return v
}

// localRuntime asks the agent for its runtime. The user's inventory is not read.
func localRuntime(ctx context.Context, agent string) (string, error) {
	path, err := agentPath(agent)
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
