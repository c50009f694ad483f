package search

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/internal/testenv"
)

// lengths answers with the length of each line.
const lengths = `while read line; do echo ${#line}; done`

func TestProgramAnswers(t *testing.T) {
	t.Parallel()
	p := &Program{Command: "echo started >&2; " + lengths, Timeout: time.Minute}
	defer p.Close()
	for _, networks := range [][]string{{"0", "0:1", "0:10:2"}, {"3:3"}} {
		var got []float64
		err := p.Ask(t.Context(), networks, func(i int, q float64) error {
			if i != len(got) {
				t.Errorf("answer %d is called %d", len(got), i)
			}
			got = append(got, q)
			return nil
		})
		var want []float64
		for _, n := range networks {
			want = append(want, float64(len(n)))
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("answers (-want +got):\n%s\n%v", diff, err)
		}
	}
}

func TestProgramsThatFail(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, command, reason, want, output string
		timeout                             time.Duration
	}{
		{"a word", `read x; echo 0.5; read y; echo fine; cat >&2`, devices.ReasonGarbage,
			`line 2 that it printed, for 0:2, is "fine" and not a finite number (print nothing else on stdout: messages belong on stderr)`, "", time.Minute},
		{"not a number", `while read x; do echo nan; done`, devices.ReasonGarbage, `line 1 that it printed, for 0:1, is "nan" and not`, "", time.Minute},
		{"an empty line", `while read x; do echo; done`, devices.ReasonGarbage, `line 1 that it printed, for 0:1, is "" and not`, "", time.Minute},
		{"a line too many", `read x; read y; printf '1\n2\n3\n'; cat >&2`, devices.ReasonGarbage, `it printed "3", which nobody asked for`, "", time.Minute},
		{"a long line", `head -c 5000 /dev/zero; cat`, devices.ReasonGarbage, "line 1 that it printed is longer than 4096 bytes", "", time.Minute},
		{"an exit code", `read x; echo 1; echo no such weights >&2; exit 3`, devices.ReasonExited, "it ended with exit code 3 before it answered for 0:2, after 1 others", "no such weights", time.Minute},
		{"no such program", `no-such-program-at-all`, devices.ReasonExited, "it ended with exit code 127 before it answered for 0:1", "not found", time.Minute},
		{"a signal", `kill -SEGV $$`, devices.ReasonCrashed, "it was ended by a signal (segmentation fault) before it answered for 0:1", "", time.Minute},
		{"silence", `echo waiting >&2; sleep 1000`, devices.ReasonHung, "it gave no answer for 0:1 within 200ms, after 0 others (does it print a line", "waiting", 200 * time.Millisecond},
		{"silence after stdout", `exec >&-; sleep 1000`, devices.ReasonHung, "it gave no answer for 0:1", "", 200 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := &Program{Command: tc.command, Timeout: tc.timeout}
			defer p.Close()
			err := p.Ask(t.Context(), []string{"0:1", "0:2"}, func(int, float64) error { return nil })
			e, is := errors.AsType[*devices.Error](err)
			if !is || e.Fault != devices.FaultUser || e.Reason != tc.reason {
				t.Fatalf("error %#v", err)
			}
			if !strings.HasPrefix(e.Error(), "--quality '") || !strings.Contains(e.Error(), tc.want) || !strings.Contains(e.Output, tc.output) {
				t.Errorf("%s\noutput %q\nwant %s with output %q", e, e.Output, tc.want, tc.output)
			}
		})
	}
}

// What a program started ends with it, at the end of a search and of its context.
func TestProgramIsKilledWithItsGroup(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Program, context.CancelFunc){
		"close":  func(p *Program, _ context.CancelFunc) { p.Close() },
		"cancel": func(_ *Program, cancel context.CancelFunc) { cancel() },
	} {
		file := filepath.Join(t.TempDir(), name)
		p := &Program{Command: "sleep 1000 & echo $! > " + file + "; " + lengths, Timeout: time.Minute}
		ctx, cancel := context.WithCancel(t.Context())
		if err := p.Ask(ctx, []string{"0"}, func(int, float64) error { return nil }); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		end(p, cancel)
		testenv.WaitGone(t, pid)
		cancel()
		p.Close()
	}
}

// A single program takes the shell's place, and nothing else is changed.
func TestShell(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		`awk 'BEGIN { print 1 }'`:             "1",
		`env echo "2  3" 2>/dev/null`:         "2  3",
		`echo 4`:                              "4",
		`X=5 sh -c 'echo $X'`:                 "5",
		`cd / && pwd`:                         "/",
		`sh -c 'echo $PPID $0' && echo x`:     "x",
		`./no-such-program || echo not there`: "not there",
	} {
		args := shell(command)
		out, err := exec.Command("/bin/sh", args...).Output()
		if got := strings.TrimSpace(string(out)); err != nil || !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q, error %v, want %q", command, got, err, want)
		}
	}
	own, err := exec.Command("/bin/sh", shell(`sh -c 'echo $PPID'`)...).Output()
	if want := strconv.Itoa(os.Getpid()); err != nil || strings.TrimSpace(string(own)) != want {
		t.Errorf("the program's parent is %s, want %s", own, want)
	}
}

func TestReadTable(t *testing.T) {
	t.Parallel()
	sp := small(t)
	rows, err := ReadTable(strings.NewReader("\ufeffindices,quality\r\n0:0:0:1,0.75\r\n0:0:0:0,-1e3\n"), "q.csv", sp)
	if err != nil || len(rows) != 2 || rows[0].Arch.String() != "0:0:0:1" || rows[1].Quality != -1000 {
		t.Errorf("rows %v, error %v", rows, err)
	}
	for text, want := range map[string]string{
		"":                                          `^q.csv: it is empty; the first line must be indices,quality$`,
		"indices,quality\n":                         `^q.csv: it has no network$`,
		"0:0:0:1,0.75\n":                            `^q.csv:1: the first line must be indices,quality$`,
		"network,kernel,latency\n1,2,3\n":           `^q.csv:1: the first line must be indices,quality$`,
		"SQLite format 3\x00":                       `^q.csv: it is a store of sweeps; type --db`,
		"indices,quality\n0:0:0:9,1\n":              `^q.csv:2: space small: index 3 is 9, but decision stage1/width may be 0 to 1 \(8, 16\)$`,
		"indices,quality\n0:0:0:1,1,2\n":            `^q.csv:2: it has 3 fields, want indices and quality$`,
		"indices,quality\n0:0:0:1,high\n":           `^q.csv:2: quality is "high", want a finite number$`,
		"indices,quality\n0:0:0:1,Inf\n":            `^q.csv:2: quality is "Inf", want a finite number$`,
		"indices,quality\n0:0:0:1,1\n0:0:0:1,":      `^q.csv:3: quality is ""`,
		"indices,quality\n0:0:0:1,1\n\n0:0:0:1,1\n": `^q.csv:4: network 0:0:0:1 is on line 2 already$`,
		"indices,quality\n\"0:0:0:1,1\n":            `^q.csv:\d: extraneous or missing " in quoted-field$`,
	} {
		_, err := ReadTable(strings.NewReader(text), "q.csv", sp)
		if err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
