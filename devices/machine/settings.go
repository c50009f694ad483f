package machine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"latlab/devices"
	"latlab/devices/state"
)

// applySettings restores what a crashed latlab left changed, then makes the new settings.
func (m *Machine) applySettings(ctx context.Context) error {
	none := m.o.Settings == state.Settings{}
	switch {
	case m.o.Dir != "":
		return state.Apply(ctx, m.t, m.o.Dir, m.o.Settings)
	case none:
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + m.o.Name, Reason: ReasonFolder,
		Err:    errors.New("without a dir the old settings cannot be saved, so they could not be restored"),
		Advice: "give the device a dir, or leave its settings out"}
}

// restoreSettings undoes applySettings. If no settings were made it does not contact the
// machine.
func (m *Machine) restoreSettings(ctx context.Context) error {
	if m.o.Settings == (state.Settings{}) {
		return nil
	}
	if _, err := state.Restore(ctx, m.t, m.o.Dir); err != nil {
		return remains(err, fmt.Sprintf("%s may still be set there; what it was is noted in %s and is put back when %s is next used",
			changed(m.o.Settings), m.path(state.JournalName), m.o.Name))
	}
	return nil
}

// changed describes for people how settings change.
func changed(s state.Settings) string {
	var list []string
	if s.Governor != "" {
		list = append(list, "governor "+s.Governor)
	}
	if s.StayAwake {
		list = append(list, "stay awake")
	}
	if s.Airplane {
		list = append(list, "airplane mode")
	}
	return strings.Join(list, ", ")
}
