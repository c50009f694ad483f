package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"latlab/devices"
)

// Opener takes a device into use.
type Opener func(context.Context) (devices.Device, error)

// Opened are devices of a fleet that were opened before there is a store.
type Opened struct {
	open  []Opener
	first []devices.Device // nil where it failed, and once a member has it
	errs  []error          // why it failed
}

// OpenAll opens devices at once. One that is not there does not keep the others from their work, but it
// is an error where none is there, and where the user made a mistake: that is said before an hour of
// measuring, and no empty store is left behind. With twins none has to be there: a twin may go on with a stored
// sweep. After an error no device is open.
func OpenAll(ctx context.Context, open []Opener, twins bool) (*Opened, error) {
	o := &Opened{open: open, first: make([]devices.Device, len(open)), errs: make([]error, len(open))}
	var wg sync.WaitGroup
	for i := range open {
		wg.Go(func() {
			d, err := open[i](ctx)
			if o.errs[i] = err; err == nil {
				o.first[i] = d
			}
		})
	}
	wg.Wait()
	there := twins || slices.ContainsFunc(o.errs, func(err error) bool { return err == nil })
	for _, err := range o.errs {
		if err != nil && (!there || devices.FaultOf(err) == devices.FaultUser) {
			return nil, errors.Join(err, o.Close())
		}
	}
	return o, nil
}

// Info is what the device says of itself now that it is open, or otherwise where it is not.
func (o *Opened) Info(i int, otherwise devices.Info) devices.Info {
	if o.first[i] == nil {
		return otherwise
	}
	return o.first[i].Info()
}

// Device is a device that is open and that no member has, nil if there is none.
func (o *Opened) Device(i int) devices.Device { return o.first[i] }

// Member is Member.Open of a device: the result of its first opening, and later it is opened again.
func (o *Opened) Member(i int) Opener {
	return func(ctx context.Context) (devices.Device, error) {
		d, err := o.first[i], o.errs[i]
		o.first[i], o.errs[i] = nil, nil
		if d != nil || err != nil {
			return d, err
		}
		return o.open[i](ctx)
	}
}

// Close closes the devices that no member has.
func (o *Opened) Close() (err error) {
	for i, d := range o.first {
		if d != nil {
			err = errors.Join(err, d.Close())
			o.first[i] = nil
		}
	}
	return err
}

// BackOff is for what can go away and come back, a stick in this machine's USB port too. This
// machine itself cannot, nor what is computed on it, and a simulator's absence is over when its own clock says so.
func BackOff(info devices.Info) []time.Duration {
	if info.Transport == "" && info.Kind != devices.Simulated && !info.Accelerator {
		return nil
	}
	return DefaultBackOff()
}
