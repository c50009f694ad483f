package ui

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCounterElsewhereThanOnATerminal(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    ProgressOptions
		want string
	}{
		{"plain", ProgressOptions{}, "2,500/10,000 candidates 50/s left 2m30s best 7\n"},
		{"JSON", ProgressOptions{JSON: true}, "{\"candidates\":2250,\"message_type\":\"progress\",\"of\":10000,\"per_second\":50}\n{\"candidates\":2500,\"message_type\":\"progress\",\"of\":10000,\"per_second\":50}\n"},
		{"quiet", ProgressOptions{Quiet: true}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			c := NewCounter(&b, tc.o, "candidates")
			for done := 2000; done <= 2600; done += 50 { // 2,000 were done before
				c.Update(done, 10_000, func() string { return " best 7" })
				time.Sleep(time.Second)
			}
			c.Finish()
			if diff := cmp.Diff(tc.want, b.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.name, diff)
			}
		})
	}
}

// The note is left out where it has no room, and the line never wraps.
func TestCounterLine(t *testing.T) {
	for columns, want := range map[string]string{
		"80": "250,000/1,000,000 candidates 1.500 M/s left 0m01s best 4.290 G  25% [==>      ]",
		"60": "250,000/1,000,000 candidates  25% [=====>                 ]",
	} {
		t.Setenv("COLUMNS", columns)
		c := NewCounter(&bytes.Buffer{}, ProgressOptions{}, "candidates")
		if diff := cmp.Diff(want, c.line(250_000, 1_000_000, 1.5e6, " best 4.290 G")); diff != "" {
			t.Errorf("%s columns (-want +got):\n%s", columns, diff)
		}
	}
}
