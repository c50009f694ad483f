package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"latlab/internal/testenv"
)

// TestAQualityProgramEndsWithAKilledSearch: also one that no longer reads its stdin.
func TestAQualityProgramEndsWithAKilledSearch(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cost, err := os.ReadFile("../../regress/testdata/cost.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"cost.json": string(cost), "hang.sh": "echo $$ > pid; exec sleep 1000"} {
		if err := os.WriteFile(l.path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(l.path("pid"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := l.start("latlab", "search", "--cost", "cost.json", "--below", "1400us", "-n", "1", "--quality", "sh hang.sh")
	text, err := os.ReadFile(l.path("pid")) // which waits for the program
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGKILL)
	p.wait()
	testenv.WaitGone(t, pid)
}
