package ssh

import (
	"strings"

	"latlab/devices/transport"
	"latlab/internal/text"
)

// leaderScript makes sure that the shell of a RemoteLine, $0, leads a process group of its
// own. OpenSSH gives each session one; Dropbear does not, and there the group of a program
// would be the server's. Without /proc (an empty root) it is taken for OpenSSH: setsid
// would leave a leader behind and run the program as an orphan.
const leaderScript = `s=; { read -r s </proc/$$/stat; } 2>/dev/null; s=${s##*) }; s=${s#* }; s=${s#* }; ` +
	`case $s in "$$ "* | "") eval "$0" ;; *) exec setsid sh -c "$0" ;; esac`

// startLine is what the host's login shell is told. That may be no POSIX shell (fish, csh):
// it sees three quoted words and a name.
func startLine(c transport.Command) (string, error) {
	line, err := transport.RemoteLine(c)
	if err != nil {
		return "", err
	}
	return "exec sh -c " + text.ShellQuote(leaderScript) + " " + text.ShellQuote(line), nil
}

// killLine ends process groups.
func killLine(groups ...int) string {
	lines := make([]string, len(groups))
	for i, g := range groups {
		lines[i] = transport.KillLine(g)
	}
	return "exec sh -c " + text.ShellQuote(strings.Join(lines, "; "))
}
