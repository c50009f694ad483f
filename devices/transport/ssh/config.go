package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"

	"latlab/devices"
	"latlab/internal/text"
)

// target is a host with all that logging in to it takes.
type target struct {
	name       string // as the user wrote it
	host       string // name or address to connect to
	port       int
	user       string
	alias      string // HostKeyAlias: the name known_hosts has it under
	identities []identity
	only       bool   // IdentitiesOnly: nothing else of the agent's is offered
	agent      string // socket; empty = none
	knownHosts []string
	jumps      []string // ProxyJump, the first to be connected to first
}

// identity is a private key's file.
type identity struct {
	path  string
	given bool // by Options: it must do
}

// maxConfig bounds what is read of a config or key file.
const maxConfig = 1 << 20

// resolve reads what Options leave open from the config file, as ssh would.
func resolve(o Options) (target, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return target{}, userError("ssh to "+o.Host, err, "set HOME")
	}
	r := resolver{o: o, home: home, file: o.Config}
	if r.file == "" {
		r.file = filepath.Join(home, ".ssh", "config")
	}
	return r.target()
}

type resolver struct {
	o    Options
	home string
	file string
	cfg  *ssh_config.Config
}

func userError(op string, err error, advice string) error {
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: "ssh-config", Err: err, Advice: advice}
}

func (r *resolver) target() (target, error) {
	op := "ssh to " + r.o.Host
	if err := checkWord("host", r.o.Host); err != nil {
		return target{}, userError(op, err, "")
	}
	if err := r.read(); err != nil {
		return target{}, userError(op, fmt.Errorf("%s: %w", r.file, err), "mend the file, or name another in its stead")
	}
	t := target{name: r.o.Host, agent: r.agent()}
	if err := r.where(&t); err != nil {
		return target{}, userError(op, fmt.Errorf("%s: %w", r.file, err), "")
	}
	if err := r.keys(&t); err != nil {
		return target{}, userError(op, fmt.Errorf("%s: %w", r.file, err), "")
	}
	return t, nil
}

// read parses the config file, where there is one.
func (r *resolver) read() error {
	r.cfg = &ssh_config.Config{}
	if r.o.Config == "none" {
		return nil
	}
	b, err := readSmall(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	cfg, err := ssh_config.DecodeBytes(b)
	if err != nil {
		return err
	}
	r.cfg = cfg
	return nil
}

func (r *resolver) agent() string {
	switch r.o.Agent {
	case "":
		return os.Getenv("SSH_AUTH_SOCK")
	case "none":
		return ""
	}
	return r.o.Agent
}

// where fills in host, port, user and the way there.
func (r *resolver) where(t *target) (err error) {
	t.host, t.user, t.port = r.o.Host, r.o.User, r.o.Port
	if h := r.get("HostName"); h != "" {
		if t.host, err = expand(h, map[byte]string{'h': r.o.Host, 'n': r.o.Host}); err != nil {
			return fmt.Errorf("HostName: %w", err)
		}
		if err := checkWord("HostName", t.host); err != nil {
			return err
		}
	}
	if t.user == "" {
		t.user = r.get("User")
	}
	if t.user == "" {
		t.user = localUser()
	}
	if err := checkWord("user", t.user); err != nil {
		return err
	}
	if t.port == 0 {
		if t.port, err = port(r.get("Port")); err != nil {
			return err
		}
	}
	if t.alias = r.get("HostKeyAlias"); t.alias != "" {
		if err := checkWord("HostKeyAlias", t.alias); err != nil {
			return err
		}
	}
	if p := r.get("ProxyCommand"); p != "" && p != "none" {
		return errors.New("ProxyCommand is not supported: use ProxyJump, or connect to the host itself")
	}
	if j := r.get("ProxyJump"); j != "" && j != "none" {
		t.jumps = strings.Split(j, ",")
	}
	return nil
}

// keys fills in identities and known hosts.
func (r *resolver) keys(t *target) error {
	t.only = strings.EqualFold(r.get("IdentitiesOnly"), "yes")
	for _, p := range r.o.IdentityFiles {
		t.identities = append(t.identities, identity{path: r.tilde(p), given: true})
	}
	files, err := r.paths(t, "IdentityFile")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		// In ssh's order, without what x/crypto cannot sign with (FIDO keys) or nobody has (DSA).
		files = []string{"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519"}
	}
	for _, p := range files {
		if p != "none" {
			t.identities = append(t.identities, identity{path: r.tilde(p)})
		}
	}
	if a := r.get("IdentityAgent"); a != "" && r.o.Agent == "" && a != "SSH_AUTH_SOCK" {
		if t.agent = r.tilde(a); a == "none" {
			t.agent = ""
		}
	}
	t.knownHosts = slices.Clone(r.o.KnownHosts)
	if len(t.knownHosts) == 0 {
		t.knownHosts, err = r.ownKnownHosts(t)
	}
	for i, p := range t.knownHosts {
		t.knownHosts[i] = r.tilde(p)
	}
	return err
}

