package ssh

import (
	"strings"

	"latlab/devices/transport"
	"latlab/internal/text"
)

// leaderScript makes sure that the shell of a RemoteLine, $0, leads its own process group.
// OpenSSH gives each session one; Dropbear does not, and there the program's group would be
// the server's. If /proc is missing (an empty root), the script assumes OpenSSH: setsid would
// leave a leader behind and run the program as an orphan.
const leaderScript = `s=; { read -r s </proc/$$/stat; } 2>/dev/null; s=${s##*) }; s=${s#* }; s=${s#* }; ` +
	`case $s in "$$ "* | "") eval "$0" ;; *) exec setsid sh -c "$0" ;; esac`

// startLine returns the line for the host's login shell. That may not be a POSIX shell (fish,
// csh), so it gets only three quoted words and a name.
func startLine(c transport.Command) (string, error) {
	line, err := transport.RemoteLine(c)
	if err != nil {
		return "", err
	}
	return "exec sh -c " + text.ShellQuote(leaderScript) + " " + text.ShellQuote(line), nil
}

// killLine returns the line that ends process groups.
func killLine(groups ...int) string {
	lines := make([]string, len(groups))
	for i, g := range groups {
		lines[i] = transport.KillLine(g)
	}
	return "exec sh -c " + text.ShellQuote(strings.Join(lines, "; "))
}
