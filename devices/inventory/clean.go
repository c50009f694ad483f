package inventory

import (
	"context"

	"latlab/devices/machine"
)

// Clean removes all that latlab put on a device, and takes settings back that a latlab which
// crashed left there. It returns what was done, a line each. A device that is in use is not
// cleaned. An unknown name is an *UnknownError.
func (l *Lab) Clean(ctx context.Context, name string) (done []string, err error) {
	f, err := l.familyOf(name)
	if err != nil {
		return nil, err
	}
	if err := f.known(name, l.o); err != nil {
		return nil, err
	}
	if f.entry == nil {
		return []string{"nothing of latlab's is put there: " + name + " is " + f.what}, nil
	}
	e, err := f.entry(name)
	if err != nil {
		return nil, err
	}
	t, err := l.dial(ctx, e)
	if err != nil {
		return nil, err
	}
	done, err = machine.Clean(ctx, t, l.machineOptions(e))
	if cerr := t.Close(); err == nil {
		err = cerr
	}
	for i, line := range done {
		done[i] = oneLine(line)
	}
	return done, err
}