func (r *resolver) ownKnownHosts(t *target) ([]string, error) {
	own, err := r.words(t, "UserKnownHostsFile")
	if err != nil {
		return nil, err
	}
	if len(own) == 0 {
		own = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
	}
	global, err := r.words(t, "GlobalKnownHostsFile")
	if err != nil {
		return nil, err
	}
	if len(global) == 0 {
		global = []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}
	}
	all := slices.Concat(own, global)
	return slices.DeleteFunc(all, func(p string) bool { return p == "none" }), nil
}

// get is the value of a keyword, the first that applies, without quotes; empty where none.
func (r *resolver) get(key string) string {
	v, err := r.cfg.Get(r.o.Host, key)
	if err != nil {
		return ""
	}
	return unquote(v)
}

// paths are the values of a keyword that may be given several times, one file each.
func (r *resolver) paths(t *target, key string) ([]string, error) {
	values, err := r.cfg.GetAll(r.o.Host, key)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range values {
		p, err := expand(unquote(v), r.tokens(t))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// words are the words of a keyword's first value: several files in a line.
func (r *resolver) words(t *target, key string) ([]string, error) {
	v, err := r.cfg.Get(r.o.Host, key)
	if err != nil {
		return nil, err
	}
	words := splitWords(v)
	for i, w := range words {
		if words[i], err = expand(w, r.tokens(t)); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return words, nil
}

// tokens are those of ssh_config(5) that name files.
func (r *resolver) tokens(t *target) map[byte]string {
	return map[byte]string{
		'h': t.host, 'n': r.o.Host, 'p': strconv.Itoa(t.port), 'r': t.user, 'u': localUser(), 'd': r.home,
		'k': t.keyName(),
	}
}

// keyName is the name that %k stands for.
func (t target) keyName() string {
	if t.alias != "" {
		return t.alias
	}
	return t.host
}

func (r *resolver) tilde(p string) string {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return filepath.Join(r.home, rest)
	}
	return p
}

func localUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// expand replaces %h and the like. A token that is not in the table is an error: a file that
// ssh would look for elsewhere must not be looked for under a wrong name.
func expand(s string, tokens map[byte]string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", fmt.Errorf("%q ends in %%", s)
		}
		value, known := tokens[s[i]]
		switch {
		case s[i] == '%':
			b.WriteByte('%')
		case known:
			b.WriteString(value)
		default:
			return "", fmt.Errorf("%q: %%%c is not supported", s, s[i])
		}
	}
	return b.String(), nil
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// splitWords splits at blanks; a word in double quotes may have some.
func splitWords(s string) []string {
	var words []string
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return words
		}
		end, quoted := strings.IndexAny(s, " \t"), s[0] == '"'
		if quoted {
			s = s[1:]
			end = strings.IndexByte(s, '"')
		}
		if end < 0 {
			return append(words, s)
		}
		words = append(words, s[:end])
		s = s[end:]
		if quoted {
			s = s[1:]
		}
	}
}

func port(s string) (int, error) {
	if s == "" {
		return 22, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port", s)
	}
	return int(n), nil
}

// checkWord refuses names that cannot be one, and those that ssh refuses too since they have
// been used to get options or commands past somebody: a leading dash, control characters.
func checkWord(what, s string) error {
	if s == "" || s[0] == '-' || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("'\"`$\\;&<>|(){}", r) }) {
		return fmt.Errorf("%q is no %s", s, what)
	}
	return nil
}

// address is where to connect to.
func (t target) address() string { return net.JoinHostPort(t.host, strconv.Itoa(t.port)) }

// known is the name that known_hosts has the host under. An alias is looked up without a
// port, as ssh does.
func (t target) known() string {
	if t.alias != "" {
		return net.JoinHostPort(t.alias, "22")
	}
	return t.address()
}

// String is USER@HOST, with the port where it is not 22.
func (t target) String() string {
	s := t.user + "@" + t.name
	if t.port != 22 {
		s += ":" + strconv.Itoa(t.port)
	}
	return s
}

// typed is how a person would tell ssh of the host.
func (t target) typed() string {
	s := text.ShellWord(t.user + "@" + t.name)
	if t.port != 22 {
		s = fmt.Sprintf("-p %d %s", t.port, s)
	}
	return s
}

// readSmall reads a file that a person wrote.
func readSmall(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxConfig {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", path, maxConfig)
	}
	return os.ReadFile(path)
}
