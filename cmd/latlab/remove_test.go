package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// TestRemoveAsks: on a terminal, remove lists what goes and takes a yes alone.
func TestRemoveAsks(t *testing.T) {
	db := filepath.Join(t.TempDir(), "lab.db")
	latlab := func(in io.Reader, args ...string) (code int, printed, asked string) {
		var out, errs strings.Builder
		code = run(t.Context(), append([]string{"latlab"}, args...), streams{in: in, out: &out, err: &errs})
		return code, out.String(), errs.String()
	}
	if code, _, errs := latlab(strings.NewReader(""), "sweep", "--device", "sim-pixel4-edgetpu", "--space", tinySpace(t), "-n", "3", "--db", db, "--quiet"); code != exitOK {
		t.Fatal(errs)
	}
	_, list, _ := latlab(strings.NewReader(""), "show", "--db", db, "--json")
	id := strings.SplitN(list[strings.Index(list, `"id":"`)+6:], `"`, 2)[0]
	for _, c := range []struct {
		answer string
		code   int
		want   string
	}{{"\n", exitFailed, "nothing was removed"}, {"no\n", exitFailed, "nothing was removed"}, {"y\n", exitOK, "removed 1 sweep"}} {
		screen, tty := openTerminal(t, 80)
		if _, err := io.WriteString(screen, c.answer); err != nil {
			t.Fatal(err)
		}
		code, out, errs := latlab(tty, "remove", "--db", db, id[:4])
		tty.Close()
		if !strings.Contains(errs, "sweep "+id+" (3 of tiny on sim-pixel4-edgetpu") || !strings.Contains(errs, "Remove 1 sweep with all measurements") {
			t.Errorf("%q: it asks %q", c.answer, errs)
		}
		if code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("%q: exit code %d, %q, want %d, %q", c.answer, code, out+errs, c.code, c.want)
		}
	}
}
