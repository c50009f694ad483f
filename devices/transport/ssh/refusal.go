package ssh

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
)

// Reasons of this package's own errors: see devices.Error.
const (
	reasonConfig     = "ssh-config"     // ssh's configuration, or an option that ssh would refuse (the user's)
	reasonKey        = "ssh-key"        // a private key that cannot be used (the user's)
	reasonAlgorithms = "ssh-algorithms" // no common algorithm that both sides accept as safe (the device's)
)

// Messages of ssh, unchanged since OpenSSH 7.3.
var (
	shownKey   = regexp.MustCompile(`(?m)^debug1: Server host key: \S+ (\S+)`)
	newKey     = regexp.MustCompile(`(?m)^No (\S+) host key is known for (\S+) and you have requested strict checking`)
	changedKey = regexp.MustCompile(`(?m)^Host key for (\S+) has changed and you have requested strict checking`)
	oldKey     = regexp.MustCompile(`(?m)^Offending (?:\S+ )?key (?:for IP )?in (.+):(\d+)`)
	revokedKey = regexp.MustCompile(`(?m)^(?:The )?(\S+ host key for \S+) (?:is marked as|was) revoked`)
	asUser     = regexp.MustCompile(`(?m)^debug1: Authenticating to .* as '(.*)'`)
	offeredKey = regexp.MustCompile(`(?m)^debug1: Offering public key: (.+) (\S+ SHA256:\S+)(.*)`)
	takenKey   = regexp.MustCompile(`(?m)^debug1: Server accepts key: (.+) \S+ SHA256:\S+`)
	badKey     = regexp.MustCompile(`(?m)^Load key "(.+)": (.+)`)
	denied     = regexp.MustCompile(`(?m)Permission denied \(|Too many authentication failures`)
	algorithms = regexp.MustCompile(`(?m)^Unable to negotiate with .*`)
	badConfig  = regexp.MustCompile(`(?m)^.+ line \d+: .+|^.*percent_expand: .+|^hostname contains invalid characters|.*[Bb]ad configuration option.*`)
)

// refused explains why ssh did not log in, from its output. The ssh to a jump host writes
// there too, and first. err is the context's if the time ran out.
func (o Options) refused(said string, err error) error {
	said = strings.ReplaceAll(said, "\r", "")
	e := &devices.Error{Fault: devices.FaultUser, Op: "ssh to " + o.String(), Output: withoutDebug(said)}
	if o.untrusted(e, said) {
		e.Reason = devices.ReasonHostKey
		return e
	}
	switch {
	case denied.MatchString(said):
		o.unauthorized(e, said)
	case algorithms.MatchString(said):
		e.Fault, e.Reason, e.Err = devices.FaultDevice, reasonAlgorithms, errors.New(algorithms.FindString(said))
		e.Advice = "bring its ssh server up to date, or allow what it offers in ~/.ssh/config"
	case badConfig.MatchString(e.Output):
		e.Reason, e.Err = reasonConfig, errors.New(badConfig.FindString(e.Output))
	case errors.Is(err, context.DeadlineExceeded) && strings.Contains(said, "debug1: Connection established"):
		return o.offline("ssh to", fmt.Errorf("it took the connection but did not finish logging in within %v", o.ConnectTimeout))
	case errors.Is(err, context.DeadlineExceeded):
		return o.offline("ssh to", fmt.Errorf("no answer within %v", o.ConnectTimeout))
	case strings.Contains(e.Output, "Could not resolve hostname"):
		return o.offline("ssh to", fmt.Errorf("%w: %s", devices.ErrNoHost, shortened(e.Output)))
	case e.Output != "":
		return o.offline("ssh to", errors.New(shortened(e.Output)))
	default:
		return o.offline("ssh to", err)
	}
	return e
}

func shortened(output string) string {
	return text.ClipTo(strings.ReplaceAll(output, "\n", "; "), 500)
}

