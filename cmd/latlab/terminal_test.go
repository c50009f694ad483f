package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// openTerminal gives the two ends of a pseudo-terminal of so many columns.
func openTerminal(t *testing.T, columns uint16) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err = openPeer(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return screen, tty
}

// openPeer opens a pseudo-terminal's other end without its path, which a container may hide.
func openPeer(fd int) (*os.File, error) {
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, uintptr(unix.O_RDWR|unix.O_NOCTTY))
	if errno != 0 {
		return nil, errno
	}
	return os.NewFile(peer, "tty"), nil
}

// onTerminal runs latlab with both streams on a terminal and returns what it prints there.
func onTerminal(t *testing.T, columns uint16, args ...string) string {
	t.Helper()
	screen, tty := openTerminal(t, columns)
	printed := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(screen) // ends with an error when the other end is closed
		printed <- b
	}()
	code := run(t.Context(), append([]string{"latlab"}, args...), streams{in: strings.NewReader(""), out: tty, err: tty})
	tty.Close()
	out := string(<-printed)
	if code != exitOK && code != exitInvalid {
		t.Fatalf("latlab %q: exit code %d\n%s", args, code, out)
	}
	return out
}

var escapeSequence = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// tooWide lists the lines that a terminal of so many columns would wrap.
func tooWide(out string, columns int) []string {
	var wide []string
	plain := escapeSequence.ReplaceAllString(out, "")
	for _, line := range strings.FieldsFunc(plain, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if utf8.RuneCountInString(line) > columns {
			wide = append(wide, line)
		}
	}
	return wide
}

// terminalLab is a store with INVALID networks of a simulator, and an empty configuration.
func terminalLab(t *testing.T) (db string) {
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"} {
		t.Setenv(name, dir)
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	t.Chdir(dir)
	return "lab.db"
}

func terminalSweep(db string, more ...string) []string {
	return append([]string{"sweep", "--device", "sim-pixel4-dsp:hostile,sim-pixel4-dsp", "--space", "mobiledet_dsp_ibn",
		"-n", "25", "--db", db}, more...)
}

func TestColourSaysSomethingOnATerminal(t *testing.T) {
	db := terminalLab(t)
	out := onTerminal(t, 80, terminalSweep(db)...)
	for _, want := range []string{"\x1b[1;31mINVALID\x1b[0m", "\x1b[1;35mSIMULATED\x1b[0m", "\x1b[38;5;130mWARNING:\x1b[0m"} {
		if !strings.Contains(out, want) {
			t.Errorf("sweep does not say %q:\n%q", want, out)
		}
	}
	outs := map[string]string{
		"sweep":   out,
		"show":    onTerminal(t, 80, "show", "--db", db),
		"fit":     onTerminal(t, 80, "fit", "--db", db, "--device", "sim-pixel4-dsp"),
		"devices": onTerminal(t, 80, "devices"),
	}
	for verb, out := range outs {
		if !strings.Contains(out, "\x1b[") {
			t.Errorf("%s has no colour:\n%s", verb, out)
		}
		if wide := tooWide(out, 80); wide != nil {
			t.Errorf("%s is wider than 80 columns: %q", verb, wide)
		}
	}
	if strings.Contains(outs["show"], "SWEEP") && strings.Contains(strings.SplitN(outs["show"], "\n", 2)[0], "\x1b") {
		t.Errorf("a table's header is painted:\n%s", outs["show"])
	}
}

func TestProgressDoesNotWrapOnNarrowTerminals(t *testing.T) {
	out := onTerminal(t, 40, terminalSweep(terminalLab(t), "--quiet=false")...)
	bars := 0
	for _, line := range strings.FieldsFunc(escapeSequence.ReplaceAllString(out, ""), func(r rune) bool { return r == '\r' || r == '\n' }) {
		if !strings.Contains(line, "% [") {
			continue
		}
		bars++
		if n := len(line); n > 40 {
			t.Errorf("the bar has %d columns: %q", n, line)
		}
		if !strings.HasPrefix(line, "SIMULATED ") {
			t.Errorf("the bar does not say what it is of: %q", line)
		}
	}
	if bars == 0 {
		t.Errorf("no bar is shown: %q", out)
	}
}

func TestLayersFitTheTerminal(t *testing.T) {
	terminalLab(t)
	args := []string{"time", "--device", "sim-pixel4-edgetpu:exact", "--fixture", "mobiledet_edgetpu", "--layers"}
	for columns, shown := range map[uint16]string{
		50: "LAYER OP us % SUM %", 80: "LAYER OP OUTPUT us % SUM % GMACS/S", 120: "LAYER OP INPUT OUTPUT us % SUM % MMACS GMACS/S MACS/BYTE",
	} {
		out := escapeSequence.ReplaceAllString(onTerminal(t, columns, args...), "")
		var head string
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "LAYER ") {
				head = strings.Join(strings.Fields(line), " ")
			}
		}
		_, tables, _ := strings.Cut(out, "LAYER ")
		if wide := tooWide("LAYER "+tables, int(columns)); head != shown || columns >= 80 && len(wide) > 0 {
			t.Errorf("%d columns show %q, want %q; too wide: %q", columns, head, shown, wide)
		}
	}
}

