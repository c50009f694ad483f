package machine_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// hostile has characters that are special to a shell.
const hostile = "a b'c\"d$(touch pwned)`touch pwned`;\n&|*?~#\\"

func stage(t *testing.T, m *machine.Machine, mdl *model.Model) *machine.Staged {
	t.Helper()
	s, err := m.Stage(t.Context(), "time it", mdl)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func itself(path string) string { return path }

func checkStaged(t *testing.T, s *machine.Staged, here func(string) string) {
	t.Helper()
	data, err := os.ReadFile(here(s.Path))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != s.SHA256 {
		t.Errorf("%s: its sha256 is %x, Staged says %s", s.Path, sum, s.SHA256)
	}
	info, err := os.Stat(here(s.Path))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("%s has mode %v", s.Path, info.Mode())
	}
}

func TestStagePushesOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), hostile, "lat lab")
	r := &remote{}
	m := open(t, r, machine.Options{Dir: dir})
	mdl := sized(t, t.TempDir(), 100_000, 1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := m.Stage(t.Context(), "time it", mdl)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			checkStaged(t, s, itself)
			if filepath.Dir(s.Path) != filepath.Join(dir, "models") {
				t.Errorf("staged as %q", s.Path)
			}
		})
	}
	wg.Wait()
	if got := m.Traffic(); got.Models != 1 || got.ModelBytes != 100_000 || got.StagedBytes != 100_000 {
		t.Errorf("8 stages of one model: %+v", got)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, dir + "/models": 0o700 | os.ModeDir, dir + "/.latlab": 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([]string{".latlab"}, tree(t, dir)); d != "" {
		t.Errorf("left behind (-want +got):\n%s", d)
	}
	if pwned(t, dir) {
		t.Error("a name reached a shell")
	}
}

// pwned checks for files that the commands in the hostile names would have created.
func pwned(t *testing.T, dir string) bool {
	return exists(t, "pwned") || exists(t, filepath.Join(dir, "pwned")) || exists(t, filepath.Join(dir, "models", "pwned")) ||
		strings.Contains(strings.Join(tree(t, filepath.Dir(dir)), "\n"), "pwned\n")
}

// TestStageFile: compiled files count against the same budget as models.
func TestStageFile(t *testing.T) {
	host := t.TempDir()
	m := open(t, &remote{}, machine.Options{Dir: filepath.Join(t.TempDir(), "lab"), Budget: 250_000})
	for name, ext := range map[string]string{"a context's.bin": ".bin", "net_edgetpu.tflite": ".tflite", "net $(x).serialized": ".bin"} {
		path := filepath.Join(host, name)
		if err := os.WriteFile(path, []byte(strings.Repeat(name, 100_000/len(name))), 0o600); err != nil {
			t.Fatal(err)
		}
		before := m.Traffic().Models
		for range 2 {
			s, err := m.StageFile(t.Context(), "time it", path)
			if err != nil {
				t.Fatal(err)
			}
			checkStaged(t, s, itself)
			if filepath.Base(s.Path) != s.SHA256+ext {
				t.Errorf("%s is staged as %s", name, s.Path)
			}
			s.Close()
		}
		if n := m.Traffic().Models - before; n != 1 {
			t.Errorf("%s was pushed %d times", name, n)
		}
	}
	if got := m.Traffic(); got.StagedModels != 2 || got.RemovedModels != 1 {
		t.Errorf("%+v", got)
	}
	if _, err := m.StageFile(t.Context(), "time it", host); reason(err) != "lab model-bytes" {
		t.Errorf("a folder: %v", err)
	}
	path := filepath.Join(host, "net_edgetpu.tflite")
	if s, err := machine.Here("cpu").StageFile(t.Context(), "time it", path); err != nil || s.Path != path {
		t.Errorf("on this machine: %+v, %v", s, err)
	}
}

// TestModesOfAdbd: adbd gives group and others the owner's permissions.
func TestModesOfAdbd(t *testing.T) {
	r := &remote{afterPut: func(f transport.File) error { return os.Chmod(f.Path, f.Mode|f.Mode>>3|f.Mode>>6) }}
	m := open(t, r, machine.Options{Dir: filepath.Join(t.TempDir(), "lab")})
	checkStaged(t, stage(t, m, sized(t, t.TempDir(), 100_000, 1)), itself)
	dir, err := m.Install(t.Context(), program(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"hello": 0o700, "lib/libone.so": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
}
