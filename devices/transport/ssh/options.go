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

// Options name a host and a user. Empty fields are left to the user's ssh: its configuration
// files, known hosts, keys and agent.
type Options struct {
	Host string // an alias of the configuration file, a name, or an address
	User string
	Port int
	// IdentityFiles are private keys that are offered before those of the configuration file.
	IdentityFiles []string
	KnownHosts    []string // instead of all other known_hosts files
	Config        string   // instead of ~/.ssh/config and /etc/ssh/ssh_config; "none" = no file
	Agent         string   // socket of the ssh-agent; "none" = none
	// KeepAlive is the interval of keep-alive requests to a silent host, in whole seconds;
	// default 5 s. A host that leaves three unanswered is offline.
	KeepAlive      time.Duration
	ConnectTimeout time.Duration // of connecting, with key exchange and login; default 15 s
}

const (
	defaultKeepAlive      = 5 * time.Second
	defaultConnectTimeout = 15 * time.Second
	// patience is how many keep-alive requests a host may leave unanswered.
	patience = 3
)

// check refuses words that ssh would misread, and missing keys, which ssh would skip.
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

// checkWord refuses impossible names. ssh refuses them too, since they were used to smuggle in
// options or commands: a leading dash, control characters.
func checkWord(what, s string) error {
	if s == "" || s[0] == '-' || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("'\"`$\\;&<>|(){}", r) }) {
		return fmt.Errorf("%q is no %s", s, what)
	}
	return nil
}

// config is ssh's configuration file. ssh takes the first value of every keyword, so latlab's
// come before the user's. It is a file, and not arguments, because ssh passes its name to the
// ssh that it starts for a ProxyJump: the jump host is checked as strictly. stays is the result
// of knowsStay.
func (o Options) config(stays bool) string {
	var b strings.Builder
	line := func(keyword string, values ...string) { fmt.Fprintf(&b, "%s %s\n", keyword, strings.Join(values, " ")) }
	line("BatchMode", "yes") // never ask the user
	line("StrictHostKeyChecking", "yes")
	line("LogLevel", "DEBUG1") // prints the keys that are offered and received: see refusal.go
	if stays {
		line(stayKeyword, "no")
	}
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

// literal quotes a path so that ssh expands nothing in it.
func literal(p string) string { return quotedPath(strings.ReplaceAll(p, "%", "%%")) }

// arguments are those for the ssh to the host itself, and not to a jump host.
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

// String returns [USER@]HOST[:PORT], without the parts that are not set.
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

// typed returns the ssh command that a person would type for this host.
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

// address returns the host as arguments of ssh and ssh-copy-id.
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

// offline is the error of a host that cannot be reached, or no longer.
func (o Options) offline(op string, err error) error {
	return &devices.Error{
		Fault: devices.FaultDevice, Op: op + " " + o.String(), Reason: devices.ReasonOffline, Err: err,
		Advice: fmt.Sprintf("is it on, and does `%s true` work from here?", o.typed()),
	}
}
