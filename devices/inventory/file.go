package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/sampler"
)

// fileFamily is the devices of the user's inventory file.
func (l *Lab) fileFamily() family {
	return l.reached(family{
		what: "a device of " + l.file,
		why:  "it has those that " + l.file + " gives it",
		owns: func(name string) bool { return l.entryOf(name) != nil },
		names: func() []string {
			var names []string
			for _, e := range l.entries {
				names = append(names, e.name)
			}
			return names
		},
		entry: func(name string) (*entry, error) { return l.entryOf(name), nil },
	})
}

func (l *Lab) entryOf(name string) *entry {
	i := slices.IndexFunc(l.entries, func(e entry) bool { return e.name == name })
	if i < 0 {
		return nil
	}
	return &l.entries[i]
}

// reached completes a family whose devices are entries, of the file or made of a name.
func (l *Lab) reached(f family) family {
	f.describe = func(name string, _ Options) (devices.Info, error) {
		e, err := f.entry(name)
		if err != nil {
			return devices.Info{}, err
		}
		return l.describeEntry(e)
	}
	f.open = func(ctx context.Context, name string, _ Options) (devices.Device, error) {
		e, err := f.entry(name)
		if err != nil {
			return nil, err
		}
		return l.openEntry(ctx, e)
	}
	f.check = func(ctx context.Context, name string, _ Options) []Step {
		e, err := f.entry(name)
		if err != nil {
			return []Step{{"name", Missing, oneLine(err.Error()), ""}}
		}
		return l.checkEntry(ctx, e)
	}
	return f
}

// describeEntry is what is known of a device without asking it.
func (l *Lab) describeEntry(e *entry) (devices.Info, error) {
	if err := e.filesThere(); err != nil {
		return devices.Info{}, err
	}
	return l.describeTool(e)
}

// describeTool is describeEntry without a look at the files of this host.
func (l *Lab) describeTool(e *entry) (devices.Info, error) {
	info, err := l.toolOf(e).describe()
	if err != nil {
		return devices.Info{}, e.located(err)
	}
	info.Name, info.Transport = e.name, e.transport()
	if e.precision != "" {
		info.Precisions = defaultFirst(info.Precisions, e.precision)
	}
	return info, nil
}

// transport is the word of Info.Transport.
func (e *entry) transport() string {
	switch {
	case e.adb != "":
		return "adb"
	case e.ssh.host != "":
		return "ssh"
	}
	return ""
}

// filesThere looks for the files of this host that a device needs. That is not done when the
// inventory is read: a disk that is not mounted must not keep the other devices from working.
func (e *entry) filesThere() error {
	for _, f := range []struct {
		name  string
		paths []string
	}{
		{"ssh", []string{e.ssh.identity, e.ssh.knownHosts}}, {"binary", []string{e.binary}},
		{"delegate_library", []string{e.delegateLibrary}}, {"libraries", e.libraries}, {"compiler", []string{e.compiler}},
		{"sdk", []string{e.sdk}}, {"viewer", []string{e.viewer}},
	} {
		for _, p := range f.paths {
			if p == "" || strings.HasPrefix(p, onDevice) {
				continue
			}
			if _, err := os.Stat(p); err != nil {
				return e.fault(f.name, fmt.Errorf("%s: %s", sampler.Clip(p), reason(err)))
			}
		}
	}
	return nil
}

// fault is a mistake in the file that is found when the device is used.
func (e *entry) fault(field string, err error) error {
	where := e.name
	if e.file != "" {
		line, given := e.lines[field]
		if !given {
			line = e.line
		}
		where = fmt.Sprintf("%s:%d", e.file, line)
	}
	return &devices.Error{Fault: devices.FaultUser, Op: where, Reason: devices.ReasonMissing,
		Err: fmt.Errorf("%s: %w", field, err)}
}

// sentence is what an error says to whoever asked about this device: not again what was being
// done, but where in the file a mistake is, and what is advised.
func sentence(e *devices.Error) string {
	text := e.Err.Error()
	if e.Fault == devices.FaultUser && strings.Contains(e.Op, ":") && !strings.Contains(e.Op, " ") {
		text = e.Op + ": " + text
	}
	if e.Advice != "" && oneLine(e.Advice) != toType(e.Advice) {
		text += " (" + e.Advice + ")"
	}
	return oneLine(text)
}

// toType is the command in a piece of advice, "" where there is none: it is all of it, or
// stands between backquotes in a sentence.
func toType(advice string) string {
	program, _, _ := strings.Cut(advice, " ")
	if slices.Contains([]string{"adb", "latlab", "make", "ssh", "ssh-add", "ssh-copy-id", "ssh-keygen", "sudo"}, program) {
		return oneLine(advice)
	}
	_, rest, _ := strings.Cut(advice, "`")
	command, _, closed := strings.Cut(rest, "`")
	if !closed {
		return ""
	}
	return oneLine(command)
}

// located says where in the file a mistake is that a tool's package found.
func (e *entry) located(err error) error {
	var known *devices.Error
	if e.file == "" || !errors.As(err, &known) || known.Fault != devices.FaultUser || strings.HasPrefix(known.Op, e.file) {
		return err
	}
	found := *known
	found.Op = fmt.Sprintf("%s:%d", e.file, e.line)
	return &found
}
