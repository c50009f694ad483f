package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices/agent/agenttest"
	"latlab/internal/testenv"
	"latlab/internal/version"
)

// archives are of `make dist`, by processor: in LATLAB_DIST, or dist below the module's root.
func archives(t *testing.T) map[string]string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the archives are of the whole suite")
	}
	dir := os.Getenv("LATLAB_DIST")
	if dir == "" {
		dir = filepath.Join(testenv.Root(t), "dist")
	}
	found := map[string]string{}
	for _, arch := range []string{"amd64", "arm64"} {
		names, err := filepath.Glob(filepath.Join(dir, "latlab-"+version.Version+"*-linux-"+arch+".tar.gz"))
		if err != nil || len(names) != 1 {
			testenv.Missing(t, "the archives", fmt.Sprintf("%s has %d of latlab %s for %s, want one: `make dist`, or name the folder with LATLAB_DIST", dir, len(names), version.Version, arch))
		}
		found[arch] = names[0]
	}
	return found
}

// stranger runs programs without a variable in their environment and as an ordinary user,
// where the test is root.
type stranger struct {
	dir    string   // where they run
	root   string   // what they see of the file system; "" is all
	prefix []string // program that starts them
}

// nobody is no user's number of a usual system: it has no home.
const nobody = 54321

func (s stranger) run(t *testing.T, codes []int, args ...string) string {
	t.Helper()
	args = append(slices.Clone(s.prefix), args...)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = "/"+strings.TrimPrefix(s.dir, s.root), []string{}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: s.root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || !slices.Contains(codes, cmd.ProcessState.ExitCode()) {
		t.Fatalf("%s: %v, want exit code %v\n%s%s", strings.Join(args, " "), err, codes, out.String(), errs.String())
	}
	return out.String()
}

// unpack unpacks an archive into a folder and returns its top folder.
func (s stranger) unpack(t *testing.T, archive, dir string) string {
	t.Helper()
	s.run(t, []int{0}, "/bin/tar", "--no-same-owner", "-xf", archive, "-C", dir)
	return strings.TrimSuffix(filepath.Base(archive), ".tar.gz")
}

// asked is what a stranger has latlab do: how many networks it times, and what it fits.
type asked struct{ networks, fitted string }

// work times networks of the smallest space on the CPU with an unpacked latlab, fits those that
// were timed on a device and exports.
func (s stranger) work(t *testing.T, latlab string, a asked) {
	t.Helper()
	if got := s.run(t, []int{0}, latlab, "version"); !strings.HasPrefix(got, "latlab "+version.Version+"\n") || strings.Contains(got, "not found") {
		t.Errorf("version says %q", got)
	}
	doubts := []int{exitOK, exitInvalid} // a machine that is not quiet
	s.run(t, doubts, latlab, "sweep", "--device", "cpu", "--space", "tiny.yaml", "-n", a.networks, "--protocol", "quick", "--db", "lab.db")
	if a.fitted != "cpu" {
		s.run(t, doubts, latlab, "sweep", "--device", a.fitted, "--space", "tiny.yaml", "-n", "30", "--protocol", "quick", "--db", "lab.db")
	}
	s.run(t, doubts, latlab, "fit", "--db", "lab.db", "--device", a.fitted, "--include-invalid", "-o", "cost.json")
	if csv := s.run(t, []int{0}, latlab, "export", "--cost", "cost.json", "--format", "csv", "-o", "-"); strings.Count(csv, "\n") < 10 {
		t.Errorf("coefficients are %q", csv)
	}
}

