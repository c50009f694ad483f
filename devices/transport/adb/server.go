package adb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Server is the adb server of this host.
type Server struct {
	Addr   string // host:port; default $ADB_SERVER_SOCKET, $ANDROID_ADB_SERVER_PORT or 127.0.0.1:5037
	Binary string // adb, to start a server if none runs; default: that of PATH or of the Android SDK
	// Stall is how long the server may be silent in the middle of something; default 20 s.
	Stall time.Duration
}

const (
	defaultStall = 20 * time.Second
	dialTimeout  = 5 * time.Second
	startTimeout = 20 * time.Second
	// maxReply limits an answer: a list of devices has some hundred bytes a device.
	maxReply = 1 << 16
)

// ReasonServer means that the adb server cannot be reached or started.
const ReasonServer = "adb-server"

func (s Server) stall() time.Duration {
	if s.Stall > 0 {
		return s.Stall
	}
	return defaultStall
}

// addr follows the environment variables of the adb client. Source: AOSP,
// packages/modules/adb/docs/user/adb.1.md, "Environment variables".
func (s Server) addr() string {
	if s.Addr != "" {
		return s.Addr
	}
	if socket, ok := strings.CutPrefix(os.Getenv("ADB_SERVER_SOCKET"), "tcp:"); ok {
		if !strings.Contains(socket, ":") {
			socket = "127.0.0.1:" + socket
		}
		return socket
	}
	port := os.Getenv("ANDROID_ADB_SERVER_PORT")
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		port = "5037"
	}
	return "127.0.0.1:" + port
}

// Program returns the adb that a server is started with.
func (s Server) Program() (string, error) {
	if s.Binary != "" {
		return s.Binary, nil
	}
	path, err := exec.LookPath("adb")
	if err == nil {
		return path, nil
	}
	for _, home := range []string{os.Getenv("ANDROID_HOME"), os.Getenv("ANDROID_SDK_ROOT")} {
		path := filepath.Join(home, "platform-tools", "adb")
		if _, serr := os.Stat(path); home != "" && serr == nil {
			return path, nil
		}
	}
	return "", err
}

// Start starts a server unless one answers. The server outlives latlab, as the user's own adb
// commands expect; a server that latlab did not start is never ended.
func (s Server) Start(ctx context.Context) error {
	if _, err := s.Version(ctx); err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	host, port, err := net.SplitHostPort(s.addr())
	if err != nil {
		return serverError(fmt.Errorf("%q is no address of an adb server: %w", s.addr(), err), "")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return serverError(fmt.Errorf("no adb server answers at %s, and only one of this host can be started from here", s.addr()), "start it there: adb -a nodaemon server start")
	}
	binary, err := s.Program()
	if err != nil {
		return serverError(errors.New("no adb server runs, and there is no adb to start one"), "install Debian's package adb, or Google's platform-tools into PATH")
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	out, err := transport.Run(ctx, transport.Local{}, transport.Command{Path: binary, Args: []string{"-P", port, "start-server"}}, maxReply)
	if err == nil && out.Exit != (transport.Exit{}) {
		err = fmt.Errorf("`%s -P %s start-server` failed: %s", binary, port, text.LastLine(out.Stderr+out.Stdout))
	}
	if err != nil && !s.appears(ctx) {
		return serverError(err, "type it by hand")
	}
	return nil
}

// appears waits a moment for a server that a different process starts: if several try, all but
// one fail to get the port.
func (s Server) appears(ctx context.Context) bool {
	for range 10 {
		if _, err := s.Version(ctx); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(200 * time.Millisecond):
		}
	}
	return false
}

func serverError(err error, advice string) error {
	return &devices.Error{Fault: devices.FaultLab, Op: "adb", Reason: ReasonServer, Err: err, Advice: advice}
}

// Version returns the version of the server's protocol with clients.
func (s Server) Version(ctx context.Context) (int, error) {
	said, err := s.query(ctx, "host:version")
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(said, 16, 16)
	if err != nil {
		return 0, serverError(fmt.Errorf("what answers at %s is no adb server: its version is %q", s.addr(), text.Line(said, maxClip)), "")
	}
	return int(v), nil
}

