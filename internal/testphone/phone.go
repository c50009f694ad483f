package testphone

import (
	"debug/elf"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latlab/internal/testenv"

	"golang.org/x/sys/unix"
)

// Options configure the phone. The zero value is a Pixel of 2021, cool and charged.
type Options struct {
	Properties map[string]string // additional properties of getprop
	Dumpsys    map[string]string // additional texts of dumpsys by service
	Sys        map[string]string // files by path below /sys: "class/thermal/thermal_zone0/temp"
	// Model, if it has a Simulator, is the configuration of benchmark_model in /data/local/tmp. The
	// program itself is on the host (BenchmarkModel), as a user's is.
	Model Config
}

// Needs skips or fails a test if no phone can be made here.
func Needs(t testing.TB) {
	t.Helper()
	testenv.Superuser(t, "a phone's root folder takes chroot and mount")
	testenv.Program(t, shellFile, "mksh")
	testenv.Program(t, toyboxFile, "toybox")
}

// Phone is a root folder with a phone's userland.
type Phone struct {
	Root string // on this host
	t    testing.TB
}

// Tmp is the phone's world-writable folder.
const Tmp = "/data/local/tmp"

// stateDir is the folder in which the phone's benchmark_model counts its runs.
const stateDir = "/data/testphone/benchmark_model"

// New makes a phone. Its folder is removed and its /proc unmounted when the test ends. It needs
// root rights, as chroot and mount do.
func New(t testing.TB, o Options) *Phone {
	t.Helper()
	Needs(t)
	p := &Phone{Root: folder(t), t: t}
	p.userland()
	p.devices()
	p.answers(o)
	p.sys(o.Sys)
	p.mountProc()
	if o.Model.Simulator != "" {
		o.Model.State = stateDir
		o.Model.Write(t, p.Path(Tmp))
	}
	return p
}

// Path returns the host's path of a path on the phone.
func (p *Phone) Path(there string) string { return filepath.Join(p.Root, there) }

// NextFault makes the phone's next run of benchmark_model fail once.
func (p *Phone) NextFault(fault string) { NextFault(p.t, p.Path(stateDir), fault) }

// Set changes a file below the root while the phone is in use.
func (p *Phone) Set(there, text string) {
	p.t.Helper()
	path := p.Path(there)
	p.check(os.MkdirAll(filepath.Dir(path), 0o755))
	p.check(os.WriteFile(path, []byte(text), 0o644))
}

// Dumpsys changes the output of a service.
func (p *Phone) Dumpsys(service, text string) { p.Set("/data/testphone/dumpsys/"+service, text) }

// Command runs a command line in the phone's shell, as adb's shell does.
func (p *Phone) Command(line string) *exec.Cmd {
	cmd := exec.CommandContext(p.t.Context(), "/system/bin/sh", "-c", line)
	cmd.SysProcAttr = &unix.SysProcAttr{Chroot: p.Root}
	cmd.Dir, cmd.Env = "/", Env()
	return cmd
}

// Env returns the environment of a phone's shell.
func Env() []string {
	return []string{"PATH=/product/bin:/system/bin:/system/xbin:/vendor/bin", "HOME=/", "SHELL=/system/bin/sh", "TMPDIR=" + Tmp, "ANDROID_ROOT=/system", "ANDROID_DATA=/data", "USER=shell", "LOGNAME=shell", "HOSTNAME=oriole"}
}

func (p *Phone) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

const prefix = "latlab-testphone-"

