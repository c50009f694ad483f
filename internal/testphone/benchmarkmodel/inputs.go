package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"latlab/sampler/tflite/reader"
)

// inputs checks the flags about inputs as the real program does: every input in the subgraph's order, files
// with exactly the tensor's bytes. It writes the files' contents in hex to "inputs.json" in the folder State.
func (p *program) inputs(n *reader.Network) error {
	list := p.flags.text("input_layer")
	if list == "" {
		if p.flags.text("input_layer_value_files") != "" {
			p.error("Cannot find the corresponding input_layer name in --input_layer as ")
			return errFailed
		}
		return nil
	}
	names, shapes := strings.Split(list, ","), strings.Split(p.flags.text("input_layer_shape"), ":")
	if len(names) != len(shapes) || len(names) != len(n.Inputs) {
		p.error("Inputs mismatch: Model inputs #:%d expected: %d", len(n.Inputs), len(names))
		return errFailed
	}
	got := map[string]string{}
	for _, item := range strings.Split(p.flags.text("input_layer_value_files"), ",") {
		parts := strings.Split(strings.ReplaceAll(item, "::", "\x00"), ":")
		if len(parts) != 2 {
			p.error("%s contains more than one delimiter.", item)
			return errFailed
		}
		content, err := os.ReadFile(strings.ReplaceAll(parts[1], "\x00", ":"))
		if err != nil {
			p.error("Failed to read the input_layer_value_file:%s", parts[1])
			return errFailed
		}
		got[strings.ReplaceAll(parts[0], "\x00", ":")] = hex.EncodeToString(content)
	}
	for i, input := range n.Inputs {
		if names[i] != input.Name {
			p.warn("Tensor # %d is named %s but flags call it %s", i, input.Name, names[i])
		}
	}
	text, err := json.Marshal(got)
	if err != nil {
		return p.broken(err)
	}
	if err := os.WriteFile(filepath.Join(p.c.State, "inputs.json"), text, 0o644); err != nil {
		return p.broken(err)
	}
	return nil
}
