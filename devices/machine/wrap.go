package machine

import (
	"slices"

	"latlab/devices/transport"
)

// Wrapped returns the command as Start starts it, with Options.Wrap in front. It is for
// callers that put a command of the machine itself in front: taskset, for example, belongs to
// the machine, and an emulator in Wrap could not run it.
func (m *Machine) Wrapped(c transport.Command) transport.Command {
	if w := m.o.Wrap; len(w) > 0 {
		c.Args = slices.Concat(w[1:], []string{c.Path}, c.Args)
		c.Path = w[0]
	}
	return c
}
