package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testenv"
	"latlab/internal/testphone"
	"latlab/sampler/tflite/tflitetest"
)

var update = flag.Bool("update", false, "rewrite the wanted output in testdata/script")

// TestScripts runs testdata/script: whole programs with their streams and exit codes.
// By default they time with the fake agent; a script that wants the real one says
// `env LATLAB_AGENT=$REAL_AGENT`. LATLAB is latlab's path. Besides testscript's own commands
// there are:
//
//	needs THING...                 skip the script where one is missing (see scriptNeeds)
//	exits CODE PROGRAM [ARG...]    run it; CODE is the exit code, or several as 0|4
//	refuses CODE REGEXP PROGRAM [ARG...]
//	                               run it; stdout stays empty and stderr is one line,
//	                               "latlab: " and what REGEXP matches, of decent length;
//	                               the output of a program that failed may follow
//	json FILE PATH [VALUE]         FILE has a JSON document with something at PATH (a.b.0.c,
//	                               "#" is a length); VALUE may be ~REGEXP. In JSON lines the
//	                               first step is the line: @2.a.b
//	keys FILE KEY...               the document has schema_version 1 and just these keys beside it
//	var NAME FILE PATH             put a value of a JSON document into the environment
//	lines FILE N                   FILE has N lines
//	narrow FILE                    no line of FILE is longer than 80 columns or has an escape sequence
//	sql FILE QUERY [VALUE]         query a store, or change it
//	clip FILE N                    cut a file to N bytes
//	spoil FILE                     make a .tflite's first operator code one that nobody knows
//	signatures FILE                write a .tflite with two signatures, double and eightfold
//	tmpfs DIR SIZE                 mount a small file system for the rest of the script
//	remount DIR ro|rw              make it read-only or writable
//	fill DIR                       leave it no byte
func TestScripts(t *testing.T) {
	t.Parallel()
	fake, err := exec.LookPath("fake-agent")
	if err != nil {
		t.Fatal(err)
	}
	latlab, err := exec.LookPath("latlab")
	if err != nil {
		t.Fatal(err)
	}
	tiny, needs := tinySpace(t), scriptNeeds(t)
	testscript.Run(t, testscript.Params{
		Files:               scriptFiles(t),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     true,
		Setup: func(e *testscript.Env) error {
			e.Values[scriptTest{}] = e.T()
			e.Vars = append(isolate(e.Vars, e.WorkDir),
				"TINY="+tiny, "LATLAB_AGENT="+fake, "FAKE="+fake, "LATLAB="+latlab,
				fakeLog+"="+filepath.Join(e.WorkDir, ".blocks"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"needs": needs, "exits": cmdExits, "refuses": cmdRefuses, "json": cmdJSON, "keys": cmdKeys, "var": cmdVar,
			"lines": cmdLines, "narrow": cmdNarrow, "sql": cmdSQL, "clip": cmdClip, "spoil": cmdSpoil, "signatures": cmdSignatures,
			"tmpfs": cmdTmpfs, "remount": cmdRemount, "fill": cmdFill,
		},
	})
}

// racingScripts are those that the race detector watches: they serve, look for devices, sweep several
// at once, fit, and end programs in the middle. The other verbs do one thing after another, and a
// watched program takes ten times as long to start.
var racingScripts = []string{
	"adb-without-a-phone", "boards-over-ssh", "devices-and-doctor", "estimators", "full-disk", "metrics-of-old-sweeps",
	"networks-and-devices-that-fail", "phones-over-adb", "serving", "several-devices-at-once", "the-main-job",
	"timing-on-a-phone", "without-adb",
}

func scriptFiles(t *testing.T) []string {
	t.Helper()
	dir := filepath.Join("testdata", "script")
	if testenv.Race {
		return mapped(racingScripts, func(name string) string { return filepath.Join(dir, name+".txtar") })
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) < len(racingScripts) {
		t.Fatalf("%d scripts (%v)", len(files), err)
	}
	return files
}

// scriptTest is the key of a script's own test among its values.
type scriptTest struct{}

// scriptNeeds is the command `needs`, and gives a script the variables of what it needs:
//
//	agent    $REAL_AGENT, the real latlab-agent
//	python   $PYTHON, with the packages of scripts/python-packages
//	adb      $ADB_PORT, where the script may have a server of the real adb started
//	board    hosts of ~/.ssh/config: board, a real sshd of this machine whose home is $BOARD;
//	         stranger, the same sshd of which no key is known; gone, where nobody listens
//	phones   those of phone_test.go
//	groff
//	mount    the right to mount
//
// The board and the phones are all scripts' own and live as long as t.
func scriptNeeds(t *testing.T) func(*testscript.TestScript, bool, []string) {
	board := sync.OnceValue(func() testBoard { return startBoard(t) })
	phones := sync.OnceValue(func() testPhones { return startPhones(t) })
	port := sync.OnceValue(func() string { return startableADB(t) })
	return func(ts *testscript.TestScript, neg bool, args []string) {
		noNegation(ts, neg, "needs")
		st := ts.Value(scriptTest{}).(testing.TB)
		for _, thing := range args {
			switch thing {
			case "agent":
				ts.Setenv("REAL_AGENT", testenv.Agent(st))
			case "python":
				ts.Setenv("PYTHON", testenv.Python(st))
			case "groff":
				testenv.Program(st, "groff", "groff-base")
			case "adb":
				testenv.Program(st, "adb", "adb")
				ts.Setenv("ADB_PORT", port())
			case "board":
				sshtest.Needs(st)
				ts.Check(board().introduce(ts.Getenv("HOME")))
				ts.Setenv("BOARD", board().home)
			case "phones":
				testenv.Program(st, "adb", "adb")
				testphone.Needs(st)
				for _, v := range phones().vars {
					name, value, _ := strings.Cut(v, "=")
					ts.Setenv(name, value)
				}
			case "mount":
				testenv.Mount(st, "size=64k")
			default:
				ts.Fatalf("needs: nothing is named %q", thing)
			}
		}
	}
}

// startableADB is a port for a server of adb. Where a script fails, the server that it had
// latlab start is left, and ends with the test.
func startableADB(t *testing.T) string {
	port := freePort(t)
	t.Cleanup(func() { _ = exec.Command("adb", "-P", port, "kill-server").Run() })
	return port
}

// freePort is a port that nobody listens on.
func freePort(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// isolate keeps the user's own configuration, cache and variables out of a test.
func isolate(vars []string, home string) []string {
	vars = slices.DeleteFunc(slices.Clone(vars), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(v, "LATLAB_") || strings.HasPrefix(v, "XDG_") || slices.Contains([]string{"HOME", "ADB_SERVER_SOCKET", "SSH_AUTH_SOCK"}, name)
	})
	return append(vars, "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"),
		"XDG_CACHE_HOME="+filepath.Join(home, ".cache"), "TZ=UTC", "NO_COLOR=1",
		// Nobody listens there: a developer's own phones are not looked at.
		"ANDROID_ADB_SERVER_PORT=1",
		// Under the race detector every program would sleep a second before it ends.
		"GORACE=atexit_sleep_ms=0")
}

func noNegation(ts *testscript.TestScript, neg bool, name string) {
	if neg {
		ts.Fatalf("unsupported: ! %s", name)
	}
}

// execCode runs a program and returns its exit code; 128 and more for a signal.
func execCode(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		ts.Fatalf("%v", err)
	case exit.ExitCode() < 0:
		ts.Fatalf("%s ended by a signal: %v", args[0], err)
	}
	return exit.ExitCode()
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "exits")
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	if code := execCode(ts, args[1:]); !slices.Contains(strings.Split(args[0], "|"), strconv.Itoa(code)) {
		ts.Fatalf("exit code is %d, want %s", code, args[0])
	}
}