// untrusted explains what is wrong with a host key, and reports whether anything is.
func (o Options) untrusted(e *devices.Error, said string) bool {
	shown := ""
	if all := shownKey.FindAllStringSubmatch(said, -1); len(all) > 0 {
		shown = all[len(all)-1][1]
	}
	if m := revokedKey.FindStringSubmatch(said); m != nil {
		e.Err = fmt.Errorf("the %s, %s, is revoked in known_hosts", m[1], shown)
		e.Advice = "somebody said that this key is no longer to be trusted: do not connect before you know why"
		return true
	}
	if m := changedKey.FindStringSubmatch(said); m != nil {
		file, line := "known_hosts", ""
		if old := oldKey.FindStringSubmatch(said); old != nil {
			file, line = old[1], ":"+old[2]
		}
		e.Err = fmt.Errorf("the host key of %s CHANGED: it shows %s, and %s has another. It is another machine, a new installation, or somebody in between", m[1], shown, file+line)
		e.Advice = fmt.Sprintf("find out which; if it was installed anew: ssh-keygen -f %s -R %s, then add its new key", text.ShellWord(file), text.ShellWord(m[1]))
		return true
	}
	if m := newKey.FindStringSubmatch(said); m != nil {
		kind := strings.ToLower(m[1])
		e.Err = fmt.Errorf("the %s host key %s of %s is not known here, and host keys are always checked (StrictHostKeyChecking no is not followed)", kind, shown, m[2])
		e.Advice = fmt.Sprintf("compare it with what ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub prints there; if they are the same, log in once by hand and accept it: `%s true`", kind, o.typed())
		return true
	}
	if strings.Contains(said, "Host key verification failed") {
		e.Err = errors.New("its host key cannot be checked")
		return true
	}
	return false
}

// unauthorized is the error of a host that accepted no key, or only keys that cannot be used
// here.
func (o Options) unauthorized(e *devices.Error, said string) {
	said = said[max(0, strings.LastIndex(said, "debug1: Authenticating to ")):] // without the jump host's part
	if m := badKey.FindStringSubmatch(said); m != nil {
		e.Reason, e.Err = reasonKey, fmt.Errorf("key %s: %s", m[1], m[2])
		if strings.Contains(m[2], "permissions") {
			e.Advice = "others can read it: chmod 600 " + text.ShellWord(m[1])
		}
		return
	}
	if m := takenKey.FindStringSubmatch(said); m != nil && !strings.Contains(said, "partial success") {
		e.Reason, e.Err = reasonKey, fmt.Errorf("key %s: the host takes it, but it has a passphrase and no agent has it open", m[1])
		e.Advice = "eval $(ssh-agent); ssh-add " + text.ShellWord(m[1])
		return
	}
	e.Fault, e.Reason = devices.FaultDevice, devices.ReasonUnauthorized
	var tried []string
	for _, m := range offeredKey.FindAllStringSubmatch(said, -1) {
		what := "key " + m[1]
		if strings.Contains(m[3], "agent") {
			what = "agent's " + what
		}
		tried = append(tried, fmt.Sprintf("%s (%s)", what, m[2]))
	}
	user := "you"
	if m := asUser.FindStringSubmatch(said); m != nil {
		user = m[1]
	}
	words := []string{"ssh-copy-id"}
	if len(o.IdentityFiles) > 0 {
		words = append(words, "-i", text.ShellWord(o.IdentityFiles[0]))
	}
	e.Advice = strings.Join(append(words, o.address()...), " ")
	if len(tried) == 0 {
		tried = []string{"no key: there is none here, and no ssh-agent has one"}
		e.Advice = "make a key with ssh-keygen -t ed25519 or open one with ssh-add, then " + e.Advice
	}
	e.Err = fmt.Errorf("it does not let %s in: tried %s", user, strings.Join(tried, "; "))
}

// withoutDebug returns ssh's output without its debug lines.
func withoutDebug(said string) string {
	var out []string
	for line := range strings.Lines(said) {
		switch {
		case strings.HasPrefix(line, "debug1: "), strings.HasPrefix(line, "Transferred: "), strings.HasPrefix(line, "Bytes per second: "),
			strings.HasPrefix(line, "Authenticated to "), strings.HasPrefix(line, "OpenSSH_"):
		default:
			out = append(out, strings.TrimRight(line, "\r\n"))
		}
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