func TestNoEscapeSequencesWhereTheyAreNotWanted(t *testing.T) {
	db := terminalLab(t)
	for _, tt := range []struct {
		name, variable, value string
		args                  []string
	}{
		{"NO_COLOR", "NO_COLOR", "1", nil},
		{"a dumb terminal", "TERM", "dumb", nil},
		{"--quiet", "TERM", "xterm", []string{"--quiet"}},
		{"LATLAB_QUIET", "LATLAB_QUIET", "true", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(tt.variable, tt.value)
			out := onTerminal(t, 80, terminalSweep(db, tt.args...)...)
			if strings.Contains(out, "\x1b") || !strings.Contains(out, "INVALID") {
				t.Errorf("escape sequences, or nothing to paint: %q", out)
			}
		})
	}
	if out := onTerminal(t, 80, "show", "--db", db, "--json"); strings.Contains(out, "\x1b") {
		t.Errorf("--json has escape sequences: %q", out)
	}
}

// Whatever comes from outside, no escape sequence of it reaches a terminal, on stdout or stderr.
func TestEscapesDoNotReachTheTerminal(t *testing.T) {
	const arch = "0:0:0:0:0:2:2:0:0:0"
	const evil = "phone\x1b[2J\u009b31m\u202egnp"
	folder := t.TempDir()
	cost := filepath.Join(folder, "cost.json")
	var out, said bytes.Buffer
	call := func(want int, args ...string) {
		t.Helper()
		out.Reset()
		said.Reset()
		code := run(t.Context(), append([]string{"latlab"}, args...), streams{in: strings.NewReader(""), out: &out, err: &said})
		if code != want {
			t.Errorf("%q: exit code %d, want %d: %s", args, code, want, said.String())
		}
		for _, r := range out.String() + said.String() {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%q prints %q in %q%q", args, r, out.String(), said.String())
				return
			}
		}
	}
	space := tinySpace(t)
	db := filepath.Join(folder, "lab.db")
	call(0, "sweep", "--space", space, "-n", "24", "--device", "sim-pixel1-cpu", "--db", db, "--quiet")
	call(0, "fit", "--db", db, "-o", cost)
	text, err := os.ReadFile(cost)
	if err != nil {
		t.Fatal(err)
	}
	for field, old := range map[string]string{"device": `"device": "`, "estimator": `"estimator": "`, "warnings": `"method": "`} {
		quoted, err := json.Marshal(evil)
		if err != nil {
			t.Fatal(err)
		}
		bad := strings.Replace(string(text), old, old+strings.Trim(string(quoted), `"`), 1)
		if bad == string(text) {
			t.Fatalf("no %s in the file", field)
		}
		if err := os.WriteFile(cost, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		call(0, "predict", "--cost", cost, "--arch", arch)
		call(0, "predict", "--cost", cost, "--arch", arch, "--json")
		if field == "device" && !strings.Contains(out.String(), `"phone\u001b[2J\u009b31m\u202egnp`) {
			t.Errorf("the JSON has a different device: %s", out.String())
		}
		call(0, "export", "--cost", cost, "--format", "csv", "-o", filepath.Join(folder, "x.csv"))
	}
	call(2, "predict", "--cost", filepath.Join(folder, evil), "--arch", arch)
	call(exitNoDevice, "time", "--device", evil, "--fixture", "mobiledet_cpu")
	if !strings.Contains(said.String(), "phone?[2J?31m?gnp") {
		t.Errorf("the name is not printed: %s", said.String())
	}
	call(2, evil)
	call(2, "predict", "--cost", filepath.Join(folder, evil), "--arch", arch, "--json")
	store, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.ExecContext(t.Context(), "UPDATE networks SET name = name || ?", evil); err != nil {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	call(0, "show", "--db", db)
	call(0, "show", "--db", db, "--json")
}

// TestRankingOnATerminal: the table of ranked networks uses the terminal's columns and no more.
func TestRankingOnATerminal(t *testing.T) {
	terminalLab(t)
	for _, columns := range []uint16{80, 120} {
		out := onTerminal(t, columns, "time", "--device", "sim-pixel4-dsp", "--fixture", "mobiledet_dsp,mobilenet_v3_large_ssdlite")
		if wide := tooWide(out, int(columns)); len(wide) > 0 {
			t.Errorf("on %d columns %d lines are wider, such as %q", columns, len(wide), wide[0])
		}
		if has, want := strings.Contains(out, "VERDICT  MACS"), columns >= 100; has != want {
			t.Errorf("on %d columns the MACs are printed: %v\n%s", columns, has, out)
		}
		if !strings.Contains(out, "\x1b[38;5;28mVALID") {
			t.Errorf("on %d columns verdicts are not coloured:\n%q", columns, out)
		}
	}
}

// TestStdinOnATerminal: a user who forgot the networks learns what is waited for; a pipe is read without that.
func TestStdinOnATerminal(t *testing.T) {
	db := terminalLab(t)
	onTerminal(t, 80, "sweep", "--device", "sim-pixel4-dsp", "--space", "mobiledet_dsp_ibn", "-n", "25", "--db", db)
	onTerminal(t, 80, "fit", "--db", db, "-o", "cost.json")
	screen, tty := openTerminal(t, 80)
	defer tty.Close()
	if _, err := screen.Write([]byte{4}); err != nil { // Ctrl-D
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   io.Reader
		want string
	}{
		{tty, "reading networks from stdin, JSON lines such as {\"space\":\"NAME\",\"indices\":\"0:3:1\"}; Ctrl-D ends them\n"},
		{strings.NewReader(""), ""},
	} {
		var out, said bytes.Buffer
		code := run(t.Context(), []string{"latlab", "predict", "--cost", "cost.json"}, streams{in: c.in, out: &out, err: &said})
		if code != exitUsage || said.String() != c.want+"latlab: stdin has no network\n" {
			t.Errorf("exit code %d, it says %q, want %q", code, &said, c.want)
		}
	}
}