// TestArchiveAMD64: unpacked in an empty folder by an ordinary user without an environment, it
// sweeps, fits and exports from another folder through a symbolic link.
func TestArchiveAMD64(t *testing.T) {
	t.Parallel()
	archive := archives(t)["amd64"]
	s := stranger{dir: openDir(t)}
	copyTiny(t, s.dir)
	top := s.unpack(t, archive, s.dir)
	if err := os.Symlink(filepath.Join("..", top, "bin", "latlab"), filepath.Join(folder(t, s.dir, "bin"), "latlab")); err != nil {
		t.Fatal(err)
	}
	s.work(t, filepath.Join(s.dir, "bin", "latlab"), asked{networks: "24", fitted: "cpu"})
	// The agent for phones is where latlab looks for it.
	if got := s.run(t, []int{0, 1}, "bin/latlab", "doctor"); !strings.Contains(got, "agent bundle") || strings.Contains(got, "make agent-arm64") {
		t.Errorf("doctor says\n%s", got)
	}
	if groff := s.run(t, []int{0}, testenv.Program(t, "groff", "groff-base"), "-man", "-ww", "-z", "-Kutf8", filepath.Join(top, "man", "man1", "latlab.1")); groff != "" {
		t.Errorf("groff says %s", groff)
	}
}

// TestArchiveARM64: on a machine without a loader and a C library, whose processor is emulated.
func TestArchiveARM64(t *testing.T) {
	t.Parallel()
	archive := archives(t)["arm64"]
	testenv.Superuser(t, "it goes into a file system of its own")
	root := agenttest.Root(t)
	openUp(t, root)
	if err := os.Chmod(folder(t, root, "tmp"), 0o777|os.ModeSticky); err != nil { // as every system's
		t.Fatal(err)
	}
	agenttest.MountProc(t, root)
	home := folder(t, root, "home")
	copyTiny(t, home)
	s := stranger{dir: home}
	top := s.unpack(t, archive, home)
	emulate(t, filepath.Join(home, top, "bin", "agent-arm64", "ld-linux-aarch64.so.1"))
	s.root = root
	s.prefix = []string{agenttest.Emulator}
	// Each block is a process that is emulated from its start: 20 networks, the least that are
	// fitted, would take more than a minute.
	s.work(t, "/home/"+top+"/bin/latlab", asked{networks: "2", fitted: "sim-pixel1-cpu"})
}

// emulate puts the emulator before a program: the kernel would refuse to start it, and on a
// board would not.
func emulate(t *testing.T, program string) {
	t.Helper()
	// Not a loader's name: either would be taken for it.
	if err := os.Rename(program, filepath.Join(filepath.Dir(program), "emulated")); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nexec " + agenttest.Emulator + " \"${0%/*}/emulated\" \"$@\"\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// openDir is a folder that every user can write to.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	openUp(t, dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openUp lets every user through to a folder of t.TempDir, whose parent is for one only.
func openUp(t *testing.T, dir string) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(path, 0o777), os.Chmod(path, 0o777)); err != nil {
		t.Fatal(err)
	}
	return path
}

