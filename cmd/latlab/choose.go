package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/internal/ui"
)

// chooseSweep returns the one sweep of a store that --sweep and --device leave. None, or
// more than one, is an error that lists what is there.
func chooseSweep(ctx context.Context, c *cli.Context, st bench.Reader) (bench.Sweep, error) {
	all, err := st.Sweeps(ctx)
	if err != nil {
		return bench.Sweep{}, err
	}
	id, device := c.String("sweep"), c.String("device")
	if id != "" {
		return namedSweep(c, all, id)
	}
	var left []bench.Sweep
	for _, s := range all {
		if device == "" || s.Device.Name == device {
			left = append(left, s)
		}
	}
	switch {
	case len(left) == 1:
		return left[0], nil
	case len(all) == 0:
		return bench.Sweep{}, usagef("the store holds no sweep")
	case len(left) == 0:
		return bench.Sweep{}, withCode(exitNoDevice, fmt.Errorf("no sweep is on device %q; there are: %s", device, listSweeps(all)))
	}
	return bench.Sweep{}, usagef("several sweeps would do; choose one with --sweep: %s", listSweeps(left))
}

// namedSweep is one of --sweep. A --device that was typed beside it must be the sweep's.
func namedSweep(c *cli.Context, all []bench.Sweep, id string) (bench.Sweep, error) {
	m, err := sweepByID(all, id)
	if err == nil && typedOf(c, "device") && c.String("device") != m.Device.Name {
		err = usagef("sweep %s is on device %s, not on %q; leave --device out", m.ID, m.Device.Name, c.String("device"))
	}
	return m, err
}

// sweepByID finds a sweep by the beginning of its id.
func sweepByID(all []bench.Sweep, id string) (bench.Sweep, error) {
	var found []bench.Sweep
	for _, s := range all {
		if strings.HasPrefix(s.ID, id) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return bench.Sweep{}, usagef("no sweep is %q; there are: %s", id, listSweeps(all))
	}
	return bench.Sweep{}, usagef("several sweeps begin with %q: %s", id, listSweeps(found))
}

func listSweeps(sweeps []bench.Sweep) string {
	if len(sweeps) == 0 {
		return "none"
	}
	var words []string
	for _, s := range sweeps {
		words = append(words, fmt.Sprintf("%s (%s on %s, %s, %s)", s.ID, sweepNetworks(s), s.Device.Name, s.Precision, s.Protocol.Name))
	}
	return strings.Join(words, "; ")
}

// sweepNetworks says what a sweep's networks are.
func sweepNetworks(s bench.Sweep) string {
	if s.Space == "" {
		return ui.Plural(s.Networks, "listed model")
	}
	return fmt.Sprintf("%d of %s", s.Networks, s.Space)
}
