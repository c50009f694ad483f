package inventory

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

var update = flag.Bool("update", false, "rewrite goldens in testdata")

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBadFiles: each is refused with just these words, when it is read or, where it is about
// files of this host, when the device is described.
func TestBadFiles(t *testing.T) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "bad.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Files) < 60 {
		t.Errorf("%d bad files only", len(archive.Files))
	}
	for _, f := range archive.Files {
		t.Run(f.Name, func(t *testing.T) {
			first, _, _ := strings.Cut(string(f.Data), "\n")
			path := write(t, "devices.yml", string(f.Data))
			want := strings.ReplaceAll(strings.TrimPrefix(first, "# "), "FILE", path)
			l, err := New(Options{File: path})
			if err == nil {
				_, err = l.Describe(l.entries[0].Name)
				if devices.FaultOf(err) != devices.FaultUser {
					t.Errorf("fault of the %s", devices.FaultOf(err))
				}
			}
			if err == nil || err.Error() != want {
				t.Errorf("says %v\nwant %s", err, want)
			}
		})
	}
}

// TestFileThatIsNotThere is no error unless somebody named it.
func TestFileThatIsNotThere(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	l, err := New(Options{})
	if err != nil || len(l.entries) != 0 {
		t.Errorf("New without a file: %v", err)
	}
	var load *strictyaml.Error
	for _, path := range []string{"/no/such/devices.yml", t.TempDir()} {
		if _, err := New(Options{File: path}); !errors.As(err, &load) {
			t.Errorf("New(%s) = %v, want a *strictyaml.Error", path, err)
		}
	}
}

const goodFile = `
devices:
  - name: Pixel_4.cpu   # all that a phone may have
    adb: 0123456789
    tool: agent
    delegate: external
    delegate_name: armnn
    delegate_on_cpu: true
    delegate_library: device:/data/local/tmp/libarmnnDelegate.so
    delegate_options: {backends: "CpuAcc,CpuRef", fast: true, n: 3}
    arch: arm64
    precision: int8
    threads: 2
    cpus: 4-5,7
    cooldown: {below_celsius: 38.5, limit_seconds: 120}
    settings: {governor: performance, stay_awake: true, airplane_mode: true}
    wrap: [nice, -n, "-5"]
    dir: /data/local/tmp/mine
    budget: 500M
  - name: jetson
    ssh: {host: jetson.local, user: ubuntu, port: 2222, identity: ~/.ssh/key, known_hosts: /etc/ssh/ssh_known_hosts}
    tool: trtexec
    binary: device:/usr/src/tensorrt/bin/trtexec
    precision: float16
    flags: {useDLACore: 0}
  - name: pi
    ssh: "pi@[fe80::1%eth0]:22"
  - {name: usb, local: true, delegate: edgetpu, delegate_library: /usr/lib/libedgetpu.so.1, compiler: /usr/bin/edgetpu_compiler}
`

func TestGoodFile(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	got, err := parse([]byte(goodFile), "devices.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := []*entry{
		{
			Device: tool.Device{
				Name: "Pixel_4.cpu", Transport: "adb", Delegate: tool.Delegate{Name: "external", Library: true}, Precision: "int8",
				Threads: 2, CPUs: []int{4, 5, 7}, Budget: 500 << 20,
			},
			file: "devices.yml", line: 3, place: phone("0123456789"),
			coolDown: machine.CoolDown{BelowC: 38.5, Limit: 2 * time.Minute},
			settings: state.Settings{Governor: "performance", StayAwake: true, Airplane: true},
			wrap:     []string{"nice", "-n", "-5"}, dir: "/data/local/tmp/mine",
		},
		{
			Device: tool.Device{Name: "jetson", Transport: "ssh", Threads: 1, Precision: "float16"}, file: "devices.yml", line: 20,
			place: sshHost{host: "jetson.local", user: "ubuntu", port: 2222, identity: "/home/me/.ssh/key", knownHosts: "/etc/ssh/ssh_known_hosts"},
		},
		{
			Device: tool.Device{Name: "pi", Transport: "ssh", Delegate: tool.Delegate{Name: "xnnpack"}, Threads: 1}, file: "devices.yml", line: 26,
			place: sshHost{host: "fe80::1%eth0", user: "pi", port: 22},
		},
		{
			Device: tool.Device{Name: "usb", Threads: 1, Delegate: tool.Delegate{Name: "edgetpu", Library: true, Precisions: []model.Precision{"int8"}}},
			file:   "devices.yml", line: 28, place: here{},
		},
	}
	ofAll := cmpopts.IgnoreFields(entry{}, "tool", "setup", "lines")
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{}, sshHost{}), ofAll); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	wantTools := []string{"agent", "trtexec", "agent", "agent"}
	wantSetups := []map[string]string{
		{
			"plugin.Library": "device:/data/local/tmp/libarmnnDelegate.so", "plugin.Options[backends]": "CpuAcc,CpuRef",
			"plugin.Options[fast]": "true", "plugin.Options[n]": "3", "name": "armnn", "onCPU": "true", "arch": "arm64",
		},
		{"binary": "device:/usr/src/tensorrt/bin/trtexec", "flags[useDLACore]": "0"},
		{},
		{"plugin.Library": "/usr/lib/libedgetpu.so.1", "o.Compiler": "/usr/bin/edgetpu_compiler"},
	}
	for i, e := range got {
		leaves := map[string]string{}
		addLeaves(leaves, "", reflect.ValueOf(e.setup))
		if diff := cmp.Diff(wantSetups[i], leaves); diff != "" || e.tool.Name != wantTools[i] {
			t.Errorf("%s of %s (-want +got)\n%s", e.Name, e.tool.Name, diff)
		}
	}
}