// Listed is a device as the server lists it.
type Listed struct {
	Serial string
	State  string // "device" if it can be used, "offline", "unauthorized", "no permissions ...", ...
	USB    string // port that it is plugged into, "usb:1-4"; also accepted as a phone's name
}

// Devices lists the attached devices.
func (s Server) Devices(ctx context.Context) ([]Listed, error) {
	text, err := s.query(ctx, "host:devices-l")
	if err != nil {
		return nil, err
	}
	return parseDevices(text), nil
}

// Connect makes the server connect to a phone on the network.
func (s Server) Connect(ctx context.Context, addr string) error {
	said, err := s.query(ctx, "host:connect:"+addr)
	if err != nil {
		return err
	}
	// The server answers OKAY to failures as well.
	if !strings.HasPrefix(said, "connected to") && !strings.HasPrefix(said, "already connected to") {
		return offline(addr, errors.New(text.Line(said, maxClip)), "is wireless debugging on, and the address right? `adb connect "+text.ShellWord(addr)+"`")
	}
	return nil
}

// Disconnect makes the server forget a phone on the network.
func (s Server) Disconnect(ctx context.Context, addr string) error {
	_, err := s.query(ctx, "host:disconnect:"+addr)
	return err
}

// query sends a request that has one answer.
func (s Server) query(ctx context.Context, service string) (string, error) {
	w, err := s.open(ctx, service)
	if err != nil {
		return "", err
	}
	defer w.Close()
	text, err := readReply(w)
	return text, w.failed(ctx, err)
}

// open connects to the server and requests services, each of which the server has to grant:
// first the switch to a device, then one of the device's services.
func (s Server) open(ctx context.Context, services ...string) (*wire, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", s.addr())
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, serverError(err, "adb start-server")
	}
	w := newWire(ctx, conn, s.stall())
	for i, service := range services {
		if err := w.ask(service); err != nil {
			_ = w.Close()
			err = w.failed(ctx, err)
			var known *devices.Error
			if i > 0 && errors.As(err, &known) {
				return nil, &unanswered{known.Err}
			}
			return nil, err
		}
	}
	return w, nil
}

// unanswered is the error of a device that is silent behind a server that answers.
type unanswered struct{ error }

// refused is the error when the server does not grant a service.
type refused struct{ text string }

func (e *refused) Error() string { return text.Line(e.text, maxClip) }

// wire is a connection to the server that ends with its context. Reads and writes must make
// progress within stall, unless patient; until patient is set they must not run at the same
// time.
type wire struct {
	net.Conn
	stall   time.Duration
	patient bool
	limit   time.Time // for reading
	moved   int       // bytes read since limit was set
	release func() bool
}

func newWire(ctx context.Context, conn net.Conn, stall time.Duration) *wire {
	w := &wire{Conn: conn, stall: stall}
	w.release = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return w
}

func (w *wire) Close() error {
	w.release()
	return w.Conn.Close()
}

// The read timeout starts with a request and again after every minMoved bytes. If every byte
// restarted it, a peer that sends a byte now and then could take for ever.
func (w *wire) Read(p []byte) (int, error) {
	if w.patient {
		w.limit = time.Time{}
	} else if w.limit.IsZero() || w.moved >= minMoved {
		w.limit, w.moved = time.Now().Add(w.stall), 0
	}
	if err := w.SetReadDeadline(w.limit); err != nil {
		return 0, err
	}
	n, err := w.Conn.Read(p)
	w.moved += n
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	if w.patient { // the other goroutine may be reading
		return w.Conn.Write(p)
	}
	if err := w.SetWriteDeadline(time.Now().Add(w.stall)); err != nil {
		return 0, err
	}
	w.limit = time.Time{}
	return w.Conn.Write(p)
}

// minMoved is how many bytes of a longer transfer have to arrive within a stall.
const minMoved = 4 << 10

