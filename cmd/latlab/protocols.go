package main

import (
	"context"

	"latlab/bench/protocol"
	"latlab/internal/ui"
)

// protocolsOptions list protocols beside each other: the presets, or those that are named.
type protocolsOptions struct {
	named []string
	json  bool
}

func (o *protocolsOptions) register(f *flagSet) {
	f.json(&o.json)
	f.arguments(&o.named, "[PROTOCOL...]")
}

func (o *protocolsOptions) run(_ context.Context, s streams) error {
	if len(o.named) == 0 {
		o.named = protocol.Presets()
	}
	var all []protocol.Protocol
	head := []string{"FIELD"}
	for _, name := range o.named {
		p, err := findProtocol(name)
		if err != nil {
			return err
		}
		all, head = append(all, p), append(head, p.Name)
	}
	if o.json {
		return ui.Document(s.out, map[string]any{"protocols": all})
	}
	lines := [][]string{head}
	for _, field := range protocol.Fields() {
		lines = append(lines, append([]string{field}, mapped(all, func(p protocol.Protocol) string { return p.Value(field) })...))
	}
	if err := ui.Table(s.out, lines); err != nil {
		return err
	}
	for _, name := range o.named {
		if purpose := protocol.Purpose(name); purpose != "" {
			printUnder(s.out, name+":", purpose)
		}
	}
	return nil
}
