package agenttest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"latlab/internal/testenv"
)

// Emulator is the path in Root of the program that runs 64-bit ARM programs, for
// machine.Options.Wrap.
const Emulator = "/qemu-aarch64-static"

// core describes a Cortex-A72 as its kernel does.
const core = `processor	: %d
BogoMIPS	: 108.00
Features	: fp asimd evtstrm crc32 cpuid
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x0
CPU part	: 0xd08
CPU revision	: 3

`

// Root makes a folder that stands for the file system of a phone or board where nothing is
// installed: a shell with its tools in one file, an emulator of its processor, and /data for
// writing. It has no C library and no loader. Of /proc and /sys it has what XNNPACK asks for
// (without which XNNPACK does not work on ARM) and the load average, since a machine that
// reports nothing of its state is refused; /proc/self is missing. It needs root rights.
func Root(t testing.TB) string {
	t.Helper()
	testenv.Superuser(t, "it goes into a folder as its file system")
	root := t.TempDir()
	for _, dir := range []string{"bin", "dev", "tmp", "data", "proc", "sys/devices/system/cpu"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	CopyProgram(t, "qemu-aarch64-static", filepath.Join(root, Emulator))
	busybox := filepath.Join(root, "bin", "busybox")
	CopyProgram(t, "busybox", busybox)
	for _, name := range strings.Fields(run(t, busybox, "--list")) {
		if name == "busybox" {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	null := filepath.Join(root, "dev", "null")
	if err := errors.Join(unix.Mknod(null, unix.S_IFCHR, int(unix.Mkdev(1, 3))), os.Chmod(null, 0o666)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"proc/loadavg":                   "0.25 0.20 0.10 1/100 1000\n",
		"proc/cpuinfo":                   fmt.Sprintf(core, 0) + fmt.Sprintf(core, 1),
		"sys/devices/system/cpu/present": "0-1\n", "sys/devices/system/cpu/possible": "0-1\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// MountProc mounts this machine's /proc in a Root until the test ends, for code that identifies
// processes by their numbers there (devices/transport/ssh).
func MountProc(t testing.TB, root string) {
	t.Helper()
	proc := filepath.Join(root, "proc")
	if err := unix.Mount("proc", proc, "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(proc, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

var debianPrograms = map[string]string{"qemu-aarch64-static": "qemu-user-static", "busybox": "busybox-static"}

// CopyProgram copies a program of this machine, which must be a single static file.
func CopyProgram(t testing.TB, name, to string) {
	t.Helper()
	data, err := os.ReadFile(testenv.Program(t, name, debianPrograms[name]))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}
