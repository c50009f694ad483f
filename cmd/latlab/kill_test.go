package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"latlab/internal/atomicfile"
	"latlab/internal/testenv"
)

const (
	kills       = 50
	killWithin  = 700 * time.Millisecond // of the start of the program; doubled while no block was stored
	killLongest = time.Minute
	killSeed    = 11
	killInitial = 20 // networks
)

// TestKilledAtAnyMomentLosesNothing sweeps on the real runtime and kills the program, or
// it and its agent, at random moments. Where a moment falls differs from run to run; the
// store must be sound wherever that is.
func TestKilledAtAnyMomentLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a sweep on the real runtime many times")
	}
	t.Parallel()
	mark := "LATLAB_TEST_MARK=" + t.TempDir()
	l := newLab(t, "LATLAB_AGENT="+testenv.Agent(t), mark)
	random := rand.New(rand.NewPCG(killSeed, 0))
	n, killed, kept, within := killInitial, 0, map[int]float64{}, killWithin
	for round := 0; killed < kills || len(kept) == 0 && within < killLongest; round++ {
		p := l.start("latlab", append(sweepArgs(t, strconv.Itoa(n)), "--quiet")...)
		delay := time.Duration(random.Int64N(int64(within)))
		select {
		case <-p.done:
			// It was faster: there must be more to do.
			if code := p.wait(); code != exitOK && code != exitInvalid {
				t.Fatalf("round %d: exit code %d\n%s", round, code, &p.err)
			}
			n += 5
			continue
		case <-time.After(delay):
		}
		killed++
		alone := killed%2 == 0
		_ = p.cmd.Process.Kill()
		if !alone {
			for _, pid := range programsWith(t, mark) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		<-p.done
		for _, pid := range programsWith(t, mark) {
			testenv.WaitGone(t, pid)
		}
		before := len(kept)
		if kept = l.checkKept("my lab.db", kept); len(kept) == 0 {
			within = min(2*within, killLongest)
		}
		t.Logf("kill %d after %v (agent too: %v): %d networks asked for, %d blocks, %d of them new", killed, delay.Round(time.Millisecond), !alone, n, len(kept), len(kept)-before)
		if tmp := l.temporary(); len(tmp) > 2 { // a model and its sum
			t.Fatalf("temporary files pile up: %v", tmp)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if len(kept) == 0 {
		t.Fatal("no block survived: nothing was tried")
	}
	// Writing a model takes a millisecond, so that few kills hit one. This is what they leave.
	touch(t, l.path(filepath.Join(".cache/latlab/models", strings.Repeat("ab", 32)+".tflite.tmp")))

	for _, n := range []int{n, n + 3} {
		p := l.start("latlab", append(sweepArgs(t, strconv.Itoa(n)), "--quiet")...)
		if code := p.wait(); code != exitOK && code != exitInvalid {
			t.Fatalf("exit code %d\n%s", code, &p.err)
		}
		if want := strconv.Itoa(n) + " of " + strconv.Itoa(n) + " networks measured"; !strings.Contains(p.out.String(), want) {
			t.Errorf("no %q in %q", want, &p.out)
		}
		kept = l.checkKept("my lab.db", kept)
		if len(kept) < 3*n {
			t.Errorf("%d blocks of %d networks", len(kept), n)
		}
	}
	l.run(exitOK, "show", "--db", "my lab.db")
	if tmp := l.temporary(); len(tmp) > 0 {
		t.Errorf("temporary files are left: %v", tmp)
	}
}

// checkKept checks the store and that it still has the blocks, by order, that it had. It
// returns those that it has.
func (l *lab) checkKept(name string, kept map[int]float64) map[int]float64 {
	l.t.Helper()
	if _, err := os.Stat(l.path(name)); os.IsNotExist(err) && len(kept) == 0 {
		return kept
	}
	// The program itself must be able to read it; a reader is also the first to see the
	// log of a killed writer.
	var out, text bytes.Buffer
	s := streams{in: strings.NewReader(""), out: &out, err: &text}
	code := run(context.Background(), []string{"latlab", "show", "--db", l.path(name), "--json"}, s)
	if code == exitUsage && len(kept) == 0 && strings.Contains(text.String(), "is an empty file") {
		return kept
	}
	if code != exitOK {
		l.t.Fatalf("show: exit code %d\n%s", code, &text)
	}
	l.checkStore(name, -1)
	now := l.blockSeconds(name)
	for ord, seconds := range kept {
		if now[ord] != seconds {
			l.t.Errorf("block %d was %v s and is %v s", ord, seconds, now[ord])
		}
	}
	return maps.Clone(now)
}

func (l *lab) blockSeconds(name string) map[int]float64 {
	l.t.Helper()
	db, err := sql.Open("sqlite", l.path(name))
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT ord, seconds FROM blocks")
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	blocks := map[int]float64{}
	for rows.Next() {
		var ord int
		var seconds float64
		if err := rows.Scan(&ord, &seconds); err != nil {
			l.t.Fatal(err)
		}
		blocks[ord] = seconds
	}
	if err := rows.Err(); err != nil {
		l.t.Fatal(err)
	}
	return blocks
}

// temporary lists what half-written files there are in the lab.
func (l *lab) temporary() []string {
	l.t.Helper()
	var found []string
	for _, pattern := range []string{".cache/latlab/models/*.tmp", "latlab-*"} {
		files, err := filepath.Glob(l.path(pattern))
		if err != nil {
			l.t.Fatal(err)
		}
		found = append(found, files...)
	}
	return found
}

// exportTries bounds how often an export may be over before its interrupt comes.
const exportTries = 50

// bySignal is what a process that a signal ended has for an exit code.
const bySignal = -1

// TestInterruptedExportLeavesTheOldFile interrupts an export whose temporary file is there
// already: the old file stays, to the byte, and nothing else is left.
func TestInterruptedExportLeavesTheOldFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run(exitOK, "sweep", "--device", "sim-pixel1-cpu", "--space", tinySpace(t), "-n", "1500", "--db", "lab.db", "--quiet")
	for _, format := range []string{"jsonl", "parquet"} {
		p := l.interruptedExport("old." + format)
		if code := p.wait(); code != exitInterrupted {
			t.Errorf("%s: exit code %d\n%s", format, code, &p.err)
		}
		if want := "latlab: interrupted; old." + format + " is unchanged\n"; p.err.String() != want {
			t.Errorf("stderr is %q, want %q", p.err.String(), want)
		}
		if data, err := os.ReadFile(l.path("old." + format)); err != nil || string(data) != whatWasThere {
			t.Errorf("%s: %v, %d bytes", format, err, len(data))
		}
		if left := l.halfExports(); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

const whatWasThere = "what was there"

// TestInterruptLeavesTheOldFile interrupts what reads a store before it writes, and what
// writes after its first bytes.
func TestInterruptLeavesTheOldFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run(exitOK, "sweep", "--device", "sim-pixel1-cpu", "--space", tinySpace(t), "-n", "30", "--db", "lab.db", "--quiet")
	old := l.path("old")
	for _, verb := range []string{"report", "fit"} {
		if err := os.WriteFile(old, []byte(whatWasThere), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out, said bytes.Buffer
		code := run(ctx, []string{"latlab", verb, "--db", l.path("lab.db"), "-o", old}, streams{in: strings.NewReader(""), out: &out, err: &said})
		if want := "latlab: interrupted; " + old + " is unchanged\n"; code != exitInterrupted || said.String() != want || out.Len() > 0 {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, want %q", verb, code, &out, &said, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := atomicfile.Write(old, func(w io.Writer) error {
		page := endingWriter{ctx, w}
		if _, err := page.Write([]byte("half of")); err != nil {
			t.Error(err)
		}
		cancel()
		_, err := page.Write([]byte("a page"))
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("writing ended with %v", err)
	}
	if data, err := os.ReadFile(old); err != nil || string(data) != whatWasThere {
		t.Errorf("%v, the file holds %q", err, data)
	}
	if left := l.halfExports(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// interruptedExport interrupts an export over an old file while it is being written. One that was
// faster, because this process had to wait for the machine, is begun again; so is one that was on
// its way out, where nobody catches the signal any more.
func (l *lab) interruptedExport(name string) *proc {
	l.t.Helper()
	for range exportTries {
		if err := os.WriteFile(l.path(name), []byte(whatWasThere), 0o600); err != nil {
			l.t.Fatal(err)
		}
		p := l.start("latlab", "export", "--db", "lab.db", "--format", strings.TrimPrefix(filepath.Ext(name), "."), "-o", name)
		until(l.t, "the export is being written, or over", func() bool { return p.ended() || len(l.halfExports()) > 0 })
		_ = p.cmd.Process.Signal(syscall.SIGINT) // it may have ended
		if code := p.wait(); code != exitOK && code != bySignal {
			return p
		}
	}
	l.t.Fatalf("%d exports were over before they could be interrupted", exportTries)
	return nil
}

func (p *proc) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// halfExports lists the temporary files of exports.
func (l *lab) halfExports() []string {
	l.t.Helper()
	names, err := filepath.Glob(l.path(".old.*"))
	if err != nil {
		l.t.Fatal(err)
	}
	return names
}
