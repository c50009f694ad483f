package adb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/devices/transport/adb"
	"latlab/devices/transport/adb/adbtest"
)

// TestEndsTheWholeGroup: however a program ends, the processes it started end too.
func TestEndsTheWholeGroup(t *testing.T) {
	for name, shell := range userlands {
		t.Run(name, func(t *testing.T) {
			d, f, _ := phone(t, adbtest.Options{Shell: shell})
			for how, end := range map[string]func(p transport.Process, cancel func()){
				"kill":   func(p transport.Process, _ func()) { p.Kill() },
				"stop":   func(p transport.Process, _ func()) { p.Kill() },
				"cancel": func(_ transport.Process, cancel func()) { cancel() },
				"tether": func(p transport.Process, _ func()) { _ = p.Stdin().Close() },
				"cut":    func(transport.Process, func()) { f.Unauthorized(false) },
			} {
				ctx, cancel := context.WithCancel(t.Context())
				c := sh("trap '' HUP TERM; sleep 3600 & echo ready; while :; do sleep 3600; done")
				if how == "stop" {
					c = sh("echo ready; kill -STOP $$; sleep 3600")
				}
				c.Tether = how == "tether"
				p, err := d.Start(ctx, c)
				if err != nil {
					t.Fatalf("%s: %v", how, err)
				}
				if _, err := io.ReadFull(p.Stdout(), make([]byte, 6)); err != nil {
					t.Fatal(err)
				}
				end(p, cancel)
				_, _, exit := finish(t, p)
				if how == "cut" {
					if reason(exit.Err) != devices.ReasonOffline {
						t.Errorf("%s: %+v", how, exit)
					}
					waitBack(t, f, d)
				} else if exit.Signal != "killed" {
					t.Errorf("%s: %+v", how, exit)
				}
				if err := f.WaitQuiet(); err != nil {
					t.Errorf("%s: %v", how, err)
				}
				cancel()
			}
		})
	}
}

// waitBack waits until the server has the phone again.
func waitBack(t *testing.T, f *adbtest.Fake, d *adb.Device) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, err = d.Stat(t.Context(), "/"); err == nil {
			return
		}
	}
	t.Fatalf("%s does not come back: %v", f.Serial(), err)
}

