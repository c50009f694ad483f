package inventory

import (
	"errors"
	"maps"
	"sync"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
)

// owned is a device that gives up its machine and its transport when it is closed.
type owned struct {
	devices.Device
	info  devices.Info
	close func() error
}

// own makes a device the owner of what it stands on. What it can do besides stays visible:
// bench asks for interfaces.
func own(d devices.Device, described devices.Info, m *machine.Machine, t transport.Transport) devices.Device {
	info := d.Info()
	info.Transport, info.Precisions = described.Transport, described.Precisions
	// What the tool says of itself holds; the machine's identity adds to it.
	info.Fingerprint = maps.Clone(info.Fingerprint)
	for k, v := range described.Fingerprint {
		if _, said := info.Fingerprint[k]; !said {
			info.Fingerprint[k] = v
		}
	}
	o := owned{Device: d, info: info, close: sync.OnceValue(func() error {
		return errors.Join(d.Close(), m.Close(), t.Close())
	})}
	p, prepares := d.(devices.Preparer)
	l, layers := d.(devices.Layerer)
	switch {
	case prepares && layers:
		return struct {
			owned
			devices.Preparer
			devices.Layerer
		}{o, p, l}
	case prepares:
		return struct {
			owned
			devices.Preparer
		}{o, p}
	case layers:
		return struct {
			owned
			devices.Layerer
		}{o, l}
	}
	return o
}

// Info is the device's own, named and with the default precision as the file has it.
func (o owned) Info() devices.Info { return o.info }

// Close gives the device, its machine and its transport up.
func (o owned) Close() error { return o.close() }
