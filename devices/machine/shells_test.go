package machine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/sampler/model"
)

// userland is a shell with the programs that a script can call.
type userland struct {
	name string
	open func(t *testing.T) *remote
}

// userlands are those of phones and boards. Android's shell is mksh, and all its programs are
// toybox's.
func userlands() []userland {
	return []userland{
		{"this", func(*testing.T) *remote { return &remote{} }},
		{"dash", func(t *testing.T) *remote { return &remote{shell: []string{testenv.Program(t, "dash", "dash")}} }},
		{"bash", func(t *testing.T) *remote {
			return &remote{shell: []string{testenv.Program(t, "bash", "bash"), "--posix"}}
		}},
		{"android", func(t *testing.T) *remote {
			mksh, bin := testenv.Program(t, "mksh", "mksh"), applets(t, testenv.Program(t, "toybox", "toybox"))
			if err := os.Symlink(mksh, filepath.Join(bin, "sh")); err != nil {
				t.Fatal(err)
			}
			return &remote{shell: []string{mksh}, env: []string{"PATH=" + bin}}
		}},
		{"busybox", func(t *testing.T) *remote {
			busybox := testenv.Program(t, "busybox", "busybox-static")
			return &remote{shell: []string{busybox, "sh"}, env: []string{"PATH=" + applets(t, busybox, "--list")}}
		}},
	}
}

// applets is a folder with a link for every program of a multi-call binary.
func applets(t *testing.T, binary string, list ...string) string {
	t.Helper()
	out, err := exec.Command(binary, list...).Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range strings.Fields(string(out)) {
		if err := os.Symlink(binary, filepath.Join(dir, filepath.Base(name))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUserlands(t *testing.T) {
	for _, u := range userlands() {
		t.Run(u.name, func(t *testing.T) {
			life(t, u.open(t), filepath.Join(t.TempDir(), hostile, "lat lab"), itself)
		})
	}
}

// TestNoSHA256Sum: a machine without a hash command has its files read back.
func TestNoSHA256Sum(t *testing.T) {
	bare := t.TempDir()
	for _, name := range []string{"mkdir", "rm", "chmod", "ls", "df", "du", "rmdir"} {
		if err := os.Symlink(testenv.Program(t, name, "coreutils"), filepath.Join(bare, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := &remote{shell: []string{testenv.Program(t, "dash", "dash")}, env: []string{"PATH=" + bare}}
	life(t, r, filepath.Join(t.TempDir(), "lab"), itself)
	if r.gets.Load() < 5 {
		t.Errorf("only %d files were read back", r.gets.Load())
	}
}

// life runs everything on one machine: models, a program, temporary files, a second run after
// a crash, and the cleanup. here maps a path of the machine to a path on this host.
func life(t *testing.T, r transport.Transport, dir string, here func(string) string) {
	t.Helper()
	o := machine.Options{Name: "pixel", Dir: dir, Budget: 250_000}
	m := open(t, r, o)
	host := t.TempDir()
	one, two, three := sized(t, host, 100_000, 1), sized(t, host, 100_000, 2), sized(t, host, 100_000, 3)
	for _, mdl := range []*model.Model{one, two, three, two} {
		s := stage(t, m, mdl)
		checkStaged(t, s, here)
		if s.Path != filepath.Join(dir, "models", filepath.Base(s.Path)) {
			t.Errorf("staged as %q", s.Path)
		}
		s.Close()
	}
	wantTraffic(t, m, machine.Traffic{Models: 3, ModelBytes: 300_000, StagedModels: 2, StagedBytes: 200_000, RemovedModels: 1})
	wantNames(t, here(filepath.Join(dir, "models")), two.Identity+".tflite", three.Identity+".tflite")
	installed := checkProgram(t, m, host, here)
	checkTemp(t, m, here)

	// A latlab that is killed at this point closes nothing.
	again := open(t, r, o)
	wantNames(t, here(filepath.Join(dir, "models")))
	if p, err := again.Install(t.Context(), program(t, host)); err != nil || p != installed {
		t.Errorf("installed in %q, %v; want %q", p, err, installed)
	}
	if n := again.Traffic().Programs; n != 0 {
		t.Errorf("%d programs were pushed, and all were there", n)
	}
	checkStaged(t, stage(t, again, one), here)
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	wantNames(t, here(dir), ".latlab", "programs")
	checkClean(t, r, o, here)
}