// folder makes a root without a link in its path, which a daemon that checks paths would refuse.
func folder(t testing.TB) string {
	t.Helper()
	unmountStale()
	dir, err := os.MkdirTemp("", prefix)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A folder with /proc still mounted is kept.
		if err := unix.Unmount(filepath.Join(dir, "proc"), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("/proc of the phone stays mounted: %v", err)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, d := range []string{"system/bin", "system/xbin", "data/local/tmp", "data/testphone/settings/global", "data/testphone/dumpsys", stateDir, "vendor/bin", "product/bin", "sdcard", "proc", "sys", "dev", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// unmountStale unmounts what killed tests left mounted. It skips folders that a process still has
// as its root.
func unmountStale() {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return
	}
	for l := range strings.Lines(string(mounts)) {
		f := strings.Fields(l)
		if len(f) < 3 || f[2] != "proc" || !strings.HasPrefix(filepath.Base(filepath.Dir(f[1])), prefix) {
			continue
		}
		pid, err := os.ReadFile(filepath.Join(filepath.Dir(f[1]), ownerFile))
		if err != nil {
			continue
		}
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); errors.Is(err, fs.ErrNotExist) {
			_ = unix.Unmount(f[1], unix.MNT_DETACH)
			_ = os.RemoveAll(filepath.Dir(f[1]))
		}
	}
}

// ownerFile holds the number of the process that made the phone.
const ownerFile = "data/testphone/owner"

func (p *Phone) mountProc() {
	p.t.Helper()
	p.Set("/"+ownerFile, itoa(os.Getpid()))
	if err := unix.Mount("proc", p.Path("/proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		p.t.Fatalf("/proc of the phone cannot be mounted, which root of a container may need a capability for: %v", err)
	}
}

func (p *Phone) devices() {
	p.t.Helper()
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "urandom": 9, "random": 8} {
		p.check(unix.Mknod(p.Path("/dev/"+name), unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))))
		p.check(os.Chmod(p.Path("/dev/"+name), 0o666))
	}
}

// Debian's paths of Android's shell and tools.
const (
	shellFile  = "/bin/mksh-static"
	toyboxFile = "/bin/toybox"
)

// missingApplets lists applets that Android's toybox is built without, so scripts must not use them.
var missingApplets = []string{"ascii", "bzcat", "ftpget", "ftpput", "getconf", "gpiodetect", "gpiofind", "gpioget", "gpioinfo", "gpioset", "halt", "httpd", "killall5", "login", "mix", "mkpasswd",
	"oneit", "openvt", "passwd", "poweroff", "reboot", "reset", "sntp", "su", "switch_root", "toybox", "tunctl", "wget", "sh"}

// userland makes /system/bin: the shell, toybox with a link for each applet, its libraries.
func (p *Phone) userland() {
	p.t.Helper()
	p.copy(shellFile, "/system/bin/sh")
	p.copy(toyboxFile, "/system/bin/toybox")
	p.libraries(toyboxFile, map[string]bool{})
	list, err := exec.CommandContext(p.t.Context(), toyboxFile).Output()
	p.check(err)
	for _, name := range strings.Fields(string(list)) {
		if name != "[" && !slices.Contains(missingApplets, name) {
			p.check(os.Symlink("toybox", p.Path("/system/bin/"+name)))
		}
	}
	p.check(os.Symlink("/system/bin", p.Path("/bin")))
}

func (p *Phone) copy(here, there string) {
	p.t.Helper()
	data, err := os.ReadFile(here)
	p.check(err)
	p.check(os.MkdirAll(filepath.Dir(p.Path(there)), 0o755))
	p.check(os.WriteFile(p.Path(there), data, 0o755))
}

// libraries copies a program's shared libraries and its loader to the same paths as on this host.
func (p *Phone) libraries(file string, seen map[string]bool) {
	p.t.Helper()
	f, err := elf.Open(file)
	p.check(err)
	defer f.Close()
	for _, prog := range f.Progs {
		if prog.Type != elf.PT_INTERP {
			continue
		}
		name := make([]byte, prog.Filesz)
		_, err := prog.ReadAt(name, 0)
		p.check(err)
		loader := strings.TrimRight(string(name), "\x00")
		p.copy(loader, loader)
	}
	names, err := f.ImportedLibraries()
	p.check(err)
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		path := library(name)
		if path == "" {
			p.t.Fatalf("%s needs %s, which is nowhere", file, name)
		}
		p.copy(path, path)
		p.libraries(path, seen)
	}
}

func library(name string) string {
	for _, pattern := range []string{"/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"} {
		found, _ := filepath.Glob(filepath.Join(pattern, name))
		if len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

func (p *Phone) sys(more map[string]string) {
	files := maps.Clone(pixelSys)
	maps.Copy(files, more)
	for name, text := range files {
		p.Set("/sys/"+name, text)
	}
}
