package inventory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"latlab/devices/agent"
)

// CheckWays looks at what phones and boards need on this host: the inventory file and the
// agent's bundle. Nobody needs all of it: what is not there is a note.
func (l *Lab) CheckWays(_ context.Context) []Step {
	w := &walk{}
	l.checkFile(w)
	l.checkBundle(w)
	return w.steps
}

func (l *Lab) checkFile(w *walk) {
	if l.o.BuiltIn {
		return
	}
	switch _, err := os.Stat(l.file); {
	case l.file == "" || errors.Is(err, fs.ErrNotExist):
		w.note("inventory", "no devices of your own: there is no "+l.file, "")
	default:
		w.ok("inventory", "%s, devices: %d", l.file, len(l.entries))
	}
}

func (l *Lab) checkBundle(w *walk) {
	dir := filepath.Join(l.bundles(), bundleName)
	p, err := agent.Bundle(dir)
	if err != nil {
		w.note("agent bundle", fmt.Sprintf("arm64 phones and boards need it: %v", err), "make agent-arm64")
		return
	}
	w.ok("agent bundle", "%s, %d files", dir, len(p.Files))
}
