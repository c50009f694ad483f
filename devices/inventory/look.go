package inventory

import (
	"context"

	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/transport"
)

// look reads what a machine is and how it is now.
func (l *Lab) look(ctx context.Context, s *Status, t transport.Transport, e *entry) {
	m := machine.On(t, e.name)
	now, err := m.State(ctx)
	if err != nil {
		s.fail(err)
		return
	}
	s.Now = &now
	if e.local {
		s.SoC = some(state.SoC("/"))
	}
	s.judge(e)
}
