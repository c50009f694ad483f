package ssh

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
	"latlab/internal/text"
)

// Options say which host, and as whom. What is left empty is up to the user's ssh: its
// configuration files, known hosts, keys and agent.
type Options struct {
	Host string // an alias of the configuration file, a name, or an address
	User string
	Port int
	// IdentityFiles are private keys, which are offered before those of the configuration file.
	IdentityFiles []string
	KnownHosts    []string // instead of all other known_hosts files
	Config        string   // instead of ~/.ssh/config and /etc/ssh/ssh_config; "none" = none is read
	Agent         string   // socket of the ssh-agent; "none" = none
	// KeepAlive is how often a quiet host is asked whether it is there, in whole seconds;
	// default: 5 s. A host that does not answer three times is gone.
	KeepAlive      time.Duration
	ConnectTimeout time.Duration // of connecting, with key exchange and login; default: 15 s
}

const (
	defaultKeepAlive      = 5 * time.Second
	defaultConnectTimeout = 15 * time.Second
	// patience is how many questions whether it is there a host may leave without an answer.
	patience = 3
)

// check refuses words that ssh would take for something else, and keys that are not there, which
// ssh passes over.
func (o Options) check() error {
	if err := checkWord("host", o.Host); err != nil {
		return o.userError(reasonConfig, err, "")
	}
	if o.User != "" {
		if err := checkWord("user", o.User); err != nil {
			return o.userError(reasonConfig, err, "")
		}
	}
	for _, p := range append(append([]string{o.Config, o.Agent}, o.IdentityFiles...), o.KnownHosts...) {
		if strings.ContainsAny(p, "\"\n\\") {
			return o.userError(reasonConfig, fmt.Errorf("file %q: ssh takes no path with quotes, backslashes or line ends", p), "")
		}
	}
	for _, p := range o.IdentityFiles {
		if _, err := os.Stat(p); err != nil {
			return o.userError(reasonKey, err, "")
		}
	}
	return nil
}

// checkWord refuses names that cannot be one, and those that ssh refuses too since they have
// been used to get options or commands past somebody: a leading dash, control characters.
func checkWord(what, s string) error {
	if s == "" || s[0] == '-' || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("'\"`$\\;&<>|(){}", r) }) {
		return fmt.Errorf("%q is no %s", s, what)
	}
	return nil
}

// config is ssh's configuration file. Of every keyword ssh takes the first value that it finds, so
// that ours go before the user's. It is a file, and not arguments, for ssh hands its name to the ssh
// that it starts for a ProxyJump: the host between is checked as strictly.
func (o Options) config() string {
	var b strings.Builder
	line := func(keyword string, values ...string) { fmt.Fprintf(&b, "%s %s\n", keyword, strings.Join(values, " ")) }
	line("BatchMode", "yes") // nothing is ever asked
	line("StrictHostKeyChecking", "yes")
	line("LogLevel", "DEBUG1") // names the keys that are offered and shown: see refusal.go
	line("ServerAliveInterval", strconv.Itoa(int(math.Ceil(o.KeepAlive.Seconds()))))
	line("ServerAliveCountMax", strconv.Itoa(patience))
	for _, p := range o.IdentityFiles {
		line("IdentityFile", literal(p))
	}
	if len(o.KnownHosts) > 0 {
		var files []string
		for _, p := range o.KnownHosts {
			files = append(files, literal(p))
		}
		line("UserKnownHostsFile", files...)
		line("GlobalKnownHostsFile", "none")
	}
	if o.Agent != "" {
		line("IdentityAgent", literal(o.Agent))
	}
	switch home, err := os.UserHomeDir(); {
	case o.Config == "none":
	case o.Config != "":
		line("Include", quotedPath(o.Config))
	default:
		if err == nil {
			line("Include", quotedPath(filepath.Join(home, ".ssh", "config")))
		}
		line("Include", "/etc/ssh/ssh_config")
	}
	return b.String()
}

func quotedPath(p string) string { return `"` + p + `"` }

// literal is a path of which ssh expands nothing.
func literal(p string) string { return quotedPath(strings.ReplaceAll(p, "%", "%%")) }

// arguments are those that hold for the ssh to the host itself, and not to a host between.
func (o Options) arguments(config, socket string) []string {
	args := []string{
		"-F", config, "-N", "-T", "-S", strings.ReplaceAll(socket, "%", "%%"), "-o", "ControlMaster=yes", "-o", "ControlPersist=no",
		"-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no",
	}
	if o.Port != 0 {
		args = append(args, "-p", strconv.Itoa(o.Port))
	}
	if o.User != "" {
		args = append(args, "-l", o.User)
	}
	return append(args, "--", o.Host)
}

// String is [USER@]HOST[:PORT], as far as it was said.
func (o Options) String() string {
	s := o.name()
	if o.Port != 0 {
		s += ":" + strconv.Itoa(o.Port)
	}
	return s
}

func (o Options) name() string {
	if o.User != "" {
		return o.User + "@" + o.Host
	}
	return o.Host
}

// typed is how a person would call ssh for this host.
func (o Options) typed() string {
	words := []string{"ssh"}
	if o.Config != "" {
		words = append(words, "-F", text.ShellWord(o.Config))
	}
	for _, p := range o.IdentityFiles {
		words = append(words, "-i", text.ShellWord(p))
	}
	if len(o.KnownHosts) > 0 {
		words = append(words, "-o", text.ShellWord("UserKnownHostsFile="+strings.Join(o.KnownHosts, " ")))
	}
	return strings.Join(append(words, o.address()...), " ")
}

// address is a host as ssh and ssh-copy-id take it.
func (o Options) address() []string {
	var words []string
	if o.Port != 0 {
		words = append(words, "-p", strconv.Itoa(o.Port))
	}
	return append(words, text.ShellWord(o.name()))
}

func (o Options) userError(reason string, err error, advice string) error {
	return &devices.Error{Fault: devices.FaultUser, Op: "ssh to " + o.String(), Reason: reason, Err: err, Advice: advice}
}

// offline is a host that cannot be reached, or no longer.
func (o Options) offline(op string, err error) error {
	return &devices.Error{
		Fault: devices.FaultDevice, Op: op + " " + o.String(), Reason: devices.ReasonOffline, Err: err,
		Advice: fmt.Sprintf("is it on, and does `%s true` work from here?", o.typed()),
	}
}