func copyTiny(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(tinySpace(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tiny.yaml"), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestArchiveContents: what everybody expects is there, with the licences of all that is linked,
// and nothing tells who made the archive, where and when.
func TestArchiveContents(t *testing.T) {
	for arch, archive := range archives(t) {
		t.Run(arch, func(t *testing.T) {
			files := readArchive(t, archive)
			for _, name := range []string{
				"README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "docs/measuring.md", "docs/install.md",
				"man/man1/latlab.1", "completions/latlab", "completions/_latlab", "completions/latlab.fish", "completions/latlab.ps1",
				"monitoring/prometheus.yml", "sampler/testdata/tiny.yaml", "licences/tensorflow-lite/LICENSE",
				"licences/tensorflow-lite/README.md", "licences/tensorflow-lite/XNNPACK.txt", "licences/tensorflow-lite/Eigen.txt",
				"bin/agent-arm64/latlab-agent", "bin/agent-arm64/libtensorflowlite_c.so", "bin/agent-arm64/licences/NOTICE",
			} {
				if len(files[name]) == 0 {
					t.Errorf("no %s", name)
				}
			}
			for _, program := range []string{"bin/latlab", "bin/latlab-agent"} {
				linked(t, files, program, arch)
			}
			for name := range files {
				if strings.HasSuffix(name, ".go") {
					t.Errorf("%s has no use here", name)
				}
			}
			for _, program := range []string{"bin/latlab", "bin/latlab-agent"} {
				if bytes.Contains(files[program], []byte(testenv.Root(t)+"/")) {
					t.Errorf("%s names the folder where it was built", program)
				}
			}
			checkSum(t, archive)
		})
	}
}

// linked holds that a program is of the processor and that each of its modules has a licence.
func linked(t *testing.T, files map[string][]byte, program, arch string) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(files[program]))
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	for _, s := range info.Settings {
		if s.Key == "GOARCH" && s.Value != arch {
			t.Errorf("%s is for %s", program, s.Value)
		}
	}
	if len(info.Deps) == 0 {
		t.Errorf("%s has no modules", program)
	}
	// Go records none in a worktree, whose .git is a file.
	if git, err := os.Stat(filepath.Join(testenv.Root(t), ".git")); err == nil && git.IsDir() {
		stamped := slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" })
		if stamped != (program == "bin/latlab") {
			t.Errorf("%s: names its commit: %t; the agent is the same wherever its source is", program, stamped)
		}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		prefix := "licences/go/" + m.Path + "@" + m.Version + "/"
		if !hasLicence(files, prefix) {
			t.Errorf("%s: no licence of %s %s", program, m.Path, m.Version)
		}
	}
	if !hasLicence(files, "licences/go/go@"+info.GoVersion+"/") {
		t.Errorf("%s: no licence of Go", program)
	}
}

func hasLicence(files map[string][]byte, prefix string) bool {
	for name, data := range files {
		rest, inside := strings.CutPrefix(name, prefix)
		if inside && !strings.Contains(rest, "/") && len(data) > 0 && (strings.HasPrefix(rest, "LICEN") || strings.HasPrefix(rest, "COPYING")) {
			return true
		}
	}
	return false
}

// readArchive returns the files below the top folder; a link's content is its target's. It
// holds what makes an archive the same wherever it is made.
func readArchive(t *testing.T, archive string) map[string][]byte {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	top := strings.TrimSuffix(filepath.Base(archive), ".tar.gz") + "/"
	files, links := map[string][]byte{}, map[string]string{}
	var names []string
	modes, times := map[int64]bool{}, map[int64]bool{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name, below := strings.CutPrefix(h.Name, top)
		if !below || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s is of %d:%d (%s:%s)", h.Name, h.Uid, h.Gid, h.Uname, h.Gname)
		}
		names, times[h.ModTime.Unix()] = append(names, strings.TrimSuffix(h.Name, "/")), true
		switch h.Typeflag {
		case tar.TypeReg:
			modes[h.Mode] = true
			if files[name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		case tar.TypeSymlink:
			links[name] = filepath.Join(filepath.Dir(name), h.Linkname)
		}
	}
	for name, target := range links {
		if files[name] = files[target]; files[name] == nil {
			t.Errorf("%s leads to %s, which is not there", name, target)
		}
	}
	if diff := cmp.Diff(map[int64]bool{0o644: true, 0o755: true}, modes); diff != "" || len(times) != 1 {
		t.Errorf("%d times; modes (-want +got):\n%s", len(times), diff)
	}
	sorted := slices.Clone(names)
	slices.SortFunc(sorted, func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
	if diff := cmp.Diff(sorted, names); diff != "" {
		t.Errorf("not sorted (-want +got):\n%s", diff)
	}
	return files
}

// checkSum holds an archive against the SHA256SUMS beside it.
func checkSum(t *testing.T, archive string) {
	t.Helper()
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(filepath.Dir(archive), "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if line := hex.EncodeToString(sum[:]) + "  " + filepath.Base(archive) + "\n"; !strings.Contains(string(sums), line) {
		t.Errorf("SHA256SUMS has no line %q", line)
	}
}
