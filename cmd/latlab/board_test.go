package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"latlab/devices/transport/ssh/sshtest"
)

// testBoard is a board for scripts: this machine behind a real sshd.
type testBoard struct {
	*sshtest.Server
	home string // of the user who logs in
}

func startBoard(t *testing.T) testBoard {
	home := t.TempDir()
	return testBoard{sshtest.Start(t, sshtest.Options{Config: []string{"SetEnv HOME=" + home}}), home}
}

// introduce writes the ssh configuration of a script's own home.
func (b testBoard) introduce(home string) error {
	dir := filepath.Join(home, ".ssh")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	text := fmt.Sprintf(`Host board
  HostName %[1]s
  Port %[2]d
  User %[3]s
  IdentityFile %[4]s
  UserKnownHostsFile %[5]s
Host stranger
  HostName %[1]s
  Port %[2]d
  User %[3]s
  IdentityFile %[4]s
  UserKnownHostsFile /dev/null
Host gone
  HostName 127.0.0.1
  Port 1
`, b.Host, b.Port, b.User, b.Key, b.KnownHosts)
	return os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600)
}