// addLeaves adds what is set of a tool's setup, which is not seen from here, by its path.
func addLeaves(leaves map[string]string, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		addLeaves(leaves, path, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Name == "Setup" { // the inner tool's
				addLeaves(leaves, path, v.Field(i))
				continue
			}
			addLeaves(leaves, strings.TrimPrefix(path+"."+f.Name, "."), v.Field(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			addLeaves(leaves, path+"["+k.String()+"]", v.MapIndex(k))
		}
	default:
		if v.IsValid() && !v.IsZero() {
			leaves[path] = fmt.Sprint(v)
		}
	}
}

func TestSerials(t *testing.T) {
	for _, s := range []string{
		"9A281FFAZ001VD", "0123456789", "emulator-5554", "10.0.0.7:5555", "pixel.local:5555", "[fe80::1]:5555", "usb:1-4", "usb:1-4.2",
		"adb-9A281FFAZ001VD-abcdef._adb-tls-connect._tcp", "adb-9A281FFAZ001VD-abcdef._adb-tls-connect._tcp.", "R58M_1.2-3",
		"ZUG 5S", "a b", "Moto G (5)", "a", "adb-X-y (2)._adb-tls-connect._tcp", "adb-X-y (2)._adb._tcp",
	} {
		if why := badSerial(s); why != "" {
			t.Errorf("%q is refused: %s", s, why)
		}
	}
	for _, s := range []string{
		"", " ", "-s", " a", "a ", "a\tb", "a\nb", "a,b", "(no serial number)", "????????", "$(x)", "`x`", "a;b", "a'b", "../x", "emulator-", "emulator-5554x", "host:", "host:x", ":5555", "host:5555:1",
		"[fe80::1]", "[x]:5555", "usb:", "product:x", strings.Repeat("a", 65),
	} {
		if badSerial(s) == "" {
			t.Errorf("%q is taken for a serial number", s)
		}
	}
}

// TestPhoneOnTheNetwork: a phone that mDNS calls "(2)" for a while is wireless, and is the same device
// and the same lock as before.
func TestPhoneOnTheNetwork(t *testing.T) {
	const plain, second = "adb-9A281-abcdef._adb-tls-connect._tcp", "adb-9A281-abcdef (2)._adb-tls-connect._tcp"
	for serial, want := range map[string]bool{plain: true, second: true, "adb-X-y (13)._adb._tcp.": true, "ZUG 5S": false, "10.0.0.7:5555": true} {
		if wireless(serial) != want {
			t.Errorf("%q: wireless is %v", serial, !want)
		}
	}
	e := newEntry(tools()[0])
	if a, b := phone(plain).lockKey(e), phone(second).lockKey(e); a != b {
		t.Errorf("locks %q and %q", a, b)
	}
}

// TestHostsAreReadBack: what a host is printed as is read as the same host.
func TestHostsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := sshHost{
			host: rapid.SampledFrom([]string{"jetson", "10.0.0.7", "fe80::1", "::1", "board-2.lab.example"}).Draw(t, "host"),
			user: rapid.SampledFrom([]string{"", "root", "ubuntu"}).Draw(t, "user"),
			port: rapid.IntRange(0, 65535).Draw(t, "port"),
		}
		got, why := parseHost(h.address())
		if why != "" || got != h {
			t.Errorf("%s is read as %+v, %s", h.address(), got, why)
		}
	})
}

func TestTwins(t *testing.T) {
	l, err := New(Options{File: write(t, "devices.yml", "devices:\n- {name: a, adb: 1, twins: [c, b]}\n- {name: b, adb: 2}\n- {name: c, adb: 3, twins: [a]}\n")})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"a": {"c", "b"}, "b": nil, "c": {"a"}, "cpu": nil, "nobody": nil} {
		if diff := cmp.Diff(want, l.Twins(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestFieldsDocument keeps the table of fields, for the document of devices.
func TestFieldsDocument(t *testing.T) {
	path := filepath.Join("testdata", "fields.md")
	got := FieldsDocument()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run the test with -update (-want +got)\n%s", diff)
	}
}

// TestDocument: docs/devices.md has the table of fields, and its example is a good file.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "<!-- fields: devices/inventory/testdata/fields.md -->\n"+FieldsDocument()+"<!-- end of fields -->") {
		t.Error("docs/devices.md has other fields; put devices/inventory/testdata/fields.md there")
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	entries, err := parse([]byte(example), "docs/devices.md")
	if err != nil || len(entries) != 4 {
		t.Errorf("the example has %d devices, %v", len(entries), err)
	}
}

// FuzzParse: whatever a file holds, it is read or refused in one line, and what is read can be
// described or is refused by a mistake of the user's.
func FuzzParse(f *testing.F) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "bad.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Add([]byte(goodFile))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parse(data, "devices.yml")
		var load *strictyaml.Error
		if err != nil {
			if !errors.As(err, &load) || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 1000 {
				t.Errorf("refused by %q", err)
			}
			return
		}
		l := &Lab{entries: entries, o: Options{AgentPath: "/latlab-agent"}}
		for _, e := range entries {
			if !nameForm.MatchString(e.Name) || e.line < 1 || e.Transport == "adb" && badSerial(string(e.place.(phone))) != "" {
				t.Errorf("entry %+v", e)
			}
			info, err := l.Describe(e.Name)
			if err != nil && devices.FaultOf(err) != devices.FaultUser {
				t.Errorf("%s: %v", e.Name, err)
			}
			if err == nil && (info.Name != e.Name || len(info.Precisions) == 0) {
				t.Errorf("%s is described as %+v", e.Name, info)
			}
		}
		_ = fmt.Sprint(entries)
	})
}
