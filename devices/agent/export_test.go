package agent

import (
	"context"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/sampler/model"
)

// WhyLeft is exported to test its texts.
var WhyLeft = whyLeft

// OutputsOf is Outputs with a model's Call.
func (d *Device) OutputsOf(ctx context.Context, m *model.Model) ([]wire.Output, devices.Delegation, error) {
	f, err := m.Open(ctx)
	if err != nil {
		return nil, devices.Delegation{}, err
	}
	defer f.Close()
	req := &wire.Request{}
	files, err := d.call(ctx, "outputs", m, req)
	if err != nil {
		return nil, devices.Delegation{}, err
	}
	defer files.close()
	return d.outputs(ctx, f.Path, req)
}