// maxRefusal is what a person still reads as one line.
const maxRefusal = 400

func cmdRefuses(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "refuses")
	if len(args) < 3 {
		ts.Fatalf("usage: refuses CODE REGEXP PROGRAM [ARG...]")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	if code := execCode(ts, args[2:]); strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code is %d, want %s", code, args[0])
	}
	out := ts.ReadFile("stdout")
	text, output, _ := strings.Cut(ts.ReadFile("stderr"), "  its output:\n")
	for l := range strings.Lines(output) {
		if !strings.HasPrefix(l, "    ") {
			ts.Fatalf("stderr is not one line and a program's output")
		}
	}
	line, isLine := strings.CutSuffix(text, "\n")
	said, named := strings.CutPrefix(line, "latlab: ")
	switch {
	case out != "":
		ts.Fatalf("stdout is not empty")
	case !isLine || strings.Contains(line, "\n"):
		ts.Fatalf("stderr is not one line")
	case !named:
		ts.Fatalf("stderr does not begin with latlab:")
	case len(line) > maxRefusal:
		ts.Fatalf("the line has %d bytes, more than %d", len(line), maxRefusal)
	case !want.MatchString(said):
		ts.Fatalf("no match for %q", args[1])
	}
}

// documents reads JSON documents that follow one another.
func documents(ts *testscript.TestScript, file string) []any {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	d.UseNumber()
	var docs []any
	for d.More() {
		var v any
		if err := d.Decode(&v); err != nil {
			ts.Fatalf("%s: document %d is no JSON: %v", file, len(docs), err)
		}
		docs = append(docs, v)
	}
	return docs
}

// document returns the document that a path begins with, and the rest of the path.
func document(ts *testscript.TestScript, file, path string) (any, string) {
	docs := documents(ts, file)
	first, rest, _ := strings.Cut(path, ".")
	text, many := strings.CutPrefix(first, "@")
	if !many {
		if len(docs) != 1 {
			ts.Fatalf("%s has %d JSON documents; name one as @0", file, len(docs))
		}
		return docs[0], path
	}
	n, err := strconv.Atoi(text)
	ts.Check(err)
	if n < 0 { // counted from the last
		n += len(docs)
	}
	if n < 0 || n >= len(docs) {
		ts.Fatalf("%s has %d JSON documents only", file, len(docs))
	}
	return docs[n], rest
}

