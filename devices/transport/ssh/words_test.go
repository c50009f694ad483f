package ssh_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
)

var hostile = []string{"", " ", "a b", "'", `"`, `\`, `'\''`, "$(touch pwned)", "`touch pwned`", "a\nb", "-n", "--", "*", "~", "!!", ";true", "é", "\x1b[2J", "\xff", "%s", "a\tb\r"}

func TestWordsArriveAsTheyAre(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	dir := filepath.Join(t.TempDir(), "a 'dir' $(touch pwned)\n\"`")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	value := strings.Join(hostile, "|")
	for _, tether := range []bool{false, true} {
		c := transport.Command{Path: "sh", Dir: dir, Env: []string{"VALUE=" + value, "EMPTY="}, Tether: tether}
		c.Args = append([]string{"-c", `printf '%s\0' "$PWD" "$VALUE" "$EMPTY" "$@"`, "sh"}, hostile...)
		out, err := transport.Run(t.Context(), tr, c, 1<<20)
		if err != nil || out.Exit != (transport.Exit{}) {
			t.Fatalf("%+v, %v", out, err)
		}
		want := append([]string{dir, value, ""}, hostile...)
		if diff := cmp.Diff(want, strings.Split(strings.TrimSuffix(out.Stdout, "\x00"), "\x00")); diff != "" {
			t.Error(diff)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "pwned")); len(found) > 0 {
		t.Error("a word was run")
	}
}

func TestAnyWordArrives(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[^\x00]{0,20}`), 1, 20).Draw(t, "words")
		out, err := transport.Shell(t.Context(), tr, 1<<20, `printf '%s\0' "$@"`, words...)
		if err != nil || out != strings.Join(words, "\x00")+"\x00" {
			t.Fatalf("%q became %q, %v", words, out, err)
		}
	})
}

func TestProgramWithAHostileName(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	for _, word := range hostile {
		if word == "" || strings.ContainsRune(word, '/') {
			continue
		}
		path := filepath.Join(t.TempDir(), "=x"+word)
		script := "#!/bin/sh\necho ran\n"
		if err := tr.Put(t.Context(), transport.File{Path: path, Content: strings.NewReader(script), Size: int64(len(script)), Mode: 0o700}); err != nil {
			t.Fatal(err)
		}
		out, err := transport.Run(t.Context(), tr, transport.Command{Path: path}, 100)
		if err != nil || out.Stdout != "ran\n" {
			t.Errorf("%q: %+v, %v", path, out, err)
		}
	}
}

func TestStartNothing(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	if _, err := tr.Start(t.Context(), transport.Command{Path: "/nonexistent"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if _, err := tr.Start(t.Context(), transport.Command{Path: "true", Dir: "/nonexistent"}); err == nil || !strings.Contains(err.Error(), "nonexistent") {
		t.Errorf("error is %v", err)
	}
	_, err := tr.Start(t.Context(), transport.Command{Path: "true", Args: []string{"a\x00b"}})
	wants(t, err, devices.FaultUser, "command", "zero byte")
}

// TestChattyLoginShell: what the login shell prints before the program is not part of the
// output.
func TestChattyLoginShell(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct{ force, fails string }{
		"greets":  {`echo "Welcome to the board!"; exec sh -c "$SSH_ORIGINAL_COMMAND"`, ""},
		"endless": {"exec yes", "prints without end"},
		"refuses": {"echo 'This account is not available.' >&2; exit 1", "This account is not available"},
		"silent":  {"exit 1", "said nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			force := filepath.Join(dir, name)
			if err := os.WriteFile(force, []byte("#!/bin/sh\n"+tt.force+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			s := sshtest.Start(t, sshtest.Options{Config: []string{"ForceCommand " + force}})
			tr := open(t, options(s))
			out, err := transport.Shell(t.Context(), tr, 100, "echo out")
			if tt.fails == "" && (err != nil || out != "out\n") {
				t.Errorf("%q, %v", out, err)
			}
			if tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// everyWay runs a test over sftp and through the shell.
func everyWay(t *testing.T, o sshtest.Options, f func(*testing.T, *ssh.Transport)) {
	for name, none := range map[string]bool{"sftp": false, "shell": true} {
		t.Run(name, func(t *testing.T) {
			o.NoSFTP = none
			f(t, open(t, options(sshtest.Start(t, o))))
		})
	}
}
