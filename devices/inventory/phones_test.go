package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/internal/testphone"
)

// adbServer answers as an adb server that lists these devices and knows nothing else.
func adbServer(t *testing.T, list string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	t.Setenv("ADB_SERVER_SOCKET", "")
	t.Setenv("ANDROID_ADB_SERVER_PORT", strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			answerADB(c, list)
			c.Close()
		}
	}()
}

func answerADB(c net.Conn, list string) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	n, _ := strconv.ParseUint(string(size[:]), 16, 16)
	request := make([]byte, n)
	if _, err := io.ReadFull(c, request); err != nil {
		return
	}
	switch string(request) {
	case "host:version":
		fmt.Fprint(c, "OKAY00040029")
	case "host:devices-l":
		fmt.Fprintf(c, "OKAY%04x%s", len(list), list)
	default:
		fmt.Fprint(c, "FAIL0007unknown")
	}
}

const phonesList = "SERIAL1                device usb:1-1 product:flame model:Pixel_4 device:flame transport_id:1\n" +
	"SERIAL2                unauthorized usb:1-2 transport_id:2\n" +
	"SERIAL3                offline transport_id:3\n" +
	"SERIAL4                no permissions (missing udev rules? user is in the plugdev group); see [http://developer.android.com/tools/device.html] usb:1-4 transport_id:4\n" +
	"SERIAL7                offline usb:1-7 transport_id:7\n" +
	"SERIAL5                recovery usb:1-5 transport_id:5\n" +
	"adb-X-y (2)._adb-tls-connect._tcp unauthorized transport_id:8\n" +
	"ZUG 5S                 offline usb:1-9 transport_id:9\n" +
	"$(touch\x1b[2Jx)        device usb:1-6 transport_id:6\n"

