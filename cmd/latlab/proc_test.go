package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// holdsOpen reports whether a process has a file of that name open.
func holdsOpen(t *testing.T, pid int, name string) bool {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && filepath.Base(to) == name {
			return true
		}
	}
	return false
}

// programsWith lists the processes that have a variable in their environment; those that
// are dead and not yet waited for have none.
func programsWith(t *testing.T, variable string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // gone, or another user's
		}
		for _, v := range bytes.Split(text, []byte{0}) {
			if string(v) == variable {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// checkStore wants a sound store of one sweep: the schedule has no gap, every block that
// is done is there once, and there are as many as said (-1 = any number). It returns the
// number.
func (l *lab) checkStore(name string, blocks int) int {
	l.t.Helper()
	db, err := sql.Open("sqlite", l.path(name))
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	ask := func(query string) (answer string) {
		l.t.Helper()
		if err := db.QueryRow(query).Scan(&answer); err != nil {
			l.t.Fatalf("%s: %v", query, err)
		}
		return answer
	}
	for _, c := range [][2]string{
		{"PRAGMA integrity_check", "ok"},
		{"SELECT count(*) FROM pragma_foreign_key_check", "0"},
		{"SELECT count(*) FROM (SELECT 1 FROM blocks GROUP BY sweep, network, round HAVING count(*) > 1)", "0"},
		{"SELECT count(*) FROM blocks WHERE length(samples) < 40 OR seconds <= 0", "0"},
		// Every done slot has its block, every block its done slot.
		{"SELECT count(*) FROM schedule LEFT JOIN blocks USING (sweep, ord) WHERE (state = 'done') <> (blocks.ord IS NOT NULL)", "0"},
		{"SELECT count(*) FROM schedule JOIN blocks USING (sweep, ord) WHERE schedule.network <> blocks.network OR schedule.round <> blocks.round", "0"},
		// Orders are 0, 1, 2, ...; so are a network's rounds.
		{"SELECT coalesce(max(ord) + 1 - count(*), 0) FROM schedule", "0"},
		{"SELECT count(*) FROM (SELECT max(round) + 1 - count(*) AS gap FROM schedule GROUP BY sweep, network) WHERE gap <> 0", "0"},
		// A measured network has its minimum of blocks; extra ones may be planned.
		{"SELECT count(*) FROM networks WHERE status = 'measured' AND EXISTS (SELECT 1 FROM schedule WHERE sweep = networks.sweep AND network = idx AND round < 3 AND state <> 'done')", "0"},
	} {
		if got := ask(c[0]); got != c[1] {
			l.t.Errorf("%s is %s, want %s", c[0], got, c[1])
		}
	}
	n, err := strconv.Atoi(ask("SELECT count(*) FROM blocks"))
	if err != nil {
		l.t.Fatal(err)
	}
	if blocks >= 0 && n != blocks {
		l.t.Errorf("the store has %d blocks, want %d", n, blocks)
	}
	return n
}