func TestFullDisk(t *testing.T) {
	d, f, _ := phone(t, adbtest.Options{})
	path := filepath.Join(t.TempDir(), "model")
	for _, room := range []int64{0, 100_000} {
		f.Full(room)
		err := d.Put(t.Context(), transport.File{Path: path, Content: strings.NewReader(strings.Repeat("x", 3_000_000)), Size: 3_000_000, Mode: 0o600})
		if reason(err) != devices.ReasonFull || devices.FaultOf(err) != devices.FaultDevice || !strings.Contains(err.Error(), "no room for 3000000 bytes, ") {
			t.Errorf("with %d bytes left: %v", room, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

func TestDropDuringPush(t *testing.T) {
	d, f, s := phone(t, adbtest.Options{})
	path := filepath.Join(t.TempDir(), "model")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.DropDuringPush(200_000)
	file := transport.File{Path: path, Content: strings.NewReader(strings.Repeat("x", 3_000_000)), Size: 3_000_000, Mode: 0o600}
	if err := d.Put(t.Context(), file); reason(err) != devices.ReasonOffline {
		t.Errorf("error is %v", err)
	}
	if b, err := os.ReadFile(path); string(b) != "old" {
		t.Errorf("the old file is %.20q, %v", b, err)
	}
	// Opening again does not wait for the server's next attempt.
	again := open(t, f, s)
	file.Content = strings.NewReader(strings.Repeat("x", 3_000_000))
	if err := again.Put(t.Context(), file); err != nil {
		t.Error(err)
	}
}

func TestAwayAndUnauthorized(t *testing.T) {
	d, f, s := phone(t, adbtest.Options{})
	o := adb.Options{Serial: f.Serial(), Server: s}
	f.Offline()
	if _, err := d.Stat(t.Context(), "/"); reason(err) != devices.ReasonOffline {
		t.Errorf("stat: %v", err)
	}
	if _, err := adb.Open(t.Context(), o); reason(err) != devices.ReasonOffline {
		t.Errorf("open: %v", err)
	}
	f.Unauthorized(true)
	if err := f.Back(); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 200 {
		if _, err = adb.Open(t.Context(), o); reason(err) == devices.ReasonUnauthorized {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if reason(err) != devices.ReasonUnauthorized || !strings.Contains(err.Error(), "accept the key") {
		t.Errorf("open: %v", err)
	}
}

// renaming is an adb server that lists the phone of a real one by the given name, and knows it by that
// name only.
func renaming(t *testing.T, real, serial string, name *atomic.Value) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { rename(c, real, serial, name.Load().(string)) })
		}
	})
	return ln.Addr().String()
}

func rename(c net.Conn, real, serial, name string) {
	defer c.Close()
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	n, _ := strconv.ParseUint(string(size[:]), 16, 16)
	request := make([]byte, n)
	if _, err := io.ReadFull(c, request); err != nil {
		return
	}
	if string(request) == "host:devices-l" {
		line := name + " device transport_id:1\n"
		fmt.Fprintf(c, "OKAY%04x%s", len(line), line)
		return
	}
	if strings.Contains(string(request), "_adb-tls-connect") && !strings.Contains(string(request), ":"+name) {
		fmt.Fprint(c, "FAIL0009not found")
		return
	}
	up, err := net.Dial("tcp", real)
	if err != nil {
		return
	}
	defer up.Close()
	there := strings.ReplaceAll(string(request), name, serial)
	fmt.Fprintf(up, "%04x%s", len(there), there)
	go func() {
		_, _ = io.Copy(up, c)
		_ = up.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, up)
}

// A phone is found by the name that mDNS gave it, and again when it gets the next one.
func TestRenamedByMDNS(t *testing.T) {
	_, f, s := phone(t, adbtest.Options{})
	var name atomic.Value
	name.Store("adb-X-y (2)._adb-tls-connect._tcp")
	s.Addr = renaming(t, s.Addr, f.Serial(), &name)
	d, err := adb.Open(t.Context(), adb.Options{Serial: "adb-X-y._adb-tls-connect._tcp", Server: s})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, next := range []string{"adb-X-y (3)._adb-tls-connect._tcp", "adb-X-y._adb-tls-connect._tcp"} {
		if stdout, _, exit := finish(t, start(t, d, sh("echo here"))); stdout != "here\n" || exit != (transport.Exit{}) {
			t.Errorf("%q, %+v", stdout, exit)
		}
		name.Store(next)
	}
	name.Store("adb-X-z._adb-tls-connect._tcp")
	if _, err := d.Stat(t.Context(), "/"); reason(err) != devices.ReasonOffline {
		t.Errorf("stat of a phone that is away: %v", err)
	}
}

// impatient opens a phone with a stall of one second. A busy machine can be silent as long, so
// opening is retried until it succeeds.
func impatient(t *testing.T, f *adbtest.Fake, s adb.Server) *adb.Device {
	t.Helper()
	s.Stall = time.Second
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		var d *adb.Device
		if d, err = adb.Open(t.Context(), adb.Options{Serial: f.Serial(), Server: s}); err == nil {
			ends(t, f, d)
			return d
		}
	}
	t.Fatal(err)
	return nil
}

// TestStall: a phone that stops answering is given up, in a push and before a program runs.
func TestStall(t *testing.T) {
	_, f, s := phone(t, adbtest.Options{})
	d := impatient(t, f, s)
	f.Stall()
	defer f.Resume()
	file := transport.File{Path: filepath.Join(t.TempDir(), "x"), Content: strings.NewReader("x"), Size: 1, Mode: 0o600}
	if err := d.Put(t.Context(), file); reason(err) != devices.ReasonOffline {
		t.Errorf("put: %v", err)
	}
	if _, err := d.Start(t.Context(), sh("echo")); reason(err) != devices.ReasonOffline {
		t.Errorf("start: %v", err)
	}
}

// TestSlowDrip: a byte now and then does not count as progress.
func TestSlowDrip(t *testing.T) {
	_, f, s := phone(t, adbtest.Options{})
	d := impatient(t, f, s)
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Drip(10 * time.Millisecond)
	defer f.Drip(0)
	if err := d.Get(t.Context(), path, io.Discard, 1<<20); reason(err) != devices.ReasonOffline {
		t.Errorf("get: %v", err)
	}
	f.Drip(200 * time.Millisecond)
	if _, err := d.Start(t.Context(), sh("echo")); reason(err) != devices.ReasonOffline {
		t.Errorf("start: %v", err)
	}
}