// TestAttachedPhones: every state that adb lists is one of ours with what to do; phones that the
// file names are not listed twice, and hostile serial numbers go nowhere.
func TestAttachedPhones(t *testing.T) {
	adbServer(t, phonesList)
	l, err := New(Options{File: write(t, "devices.yml", "devices: [{name: mine, adb: SERIAL1}, {name: port, adb: \"usb:1-7\"}]"), LockDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	rows := gather(t.Context(), l.attachedProbes(t.Context()))
	want := []struct {
		name  string
		state State
		says  string
	}{
		{"adb:SERIAL2", Unauthorized, "accept the key on its screen"}, {"adb:SERIAL3", Offline, "adb reconnect SERIAL3"},
		{"adb:SERIAL4", Unauthorized, "udev rules"}, {"adb:SERIAL5", Offline, "recovery"},
		{"adb:adb-X-y (2)._adb-tls-connect._tcp", Unauthorized, "accept the key on its screen"},
		{"adb:ZUG 5S", Offline, "adb reconnect 'ZUG 5S'"},
		{"adb:$(touch?[2Jx)", NotReady, "serial number"},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows: %+v", len(rows), rows)
	}
	for i, w := range want {
		r := rows[i]
		if r.Name != w.name || r.State != w.state || !strings.Contains(r.Problem, w.says) || r.Source != SourceAttached || r.Kind != devices.Measured {
			t.Errorf("%s is %s: %s\nwant %+v", r.Name, r.State, r.Problem, w)
		}
	}
	if unseen := l.PhonesUnseen(t.Context()); unseen != nil {
		t.Errorf("unseen: %+v", unseen)
	}
	if s := l.probeEntry(t.Context(), l.entries[1], SourceFile, full); s.State != Offline || !strings.Contains(s.Problem, "gets no answer") {
		t.Errorf("a phone by its port is %s: %s", s.State, s.Problem)
	}
	for name, step := range map[string]string{"adb:SERIAL2": "authorized", "adb:SERIAL3": "phone", "adb:SERIAL9": "phone", "adb:ZUG 5S": "phone", "adb:adb-X-y (2)._adb-tls-connect._tcp": "authorized"} {
		steps, err := l.Check(t.Context(), name)
		if s := Failed(steps); err != nil || s == nil || s.Name != step || steps[0].Name != "adb" || steps[0].State != OK {
			t.Errorf("%s: %+v, %v", name, steps, err)
		}
	}
}

// TestNoADB: without a server and without adb nothing is started, phones are not seen, and
// command that helps is said; a phone that is named fails at the step adb.
func TestNoADB(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	t.Setenv("ADB_SERVER_SOCKET", "")
	t.Setenv("ANDROID_ADB_SERVER_PORT", strconv.Itoa(port))
	t.Setenv("ANDROID_HOME", "")
	t.Setenv("ANDROID_SDK_ROOT", "")
	t.Setenv("PATH", "")
	l := lab(t, Options{})
	if list := l.attachedProbes(t.Context()); len(list) > 0 {
		t.Errorf("%d phones", len(list))
	}
	if unseen := l.PhonesUnseen(t.Context()); unseen == nil || unseen.Type == "" {
		t.Errorf("unseen: %+v", unseen)
	}
	steps, err := l.Check(t.Context(), "adb:SERIAL")
	if s := Failed(steps); err != nil || len(steps) != 1 || s == nil || s.Name != "adb" || !strings.Contains(s.Detail, "install") {
		t.Errorf("%+v, %v", steps, err)
	}
	var e *devices.Error
	if _, err := l.Open(t.Context(), "adb:SERIAL"); !errors.As(err, &e) || e.Fault != devices.FaultLab {
		t.Errorf("opened: %v", err)
	}
	steps = l.CheckHost(t.Context())
	if Failed(steps) != nil {
		t.Errorf("%+v", steps)
	}
	if s := steps[len(steps)-1]; s.Name != "ssh" || s.State != Note || !strings.Contains(s.Detail, "not installed") || s.Type == "" {
		t.Errorf("without ssh: %+v", s)
	}
}

// TestServersRace: ten labs that name a phone at once, as a sweep on several devices does, find
// one server. The adb is real.
func TestServersRace(t *testing.T) {
	testenv.Program(t, "adb", "adb")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	ln.Close()
	t.Setenv("ADB_SERVER_SOCKET", "")
	t.Setenv("ANDROID_ADB_SERVER_PORT", port)
	t.Setenv("HOME", t.TempDir())
	t.Cleanup(func() { _ = exec.Command("adb", "-P", port, "kill-server").Run() })
	var wg sync.WaitGroup
	for range 10 {
		l := lab(t, Options{})
		wg.Go(func() {
			if err := l.startADB(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestStartingWaitsForItsTurn: who waits for another's server gives up with its context.
func TestStartingWaitsForItsTurn(t *testing.T) {
	l := lab(t, Options{})
	l.adbTurn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.startADB(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// phone is a Lab whose device "phone" has a phone's userland behind it.
func phoneLab(t *testing.T, o testphone.Options, fields string) (*Lab, *testphone.Phone) {
	t.Helper()
	p := testphone.New(t, o)
	file := write(t, "devices.yml", "devices:\n  - name: phone\n    adb: 9A281FFAZ001VD\n"+fields)
	l, err := New(Options{File: file, LockDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l.dial = func(context.Context, *entry) (transport.Transport, error) { return p.Transport(), nil }
	return l, p
}

const hotPhone = `IsStatusOverride: false
Thermal Status: 3
Current temperatures from HAL:
	Temperature{mValue=51.5, mType=3, mName=skin, mStatus=3}
`

// TestPhoneIsListed: what Android says of itself is in the list, in a form that a terminal does
// not obey; one that is too hot says so.
func TestPhoneIsListed(t *testing.T) {
	l, p := phoneLab(t, testphone.Options{}, "")
	s := l.probeEntry(t.Context(), l.entries[0], SourceFile, full)
	if s.State != Ready || s.Model == nil || s.SoC == nil || s.OS == nil || !strings.HasPrefix(*s.OS, "Android ") || s.Build == nil ||
		s.HottestC == nil || s.Battery == nil || *s.Battery <= 0 || *s.Battery > 1 || s.Now.ThermalStatus == nil {
		t.Errorf("%+v", s)
	}
	p.Set("/vendor/lib64/libOpenCL.so", "")
	p.Dumpsys("thermalservice", hotPhone)
	s = l.probeEntry(t.Context(), l.entries[0], SourceFile, full)
	if s.State != Hot || !strings.Contains(s.Problem, "thermal status 3") || *s.HottestC != 51.5 || !slices.Equal(s.Delegates, []string{"xnnpack", "gpu"}) {
		t.Errorf("%s: %s, %v C, delegates %v", s.State, s.Problem, *s.HottestC, s.Delegates)
	}
	l, _ = phoneLab(t, testphone.Options{Properties: map[string]string{"ro.product.model": "Pi\x1b[2Jxel $(touch /x) \u202e6"}}, "")
	s = l.probeEntry(t.Context(), l.entries[0], SourceFile, full)
	if s.Model == nil || strings.ContainsAny(*s.Model, "\x1b\u202e") {
		t.Errorf("model %q", *s.Model)
	}
}

// TestPhoneWithBenchmarkModel: the user's program is brought, checked, described and removed.
func TestPhoneWithBenchmarkModel(t *testing.T) {
	binary := testphone.BenchmarkModel(t)
	l, p := phoneLab(t, testphone.Options{Model: testphone.Today("sim-pixel4-edgetpu:exact")},
		"    tool: benchmark_model\n    binary: "+binary+"\n    delegate: gpu\n    flags: {gpu_backend: cl}\n")
	info, err := l.Describe("phone")
	if err != nil || !info.Accelerator || info.Delegate != "gpu" || info.Compute["float32"] != "float16" {
		t.Errorf("%+v, %v", info, err)
	}
	steps, err := l.Check(t.Context(), "phone")
	if err != nil || Failed(steps) != nil {
		t.Fatalf("%+v, %v", steps, err)
	}
	want := []string{"inventory", "connection", "shell", "folder", "benchmark_model", "delegate", "state"}
	if got := stepNames(steps); !slices.Equal(got[len(got)-5:], want[len(want)-5:]) {
		t.Errorf("steps %v, want %v", got, want)
	}
	d, err := l.Open(t.Context(), "phone")
	if err != nil {
		t.Fatal(err)
	}
	if f := d.Info().Fingerprint; f["serial"] != "9A281FFAZ001VD" || f["model"] == "" || f["build"] == "" {
		t.Errorf("fingerprint %v", f)
	}
	if _, ok := d.(devices.Profiler); !ok {
		t.Error("it has no layers any more")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if done, err := l.Clean(t.Context(), "phone"); err != nil || len(done) < 2 {
		t.Errorf("%q, %v", done, err)
	}
	if _, err := os.Stat(p.Path("/data/local/tmp/latlab")); !os.IsNotExist(err) {
		t.Errorf("latlab's folder is left: %v", err)
	}
}
