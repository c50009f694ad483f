package inventory

import (
	"context"
	"fmt"
	"strings"

	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
)

// Prefixes of devices that the file need not name.
const (
	adbPrefix = "adb:"
	sshPrefix = "ssh:"
)

// attachedFamilies are phones and boards by their address: timed by the agent on the CPU.
// Whoever wants another tool, delegate or gate writes them into the file.
func (l *Lab) attachedFamilies() []family {
	return []family{
		l.attached(adbPrefix, "an attached phone", "SERIAL", func(e *entry, text string) string {
			e.adb = text
			return badSerial(text)
		}),
		l.attached(sshPrefix, "a board", "HOST", func(e *entry, text string) (why string) {
			e.ssh, why = parseHost(text)
			return why
		}),
	}
}

func (l *Lab) attached(prefix, what, form string, place func(e *entry, text string) string) family {
	return l.reached(family{
		what: what, threaded: true, forms: []string{prefix + form},
		owns:  func(name string) bool { return strings.HasPrefix(name, prefix) },
		names: func() []string { return nil },
		entry: func(name string) (*entry, error) {
			text := strings.TrimPrefix(name, prefix)
			e := &entry{name: name, tool: toolAgent, delegate: delegateXNNPACK, threads: max(l.o.Threads, 1), cpus: l.o.CPUs}
			if why := place(e, text); why != "" {
				return nil, &UnknownError{Name: name, Err: fmt.Errorf("%q names no device: %s", name, why)}
			}
			return e, nil
		},
	})
}

// open logs in.
func (h sshHost) open(ctx context.Context) (transport.Transport, error) {
	o := ssh.Options{Host: h.host, User: h.user, Port: h.port}
	if h.identity != "" {
		o.IdentityFiles = []string{h.identity}
	}
	if h.knownHosts != "" {
		o.KnownHosts = []string{h.knownHosts}
	}
	t, err := ssh.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return t, nil
}
