package machine

import "context"

func (m *Machine) applySettings(_ context.Context) error { return nil }

func (m *Machine) restoreSettings(_ context.Context) error { return nil }

func (m *Machine) cleanSettings(ctx context.Context) ([]string, error) {
	return nil, m.restoreSettings(ctx)
}
