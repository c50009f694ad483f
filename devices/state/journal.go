package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// JournalName is the file in latlab's folder on a device with the values that Restore
// restores.
const JournalName = "settings.json"

const (
	journalVersion = 1
	maxJournal     = 256 << 10
	maxChanges     = 2 * maxSensors
)

// journal is written before anything changes. It also holds latlab's own values: a setting is
// restored only if it still has latlab's value.
type journal struct {
	Version int      `json:"version"`
	Changes []change `json:"changes"`
}

// change is one setting, with its old value and latlab's.
type change struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// name is for people.
func (c change) name() string {
	switch c.Kind {
	case kindGovernor:
		return "the governor of " + path.Base(strings.TrimSuffix(path.Dir(c.Key), "/cpufreq"))
	case kindAirplane:
		return "airplane mode"
	}
	return c.Key
}

// valid checks a change that was read from the device.
func (c change) valid() bool {
	if !isValue(c.Old) || !isValue(c.New) {
		return false
	}
	switch c.Kind {
	case kindGovernor:
		return isGovernorFile(c.Key)
	case kindGlobal:
		return c.Key == stayOn
	case kindAirplane:
		return c.Key == airplaneMode
	}
	return false
}

// isValue accepts names of governors and numbers. None begins with a dash, which would make it
// an option.
func isValue(s string) bool {
	if s == "" || len(s) > maxName || s[0] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}

func (d setter) path() string { return path.Join(d.dir, JournalName) }

func (d setter) op() string { return "keep the settings of the device in " + d.path() }

// writeJournal writes the journal atomically, readable only for its owner.
func (d setter) writeJournal(ctx context.Context, changes []change) error {
	text, err := json.MarshalIndent(journal{journalVersion, changes}, "", "\t")
	if err != nil {
		return err
	}
	if _, err := transport.Shell(ctx, d.t, maxSaid, `umask 077 && mkdir -p "$1"`, d.dir); err != nil {
		return blame(d.op(), err)
	}
	f := transport.File{Path: d.path(), Content: bytes.NewReader(text), Size: int64(len(text)), Mode: 0o600}
	return blame(d.op(), d.t.Put(ctx, f))
}

// blame adds whose fault an error is, if the transport does not know.
func blame(op string, err error) error {
	var known *devices.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: ReasonSetting, Err: err}
}

// loadJournal reads the journal; a missing journal is no error.
func (d setter) loadJournal(ctx context.Context) ([]change, bool, error) {
	var kept bytes.Buffer
	err := d.t.Get(ctx, d.path(), &kept, maxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, blame(d.op(), err)
	}
	changes, err := readJournal(kept.Bytes())
	if err != nil {
		return nil, false, &devices.Error{Fault: devices.FaultDevice, Op: "restore the settings of the device", Reason: devices.ReasonGarbage,
			Err: fmt.Errorf("%s: %w", d.path(), err), Output: text.Tail(kept.String(), maxTail),
			Advice: "put the device's governor, stay-awake and airplane mode right by hand and remove the file"}
	}
	return changes, true, nil
}

func readJournal(text []byte) ([]change, error) {
	var j journal
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, fmt.Errorf("it is not a journal of settings: %w", err)
	}
	if j.Version != journalVersion {
		return nil, fmt.Errorf("it has version %d, this latlab knows %d", j.Version, journalVersion)
	}
	if len(j.Changes) > maxChanges || slices.ContainsFunc(j.Changes, func(c change) bool { return !c.valid() }) {
		return nil, errors.New("it contains settings that latlab never changes")
	}
	return j.Changes, nil
}

func (d setter) restore(ctx context.Context) ([]string, error) {
	changes, there, err := d.loadJournal(ctx)
	if err != nil || !there {
		return nil, err
	}
	now, err := d.read(ctx)
	if err != nil {
		return nil, err
	}
	done, err := d.putBack(ctx, now, changes)
	if err != nil {
		return done, err
	}
	if _, err := transport.Shell(ctx, d.t, maxSaid, `rm -f "$1"`, d.path()); err != nil {
		return done, blame(d.op(), err)
	}
	return done, nil
}

// putBack works backwards, restores the settings that still have latlab's values, and checks
// the result.
func (d setter) putBack(ctx context.Context, now current, changes []change) (done []string, err error) {
	var undone []change
	said := ""
	for _, c := range slices.Backward(changes) {
		got, ok := now.value(c)
		switch _, exists := now.governors[c.Key]; {
		case c.Kind == kindGovernor && !exists:
			done = append(done, c.name()+" is not there any more: its CPUs are switched off")
		case !ok:
			return done, unread(c)
		case got == c.Old:
		case got != c.New:
			done = append(done, fmt.Sprintf("%s is %s, which latlab did not set: left as it is", c.name(), got))
		default:
			text, err := d.set(ctx, c, c.Old)
			if err != nil {
				return done, err
			}
			said += text
			undone = append(undone, change{c.Kind, c.Key, c.New, c.Old})
		}
	}
	if len(undone) == 0 {
		return done, nil
	}
	if now, err = d.settled(ctx, undone); err != nil {
		return done, err
	}
	for _, c := range undone {
		if got, _ := now.value(c); got != c.New {
			return done, now.refused(c, got, said)
		}
		done = append(done, fmt.Sprintf("%s was put back to %s", c.name(), c.New))
	}
	return done, nil
}
