package machine

import (
	"context"
	"time"

	"latlab/devices"
)

func (m *Machine) remoteState(_ context.Context) (devices.State, error) {
	return devices.State{Time: time.Now()}, nil
}

func (m *Machine) applySettings(_ context.Context) error { return nil }

func (m *Machine) restoreSettings(_ context.Context) error { return nil }

func (m *Machine) cleanSettings(ctx context.Context) ([]string, error) {
	return nil, m.restoreSettings(ctx)
}