// failed adds to an error of the connection whose fault it is.
func (w *wire) failed(ctx context.Context, err error) error {
	var no *refused
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &no):
		return no
	case errors.Is(err, os.ErrDeadlineExceeded):
		return serverError(fmt.Errorf("no answer from adb in %v", w.stall), "adb kill-server; adb start-server")
	}
	return serverError(fmt.Errorf("adb broke off: %w", err), "adb start-server")
}

// ask sends a request: four hex digits of length, and the text.
// Source: AOSP, packages/modules/adb/OVERVIEW.TXT and SERVICES.TXT.
func (w *wire) ask(service string) error {
	if len(service) > 0xffff {
		return fmt.Errorf("a request of %d bytes is more than adb takes", len(service))
	}
	if _, err := fmt.Fprintf(w, "%04x%s", len(service), service); err != nil {
		return err
	}
	var status [4]byte
	if _, err := io.ReadFull(w, status[:]); err != nil {
		return err
	}
	switch string(status[:]) {
	case "OKAY":
		return nil
	case "FAIL":
		text, err := readReply(w)
		if err != nil {
			return err
		}
		return &refused{text}
	}
	return fmt.Errorf("it answers %q, which is no adb server's word", status)
}

// readReply reads four hex digits of length and that many bytes.
func readReply(r io.Reader) (string, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(string(size[:]), 16, 16)
	if err != nil {
		return "", fmt.Errorf("a length of %q", size)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", err
	}
	return string(text), nil
}

// states are the single words that the server prints as a device's state.
// Source: AOSP, packages/modules/adb, adb.cpp, to_string(ConnectionState).
var states = []string{
	usable, "offline", "unauthorized", "authorizing", "connecting", "detached", "bootloader", "recovery", "rescue", "sideload", "host", "unknown",
}

// noPermissions begins the only state of several words: "no permissions (missing udev rules?...".
const noPermissions = "no permissions"

// detail is a word after the state: "usb:1-4", "model:Pixel_3", and those of newer servers.
var detail = regexp.MustCompile(`^[a-z_]+:`)

// parseDevices parses lines of `adb devices -l`: serial, state, and words of NAME:VALUE.
//
// A serial number may have blanks: mDNS appends " (2)" to a name that it has already seen, and
// some vendors' descriptors have them ("ZUG 5S"). The list with details has no TAB, so a line is
// read from the right: details, the state, the serial number. An unknown state is one word.
func parseDevices(text string) []Listed {
	var list []Listed
	for line := range strings.Lines(text) {
		if d, ok := parseDevice(strings.TrimSpace(line)); ok {
			list = append(list, d)
		}
	}
	return list
}

func parseDevice(line string) (d Listed, ok bool) {
	rest := line
	for {
		before, word := lastWord(rest)
		if before == "" || !detail.MatchString(word) {
			break
		}
		if strings.HasPrefix(word, "usb:") {
			d.USB = word
		}
		rest = before
	}
	if serial, state, tab := strings.Cut(rest, "\t"); tab {
		d.Serial, d.State = strings.TrimSpace(serial), strings.Join(strings.Fields(state), " ")
	} else if i := strings.Index(rest, " "+noPermissions); i > 0 {
		d.Serial, d.State = strings.TrimSpace(rest[:i]), strings.Join(strings.Fields(rest[i:]), " ")
	} else {
		d.Serial, d.State = splitState(rest)
	}
	return d, d.Serial != "" && d.State != ""
}

// splitState splits at the last word that is a state, or else at the last word.
func splitState(text string) (serial, state string) {
	for before, word := lastWord(text); before != ""; before, word = lastWord(before) {
		if slices.Contains(states, word) {
			return before, strings.Join(strings.Fields(text[len(before):]), " ")
		}
	}
	return lastWord(text)
}

// lastWord splits a text at its last blank; before is empty if there is none.
func lastWord(text string) (before, word string) {
	i := strings.LastIndexAny(text, " \t")
	return strings.TrimRightFunc(text[:max(i, 0)], unicode.IsSpace), text[i+1:]
}

const maxClip = 200
