package machine_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/internal/testphone"
)

// TestPhone is a machine's life in a root folder with a phone's userland and no more.
func TestPhone(t *testing.T) {
	p := testphone.New(t, testphone.Options{})
	life(t, p.Transport(), filepath.Join(testphone.Tmp, hostile, "lat lab"), p.Path)
}

// TestGateOfAPhone is of what Android's thermal service says.
func TestGateOfAPhone(t *testing.T) {
	p := testphone.New(t, testphone.Options{})
	hot := machine.CoolDown{BelowC: 30, Limit: time.Nanosecond}
	for _, tt := range []struct {
		cool machine.CoolDown
		want string
	}{
		{machine.CoolDown{BelowC: 90}, "^$"},
		{hot, "^still 38.0 C after [0-9]+ s, 30 C were asked for$"}, // the figure that is cached is 55.5
	} {
		m := open(t, p.Transport(), machine.Options{Dir: testphone.Tmp + "/latlab", CoolDown: tt.cool})
		b, err := m.Block(t.Context(), "time it", func(*devices.Block) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(b.Warnings, "\n"); !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("warnings %q, want %s", got, tt.want)
		}
	}
}
