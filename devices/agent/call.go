package agent

import (
	"context"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/devices/machine"
	"latlab/sampler/model"
)

// staged are input files on the machine.
type staged []*machine.Staged

func (s staged) close() {
	for _, f := range s {
		f.Close()
	}
}

// call puts a model's Call into a request, and the files of its inputs on the machine.
func (d *Device) call(ctx context.Context, op string, m *model.Model, req *wire.Request) (files staged, err error) {
	if m.Network == nil {
		return nil, nil
	}
	req.Signature = m.Network.Runner
	if shapes := m.SetShapes(); shapes != nil {
		req.Shapes = make([][]int, len(shapes))
		for i, p := range m.Ports {
			req.Shapes[p.Index] = shapes[i]
		}
	}
	for i := range m.Ports {
		p := &m.Ports[i]
		if !p.HasValues() {
			continue
		}
		given := wire.Given{Input: p.Index, Element: p.Element}
		if p.Element == nil {
			raw, err := p.Raw()
			if err != nil {
				files.close()
				return nil, devices.ModelBytes(op, err)
			}
			f, err := d.launch.m.StageBytes(ctx, op, raw)
			if err != nil {
				files.close()
				return nil, err
			}
			given.File, files = f.Path, append(files, f)
		}
		req.Given = append(req.Given, given)
	}
	return files, nil
}
