package inventory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"latlab/devices/agent"
	"latlab/devices/transport/ssh"
)

// CheckHost checks what phones and boards need on this host: the inventory file, the agent's
// bundle, adb, keys for ssh. All of it is optional, so what is missing is a note.
func (l *Lab) CheckHost(ctx context.Context) []Step {
	w := &walk{}
	l.checkFile(w)
	l.checkBundle(w)
	l.checkADB(ctx, w)
	checkSSH(w)
	return w.steps
}

func (l *Lab) checkFile(w *walk) {
	if l.o.BuiltIn {
		return
	}
	switch _, err := os.Stat(l.file); {
	case l.file == "" || errors.Is(err, fs.ErrNotExist):
		w.note("inventory", "no inventory file: "+l.file, "")
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

// checkSSH looks for what a login needs. Whether a board accepts the login only the board knows.
func checkSSH(w *walk) {
	if _, err := ssh.Program(); err != nil {
		w.note("ssh", "boards: the program ssh is not installed", "apt-get install openssh-client")
		return
	}
	home, err := os.UserHomeDir()
	if err != nil {
		w.note("ssh", "boards: "+err.Error(), "")
		return
	}
	dir := filepath.Join(home, ".ssh")
	there := func(name string) bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
	keys := slices.DeleteFunc([]string{"id_ed25519", "id_ecdsa", "id_rsa"}, func(n string) bool { return !there(n) })
	switch {
	case len(keys) == 0 && os.Getenv("SSH_AUTH_SOCK") == "" && !there("config"):
		w.note("ssh", "boards: no key in "+dir+" and no ssh-agent", "ssh-keygen -t ed25519 && ssh-copy-id HOST")
	case !there("known_hosts"):
		w.note("ssh", "boards: no known hosts in "+dir, "ssh HOST true  # and compare the key that it shows")
	default:
		w.ok("ssh", "boards: keys and known hosts are in %s", dir)
	}
}

// checkADB looks for an adb server, which lists phones. It does not start one.
func (l *Lab) checkADB(ctx context.Context, w *walk) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	phones, err := l.adbServer().Devices(ctx)
	if err == nil {
		w.ok("adb", "its server answers, phones: %d", len(phones))
		return
	}
	binary, lookErr := l.adbServer().Program()
	if lookErr != nil {
		w.note("adb", "phones: adb is not installed", "apt-get install adb")
		return
	}
	w.note("adb", fmt.Sprintf("phones: %s is installed; its server is not running and starts when a phone is used", binary), "adb start-server")
}