// TestHostileDevice: answers that no adbd gives are an error, soon.
func TestHostileDevice(t *testing.T) {
	d, f, _ := phone(t, adbtest.Options{})
	say := func(text string) func(io.ReadWriteCloser) {
		return func(s io.ReadWriteCloser) {
			go func() { _, _ = io.Copy(io.Discard, s) }()
			_, _ = io.WriteString(s, text)
		}
	}
	for _, answer := range []string{"", "x", "\x01\xff\xff\xff\xff", "\x03\x00\x00\x00\x00", "\x01\x05\x00\x00\x00abc", "\x01\x0b\x00\x00\x00latlab-pid \x01\x02\x00\x00\x00x\n\x03\x01\x00\x00\x00\x00",
		"\x01\x03\x00\x00\x00abc\x03\x01\x00\x00\x00\x07", strings.Repeat("\x01\x06\x00\x00\x00hello\n", 30_000)} {
		f.Serve("shell,", say(answer))
		if p, err := d.Start(t.Context(), sh("echo")); err == nil {
			p.Kill()
			t.Errorf("%.20q starts a program", answer)
		}
	}
	f.Serve("shell,", nil)
	for _, answer := range []string{"", "FAIL\xff\xff\xff\xff", "DATA\xff\xff\xff\xff", "DATA\x10\x00\x00\x00abc", "OKAY", "????????", "FAIL\x02\x00\x00\x00no"} {
		f.Serve("sync:", say(answer))
		file := transport.File{Path: "/tmp/latlab-hostile", Content: strings.NewReader("x"), Size: 1, Mode: 0o600}
		if err := d.Get(t.Context(), "/x", io.Discard, 100); err == nil {
			t.Errorf("%.20q is a file", answer)
		}
		if _, err := d.Stat(t.Context(), "/x"); err == nil {
			t.Errorf("%.20q is a file's size", answer)
		}
		if err := d.Put(t.Context(), file); err == nil && !strings.HasPrefix(answer, "OKAY") {
			t.Errorf("%.20q is a good push", answer)
		}
	}
}

// TestMuchOutput: a program may print more than is kept, and ends by itself.
func TestMuchOutput(t *testing.T) {
	d, _, _ := phone(t, adbtest.Options{})
	out, err := transport.Run(t.Context(), d, sh("yes | head -n 1000000; yes | head -n 500000 >&2; echo end; exit 3"), 100_000)
	if err != nil || out.Exit != (transport.Exit{Code: 3}) || out.Left < 2_800_000 || !strings.HasPrefix(out.Stdout, "y\ny\n") || !strings.HasSuffix(out.Stdout, "y\nend\n") {
		t.Errorf("%d bytes, %d left out, exit %+v, %v", len(out.Stdout), out.Left, out.Exit, err)
	}
}

// TestEndlessScript: a script of latlab's that prints more than its limit is killed.
func TestEndlessScript(t *testing.T) {
	d, _, _ := phone(t, adbtest.Options{})
	if out, err := transport.Shell(t.Context(), d, 100_000, "yes; yes >&2"); !errors.Is(err, transport.ErrTooLong) || len(out) != 100_000 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// canceling cancels once more than a chunk of it was read.
type canceling struct {
	*strings.Reader
	cancel func()
}

func (c *canceling) Read(b []byte) (int, error) {
	if c.Len() < 900_000 {
		c.cancel()
	}
	return c.Reader.Read(b)
}

func TestCanceledPush(t *testing.T) {
	d, _, _ := phone(t, adbtest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	path := filepath.Join(t.TempDir(), "x")
	err := d.Put(ctx, transport.File{Path: path, Content: &canceling{strings.NewReader(strings.Repeat("x", 1<<20)), cancel}, Size: 1 << 20, Mode: 0o600})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestNoServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("ANDROID_HOME", "")
	t.Setenv("ANDROID_SDK_ROOT", "")
	_, err := adb.Open(t.Context(), adb.Options{Serial: "x", Server: adb.Server{Addr: "127.0.0.1:1"}})
	if reason(err) != adb.ReasonServer || !strings.Contains(err.Error(), "install Debian's package adb") {
		t.Errorf("error is %v", err)
	}
}
