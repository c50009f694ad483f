package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latlab/bench/store"
	"latlab/devices/inventory"
	"latlab/exporters/exporttest"
	"latlab/internal/serve"
)

// inProcess runs latlab in this process, where a panic fails the test.
func inProcess(args ...string) (code int, out string) {
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), append([]string{"latlab"}, args...), streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stderr.String()
}

// damaged draws a damage of a file.
func damaged(t *rapid.T, b []byte) []byte {
	b = bytes.Clone(b)
	at := rapid.IntRange(0, len(b)-1)
	switch rapid.IntRange(0, 3).Draw(t, "damage") {
	case 0:
		return b[:at.Draw(t, "cut")]
	case 1:
		from := at.Draw(t, "from")
		copy(b[from:], rapid.SliceOfN(rapid.Byte(), 1, 5000).Draw(t, "garbage"))
	case 2:
		from := at.Draw(t, "from")
		clear(b[from:min(len(b), from+rapid.IntRange(1, 20000).Draw(t, "zeros"))])
	default:
		for range rapid.IntRange(1, 20).Draw(t, "flips") {
			b[at.Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
	}
	return b
}

// TestDamagedStores: whatever becomes of a store and its log, show, export and serve do not panic, and
// blame it in one line.
func TestDamagedStores(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "l.db")
	st, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	exporttest.Listed(t, st, []string{"a", "b", "c", "d", "e"})
	main, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lab, err := inventory.New(inventory.Options{LockDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		var store, wal []byte
		switch rapid.IntRange(0, 2).Draw(t, "which") {
		case 0:
			store = damaged(t, whole)
		case 1:
			store, wal = main, damaged(t, log)
		default:
			store, wal = whole, damaged(t, log)
		}
		for name, b := range map[string][]byte{path: store, path + "-wal": wal, path + "-shm": nil} {
			_ = os.Remove(name)
			if b == nil {
				continue
			}
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{
			{"show", "--db", path},
			{"export", "--db", path, "--format", "jsonl", "-o", filepath.Join(dir, "o.jsonl")},
		} {
			code, says := inProcess(args...)
			switch {
			case code == exitOK || code == exitUsage || code == exitFailed && (strings.Contains(says, "is damaged") || strings.Contains(says, " has schema ")):
			default:
				t.Errorf("%s ends with %d: %s", args[0], code, says)
			}
			if strings.Count(says, "is damaged") > 1 || strings.Count(says, "\n") > 4 {
				t.Errorf("%s says: %s", args[0], says)
			}
			seen[args[0]+" "+map[int]string{exitOK: "reads it", exitUsage: "does not take it for a store", exitFailed: "blames it"}[code]]++
		}
		served(t, lab, path)
	})
	t.Log(seen)
}

// served reads a store as serve does, and asks for its pages.
func served(t *rapid.T, lab *inventory.Lab, path string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := serve.New(ctx, serve.Options{Lab: lab, Store: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return
	}
	defer s.Close()
	s.Start(ctx)
	get := func(path string) string {
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
		return w.Body.String()
	}
	for end := time.Now().Add(time.Minute); strings.Contains(get("/-/ready"), "for the first time"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the store is neither read nor refused")
		}
	}
	for _, page := range []string{"/", "/metrics", "/-/healthy"} {
		_ = get(page)
	}
}