// lookAt returns what a JSON value has at a path.
func lookAt(v any, path string) (any, bool) {
	if path == "" {
		return v, true
	}
	step, rest, _ := strings.Cut(path, ".")
	switch x := v.(type) {
	case map[string]any:
		if step == "#" {
			return json.Number(strconv.Itoa(len(x))), true
		}
		inner, ok := x[step]
		if !ok {
			return nil, false
		}
		return lookAt(inner, rest)
	case []any:
		if step == "#" {
			return json.Number(strconv.Itoa(len(x))), true
		}
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(x) {
			return lookAt(x[i], rest)
		}
	}
	return nil, false
}

// plain is a JSON value as a script writes it: strings without quotes.
func plain(ts *testscript.TestScript, v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	ts.Check(e.Encode(v))
	return strings.TrimSpace(b.String())
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: json FILE PATH [VALUE]")
	}
	doc, path := document(ts, args[0], args[1])
	v, found := lookAt(doc, path)
	if len(args) == 2 {
		if found == neg {
			ts.Fatalf("%s: something at %s is %v, want %v", args[0], args[1], found, !neg)
		}
		return
	}
	if !found {
		ts.Fatalf("%s has nothing at %s", args[0], args[1])
	}
	got, want := plain(ts, v), args[2]
	same := got == want
	if pattern, ok := strings.CutPrefix(want, "~"); ok {
		re, err := regexp.Compile(pattern)
		ts.Check(err)
		same = re.MatchString(got)
	}
	if same == neg {
		ts.Fatalf("%s: %s is %s, want %s", args[0], args[1], got, want)
	}
}

func cmdKeys(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "keys")
	doc, path := document(ts, args[0], "")
	_ = path
	object, ok := doc.(map[string]any)
	if !ok {
		ts.Fatalf("%s is no object", args[0])
	}
	if got := plain(ts, object["schema_version"]); got != "1" {
		ts.Fatalf("schema_version is %s, want 1", got)
	}
	var got []string
	for k := range object {
		if k != "schema_version" {
			got = append(got, k)
		}
	}
	want := slices.Clone(args[1:])
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		ts.Fatalf("keys are\n  %v, want\n  %v", got, want)
	}
}

func cmdVar(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "var")
	if len(args) != 3 {
		ts.Fatalf("usage: var NAME FILE PATH")
	}
	doc, path := document(ts, args[1], args[2])
	v, found := lookAt(doc, path)
	if !found {
		ts.Fatalf("%s has nothing at %s", args[1], args[2])
	}
	ts.Setenv(args[0], plain(ts, v))
}

func cmdLines(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "lines")
	if len(args) != 2 {
		ts.Fatalf("usage: lines FILE N")
	}
	if n := strings.Count(ts.ReadFile(args[0]), "\n"); strconv.Itoa(n) != args[1] {
		ts.Fatalf("%s has %d lines, want %s", args[0], n, args[1])
	}
}

func cmdNarrow(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "narrow")
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			ts.Fatalf("a line of %s has %d columns: %s", args[0], n, line)
		}
		if strings.ContainsRune(line, '\x1b') {
			ts.Fatalf("a line of %s has an escape sequence: %q", args[0], line)
		}
	}
}

func cmdSQL(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "sql")
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: sql FILE QUERY [VALUE]")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	if len(args) == 2 {
		_, err := db.Exec(args[1])
		ts.Check(err)
		return
	}
	var got string
	ts.Check(db.QueryRow(args[1]).Scan(&got))
	if got != args[2] {
		ts.Fatalf("%s: %s is %s, want %s", args[0], args[1], got, args[2])
	}
}

func cmdSpoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: spoil FILE")
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(path, tflitetest.Spoil([]byte(ts.ReadFile(path))), 0o600))
}

func cmdSignatures(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signatures FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), tflitetest.TwoSignatures(), 0o600))
}

func cmdClip(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "clip")
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

func cmdTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "tmpfs")
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

func cmdRemount(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "remount")
	var flags uintptr = unix.MS_REMOUNT
	if args[1] == "ro" {
		flags |= unix.MS_RDONLY
	}
	ts.Check(unix.Mount("tmpfs", ts.MkAbs(args[0]), "tmpfs", flags, ""))
}

// cmdFill writes a file "ballast" until the file system is full.
func cmdFill(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg, "fill")
	f, err := os.OpenFile(filepath.Join(ts.MkAbs(args[0]), "ballast"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	ts.Check(err)
	defer f.Close()
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				ts.Fatalf("%v", err)
			}
			size /= 2
		}
	}
}
