package machine_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/devices/transport/adb"
	"latlab/devices/transport/adb/adbtest"
)

// overADB is a fake phone behind a real adb server.
func overADB(t testing.TB, s *adbtest.ADB, o adbtest.Options) (*adbtest.Fake, transport.Transport) {
	t.Helper()
	f := adbtest.Phone(t, s, o)
	d, err := adb.Open(t.Context(), adb.Options{Serial: f.Serial(), Server: adb.Server{Addr: s.Addr, Binary: s.Binary, Stall: 10 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := f.WaitQuiet(); err != nil {
			t.Error(err)
		}
	})
	return f, d
}

// TestADB runs everything on one machine behind the real adb, in the shells of phones and
// emulators, and unplugs the phone.
func TestADB(t *testing.T) {
	s := adbtest.Server(t)
	for _, u := range userlands()[3:] {
		t.Run(u.name, func(t *testing.T) {
			r := u.open(t)
			f, d := overADB(t, s, adbtest.Options{Shell: r.shell, Env: r.env})
			life(t, d, filepath.Join(t.TempDir(), hostile, "lat lab"), itself)
			brokenWire(t, d, func() {
				f.Offline()
				comeBack(t, f)
			})
			away(t, d, func(on bool) {
				if on {
					f.Offline()
				} else {
					comeBack(t, f)
				}
			}, func() {})
			if err := f.WaitQuiet(); err != nil {
				t.Error(err)
			}
		})
	}
}

func comeBack(t *testing.T, f *adbtest.Fake) {
	if err := f.Back(); err != nil {
		t.Error(err)
	}
}

// TestADBFull fills the phone's disk in the middle of a push, while df reports enough space.
func TestADBFull(t *testing.T) {
	f, d := overADB(t, adbtest.Server(t), adbtest.Options{})
	dir := filepath.Join(t.TempDir(), "lab")
	m := open(t, d, machine.Options{Dir: dir})
	mdl := sized(t, t.TempDir(), 4_000_000, 1)
	f.Full(1_000_000)
	if _, err := m.Stage(t.Context(), "time it", mdl); reason(err) != "device disk-full" || !strings.Contains(err.Error(), "4000000 bytes") {
		t.Errorf("%s: %v", reason(err), err)
	}
	f.Full(-1)
	s := stage(t, m, mdl)
	checkStaged(t, s, itself)
	wantNames(t, filepath.Join(dir, "models"), filepath.Base(s.Path))
}

// BenchmarkStageADB is BenchmarkStage over the real adb.
func BenchmarkStageADB(b *testing.B) {
	_, d := overADB(b, adbtest.Server(b), adbtest.Options{})
	benchmarkStage(b, d)
}
