package machine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
)

// sensors makes a root folder with thermal zones, in millidegrees.
func sensors(t *testing.T, zones ...string) (root string, set func(zone int, milli string)) {
	t.Helper()
	root = t.TempDir()
	set = func(zone int, milli string) {
		dir := filepath.Join(root, "sys/class/thermal", fmt.Sprintf("thermal_zone%d", zone))
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "type"), []byte("cpu\n"), 0o600),
			os.WriteFile(filepath.Join(dir, "temp"), []byte(milli+"\n"), 0o600)); err != nil {
			t.Error(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "proc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "proc/loadavg"), []byte("0.10 0.20 0.30 1/100 1000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, milli := range zones {
		set(i, milli)
	}
	return root, set
}

func TestGate(t *testing.T) {
	for _, tt := range []struct {
		name    string
		zones   []string
		cool    machine.CoolDown
		cools   time.Duration // until zone 0 has 37.9 C; 0 = never
		waited  time.Duration
		warning []string
	}{
		{"no gate", []string{"90000"}, machine.CoolDown{}, 0, 0, nil},
		{"cool", []string{"37900", "20000"}, machine.CoolDown{BelowC: 38}, 0, 0, nil},
		{"exactly as hot is too hot", []string{"38000"}, machine.CoolDown{BelowC: 38, Limit: 7 * time.Second}, 0, 7 * time.Second,
			[]string{"still 38.0 C after 7 s, 38 C were asked for"}},
		{"cools", []string{"45200", "20000"}, machine.CoolDown{BelowC: 38, Limit: time.Hour}, 31 * time.Second, 35 * time.Second, nil},
		{"the hottest counts", []string{"37000", "45200"}, machine.CoolDown{BelowC: 38, Limit: 12 * time.Second}, 0, 12 * time.Second,
			[]string{"still 45.2 C after 12 s, 38 C were asked for"}},
		{"the default limit", []string{"45200"}, machine.CoolDown{BelowC: 38.5}, 0, 2 * time.Minute,
			[]string{"still 45.2 C after 120 s, 38.5 C were asked for"}},
		{"no sensor", nil, machine.CoolDown{BelowC: 38, Limit: time.Hour}, 0, 0,
			[]string{"no temperature sensor: whether it was below 38 C is not known"}},
		{"a sensor that is off", []string{"-40000"}, machine.CoolDown{BelowC: 38, Limit: time.Hour}, 0, 0,
			[]string{"no temperature sensor: whether it was below 38 C is not known"}},
		{"degrees", []string{"95", "20000"}, machine.CoolDown{BelowC: 40, Limit: 7 * time.Second}, 0, 7 * time.Second,
			[]string{"still 95.0 C after 7 s, 40 C were asked for"}},
		{"tenths", []string{"452"}, machine.CoolDown{BelowC: 40, Limit: 7 * time.Second}, 0, 7 * time.Second,
			[]string{"still 45.2 C after 7 s, 40 C were asked for"}},
		{"no sensor that is understood", []string{"7", "125000"}, machine.CoolDown{BelowC: 38, Limit: time.Hour}, 0, 0,
			[]string{"no temperature sensor is understood (cpu.0: 7 is in no known unit a temperature of a device at work; " +
				"cpu.1: 125000 is what a sensor that is not fitted reports): whether it was below 38 C is not known"}},
		{"a sensor at the end of its scale", []string{"37000", "125000"}, machine.CoolDown{BelowC: 38, Limit: time.Hour}, 0, 0, nil},
		{"a constant", []string{"37000", "119000"}, machine.CoolDown{BelowC: 38, Limit: time.Hour}, 0, 20 * time.Second,
			[]string{"sensor cpu.1 stayed at exactly 119 C while the device rested: it is left out"}},
		{"a hot device that cools", []string{"119000"}, machine.CoolDown{BelowC: 38, Limit: time.Hour}, 14 * time.Second, 15 * time.Second, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, set := sensors(t, tt.zones...)
			synctest.Test(t, func(t *testing.T) {
				m := open(t, transport.Local{}, machine.Options{Name: "cpu", Root: root, CoolDown: tt.cool})
				start := time.Now()
				if tt.cools > 0 {
					time.AfterFunc(tt.cools, func() { set(0, "37900") })
				}
				b, err := m.Block(t.Context(), "time it", func(b *devices.Block) error {
					time.Sleep(3 * time.Second)
					b.Warnings = append(b.Warnings, "the tool's own")
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(append(tt.warning, "the tool's own"), b.Warnings); d != "" {
					t.Errorf("warnings (-want +got):\n%s", d)
				}
				if got := b.Started.Sub(start); got != tt.waited || b.Elapsed != 3 {
					t.Errorf("waited %v, the block took %v s; want %v and 3", got, b.Elapsed, tt.waited)
				}
				if b.Before.Time.IsZero() || b.Before.Time.After(b.Started) || b.After.Time.Before(b.Started) {
					t.Errorf("states of %v and %v around %v", b.Before.Time, b.After.Time, b.Started)
				}
			})
		})
	}
}

// A constant sensor is left out of later blocks and states without a wait, until it moves.
func TestConstantSensor(t *testing.T) {
	root, set := sensors(t, "37000", "119000")
	synctest.Test(t, func(t *testing.T) {
		m := open(t, transport.Local{}, machine.Options{Name: "cpu", Root: root, CoolDown: machine.CoolDown{BelowC: 38, Limit: time.Hour}})
		block := func() (b *devices.Block, waited time.Duration) {
			t.Helper()
			start := time.Now()
			b, err := m.Block(t.Context(), "time it", func(*devices.Block) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			return b, b.Started.Sub(start)
		}
		if b, waited := block(); waited != 20*time.Second || len(b.Warnings) != 1 || *b.Before.HottestC() != 37 || *b.After.HottestC() != 37 {
			t.Errorf("first: %v, %q, %v, %v", waited, b.Warnings, *b.Before.HottestC(), *b.After.HottestC())
		}
		if b, waited := block(); waited != 0 || len(b.Warnings) != 0 || b.Before.UnclearTemperatures["cpu.1"] != "119 C is constant" {
			t.Errorf("second: %v, %q, %q", waited, b.Warnings, b.Before.UnclearTemperatures)
		}
		set(1, "45000")
		time.AfterFunc(11*time.Second, func() { set(1, "37000") })
		if b, waited := block(); waited != 15*time.Second || len(b.Warnings) != 0 {
			t.Errorf("it moves: %v, %q", waited, b.Warnings)
		}
	})
}

func TestGateEndsWithItsContext(t *testing.T) {
	root, _ := sensors(t, "90000")
	synctest.Test(t, func(t *testing.T) {
		m := open(t, transport.Local{}, machine.Options{Name: "cpu", Root: root, CoolDown: machine.CoolDown{BelowC: 38, Limit: time.Hour}})
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
		defer cancel()
		start := time.Now()
		_, err := m.Block(ctx, "time it", func(*devices.Block) error {
			t.Error("the block ran")
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 11*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if _, err := m.Block(t.Context(), "time it", func(*devices.Block) error { return errors.New("it ran") }); err == nil || err.Error() != "it ran" {
			t.Errorf("the next block: %v", err)
		}
	})
}

func TestBusyWhileItWaits(t *testing.T) {
	root, _ := sensors(t, "90000")
	synctest.Test(t, func(t *testing.T) {
		m := open(t, transport.Local{}, machine.Options{Name: "cpu", Root: root, CoolDown: machine.CoolDown{BelowC: 38}})
		done := make(chan error)
		go func() {
			_, err := m.Block(t.Context(), "time it", func(*devices.Block) error { return nil })
			done <- err
		}()
		synctest.Wait()
		if _, err := m.Block(t.Context(), "time it", nil); reason(err) != "lab busy" {
			t.Errorf("a second block: %v", err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRemoteStates checks the states of a remote machine, and a block during which the machine
// goes offline.
func TestRemoteStates(t *testing.T) {
	root, _ := sensors(t, "45200")
	r := &remote{}
	m := open(t, r, machine.Options{Dir: filepath.Join(t.TempDir(), "lab"), Root: root, CoolDown: machine.CoolDown{BelowC: 45, Limit: time.Millisecond}})
	b, err := m.Block(t.Context(), "time it", func(*devices.Block) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Warnings) != 1 {
		t.Errorf("warnings %q", b.Warnings)
	}
	for _, s := range []devices.State{b.Before, b.After} {
		if hottest := s.HottestC(); hottest == nil || *hottest != 45.2 {
			t.Errorf("a state: %+v", s)
		}
	}
	r.onStart = func(transport.Command) error { return offline() }
	ran := false
	if _, err := m.Block(t.Context(), "time it", func(*devices.Block) error { ran = true; return nil }); reason(err) != "device offline" || ran {
		t.Errorf("away before the block: %v; it ran: %v", err, ran)
	}
	r.onStart = nil
	if _, err := m.Block(t.Context(), "time it", func(*devices.Block) error {
		r.onStart = func(transport.Command) error { return offline() }
		return nil
	}); reason(err) != "device offline" {
		t.Errorf("away after the block: %v", err)
	}
	r.onStart = nil
}
