package machine

import (
	"slices"

	"latlab/devices/transport"
)

// Wrapped is the command behind Options.Wrap, as Start starts it. It is for who puts
// something of the machine's own in front: taskset is the machine's, and an emulator that
// Wrap names could not run it.
func (m *Machine) Wrapped(c transport.Command) transport.Command {
	if w := m.o.Wrap; len(w) > 0 {
		c.Args = slices.Concat(w[1:], []string{c.Path}, c.Args)
		c.Path = w[0]
	}
	return c
}
