package testphone_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices/state"
	"latlab/devices/transport"
	"latlab/internal/testphone"
)

func run(t *testing.T, p *testphone.Phone, line string) string {
	t.Helper()
	out, err := p.Command(line).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

func TestAnswers(t *testing.T) {
	p := testphone.New(t, testphone.Options{Properties: map[string]string{"ro.serialno": "X1"}})
	for _, tt := range []struct{ line, want string }{
		{"getprop ro.product.model", "Pixel 6\n"},
		{"getprop ro.serialno", "X1\n"},
		{"getprop no.such.property", "\n"},
		{"getprop | grep -c sdk", "1\n"},
		{"dumpsys battery | grep level", "  level: 96\n"},
		{"dumpsys nothing", "Can't find service: nothing\n"},
		{"settings get global airplane_mode_on", "0\n"},
		{"settings get global never_set", "null\n"},
		{"cmd connectivity airplane-mode enable; settings get global airplane_mode_on; cmd connectivity airplane-mode", "1\nenabled\n"},
		{"cmd connectivity airplane-mode disable; settings get global airplane_mode_on", "0\n"},
		{"settings put global x 7; settings get global x; settings delete global x; settings get global x", "7\nDeleted 1 rows\nnull\n"},
		{"cat /sys/class/thermal/thermal_zone0/temp", "38000\n"},
		{"cat /proc/self/comm", "cat\n"},
		{"echo $KSH_VERSION | grep -c MIRBSD", "1\n"},
		{"echo x | sha256sum | head -c 8", "73cb3858"},
		{"taskset 1 grep Cpus_allowed_list /proc/self/status", "Cpus_allowed_list:\t0\n"},
		{"id", "uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input),1007(log),1011(adb) context=u:r:shell:s0\n"},
		{"echo nothing >/dev/null; command -v wget || echo no wget", "no wget\n"},
	} {
		if got := run(t, p, tt.line); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.line, got, tt.want)
		}
	}
}

// The phone shows nothing of the host, and the host keeps nothing of the phone.
func TestNothingStays(t *testing.T) {
	var root string
	t.Run("a phone", func(t *testing.T) {
		p := testphone.New(t, testphone.Options{})
		root = p.Root
		if got := run(t, p, "ls /"); strings.Contains(got, "home") || strings.Contains(got, "usr") && strings.Contains(got, "var") {
			t.Errorf("the phone has the host's %s", got)
		}
	})
	testphone.Needs(t)
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", root, err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), root) {
		t.Error("its /proc is still mounted")
	}
}

// The lab's own readers understand the phone's output.
func TestState(t *testing.T) {
	p := testphone.New(t, testphone.Options{})
	id, err := state.Identify(t.Context(), p.Transport())
	if err != nil {
		t.Fatal(err)
	}
	if id.Model != "Google Pixel 6" || id.OS != "Android 13" {
		t.Errorf("%+v", id)
	}
}

func TestTransportQuotes(t *testing.T) {
	p := testphone.New(t, testphone.Options{})
	words := []string{"a b", "'", `"`, "$(exit 3)", "line\nbreak", "", "`x`", "*", "-n"}
	out, err := transport.Run(t.Context(), p.Transport(), transport.Command{
		Path: "sh", Args: append([]string{"-c", `for w; do echo "<$w>"; done; echo "$V"; pwd; exit 5`, "sh"}, words...),
		Env: []string{"V=it's $HOME"}, Dir: "/data/local/tmp"}, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	want := "<" + strings.Join(words, ">\n<") + ">\nit's $HOME\n/data/local/tmp\n"
	if diff := cmp.Diff(want, out.Stdout); diff != "" || out.Exit.Code != 5 {
		t.Errorf("exit %+v, stderr %q: %s", out.Exit, out.Stderr, diff)
	}
}
