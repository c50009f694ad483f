package machine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/internal/testenv"
)

func TestFoldersThatAreRefused(t *testing.T) {
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	must(os.Mkdir(at("real"), 0o700), os.Symlink(at("real"), at("link")),
		os.WriteFile(at("file"), nil, 0o600), os.Symlink(at("nowhere"), at("dangling")),
		os.Mkdir(at("taken"), 0o700), os.WriteFile(at("taken/photo.jpg"), nil, 0o600),
		os.Mkdir(at("hidden"), 0o700), os.WriteFile(at("hidden/.profile"), nil, 0o600),
		os.Mkdir(at("linked"), 0o700), os.Symlink(at("file"), at("linked/.latlab")))
	for _, tt := range []struct{ dir, want string }{
		{"", `"" cannot be latlab's folder on pixel: it is not absolute`},
		{"tmp/lab", `"tmp/lab" cannot be latlab's folder on pixel: it is not absolute`},
		{"~", `"~" cannot be latlab's folder on pixel: it is not absolute`},
		{"/", `"/" cannot be latlab's folder on pixel: it is the whole file system`},
		{"//.", `"//." cannot be latlab's folder on pixel: it is the whole file system`},
		{"/data/../etc", `"/data/../etc" cannot be latlab's folder on pixel: it has ".."`},
		{"~/../lab", `"~/../lab" cannot be latlab's folder on pixel: it has ".."`},
		{"/a\x00b", `"/a\x00b" cannot be latlab's folder on pixel: it has a zero byte`},
		{at("link"), "is not used: it is a symbolic link"},
		{at("link") + "/", "is not used: it is a symbolic link"},
		{at("dangling"), "is not used: it is a symbolic link"},
		{at("file"), "is not used: it is no folder"},
		{at("taken"), "is not used: it holds files that are not latlab's"},
		{at("hidden"), "is not used: it holds files that are not latlab's"},
		{at("linked"), "is not used: it holds files that are not latlab's"},
	} {
		before := tree(t, base)
		m, err := machine.Open(t.Context(), &remote{}, machine.Options{Name: "pixel", Dir: tt.dir})
		if err == nil {
			t.Errorf("%q was opened: %v", tt.dir, m.Close())
			continue
		}
		if reason(err) != "user folder" || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %s: %v", tt.dir, reason(err), err)
		}
		if _, err := machine.Clean(t.Context(), &remote{}, machine.Options{Name: "pixel", Dir: tt.dir}); reason(err) != "user folder" {
			t.Errorf("clean %q: %v", tt.dir, err)
		}
		if after := tree(t, base); strings.Join(before, "\n") != strings.Join(after, "\n") {
			t.Errorf("%q: it was refused, and then there was %q", tt.dir, after)
		}
	}
}

func TestForeignFolder(t *testing.T) {
	testenv.Superuser(t, "only root can give a folder away")
	for _, u := range userlands() {
		dir := filepath.Join(t.TempDir(), "lab")
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		_, err := machine.Open(t.Context(), u.open(t), machine.Options{Name: "pixel", Dir: dir})
		if reason(err) != "user folder" || !strings.Contains(err.Error(), "it belongs to another user") {
			t.Errorf("%s: %v", u.name, err)
		}
		_, err = machine.Clean(t.Context(), u.open(t), machine.Options{Name: "pixel", Dir: dir})
		if reason(err) != "user folder" {
			t.Errorf("%s: clean: %v", u.name, err)
		}
	}
}

// TestOpenMakesPrivate: if somebody made latlab's folder readable to others, Open makes it
// private again.
func TestOpenMakesPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "lab")
	o := machine.Options{Dir: dir}
	_ = open(t, &remote{}, o).Close()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_ = open(t, &remote{}, o).Close()
	if info, err := os.Stat(dir); err != nil || info.Mode() != 0o700|os.ModeDir {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A file system without modes: chmod reports success and changes nothing.
	fat := applets(t, testenv.Program(t, "busybox", "busybox-static"), "--list")
	if err := os.Remove(filepath.Join(fat, "chmod")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(testenv.Program(t, "true", "coreutils"), filepath.Join(fat, "chmod")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &remote{shell: []string{testenv.Program(t, "dash", "dash")}, env: []string{"PATH=" + fat}}
	_, err := machine.Open(t.Context(), r, machine.Options{Name: "pixel", Dir: dir})
	if reason(err) != "user folder" || !strings.Contains(err.Error(), "cannot be made private") {
		t.Errorf("a folder that stays open: %v", err)
	}
}

func TestHome(t *testing.T) {
	home := filepath.Join(t.TempDir(), "ho me$(touch pwned)\n")
	for _, tt := range []struct{ home, dir, want string }{
		{home, "~/.cache/latlab", filepath.Join(home, ".cache/latlab")},
		{home + "/", "~/.cache/lat lab/", filepath.Join(home, ".cache/lat lab")},
	} {
		m := open(t, &remote{env: []string{"HOME=" + tt.home}}, machine.Options{Dir: tt.dir})
		if m.Dir() != tt.want || !exists(t, filepath.Join(tt.want, ".latlab")) {
			t.Errorf("%q in %q is %q", tt.dir, tt.home, m.Dir())
		}
	}
	for _, home := range []string{"", "relative", "/x/../y"} {
		if _, err := machine.Open(t.Context(), &remote{env: []string{"HOME=" + home}}, machine.Options{Dir: "~/lab"}); reason(err) != "user folder" {
			t.Errorf("home %q: %v", home, err)
		}
	}
}

// TestLinksInsideAreNotFollowed: if links were followed, anyone who can write there could have
// any file removed.
func TestLinksInsideAreNotFollowed(t *testing.T) {
	for _, u := range userlands() {
		t.Run(u.name, func(t *testing.T) {
			precious := t.TempDir()
			if err := os.WriteFile(filepath.Join(precious, "thesis"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "lab")
			r, o := u.open(t), machine.Options{Name: "pixel", Dir: dir}
			link := func(names ...string) {
				t.Helper()
				for _, name := range names {
					if err := os.Symlink(precious, filepath.Join(dir, name)); err != nil {
						t.Fatal(err)
					}
				}
			}
			m := open(t, r, o)
			link("models", "programs", "tmp")
			stage(t, m, sized(t, t.TempDir(), 100_000, 1)).Close()
			if _, err := m.Install(t.Context(), program(t, t.TempDir())); err != nil {
				t.Fatal(err)
			}
			link("models/dir.tflite", "models/dir", "programs/greeter-0123456789ab")
			stage(t, m, sized(t, t.TempDir(), 100_000, 2)).Close()
			if tmp, err := m.Temp(t.Context(), "time it"); err != nil {
				t.Error(err)
			} else {
				tmp.Close()
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			link("models", "tmp")
			if _, err := machine.Clean(t.Context(), r, o); err != nil {
				t.Error(err)
			}
			wantNames(t, precious, "thesis")
			wantNames(t, filepath.Dir(dir))
		})
	}
}

// TestCleanKeepsWhatIsNotOurs: a user's own file in latlab's folder stays.
func TestCleanKeepsWhatIsNotOurs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	o := machine.Options{Name: "pixel", Dir: dir}
	crashed, err := machine.Open(t.Context(), &remote{}, o)
	if err != nil {
		t.Fatal(err)
	}
	stage(t, crashed, sized(t, t.TempDir(), 100_000, 1))
	if err := os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := machine.Clean(t.Context(), &remote{}, o)
	if err != nil || len(lines) != 2 || !strings.HasPrefix(lines[0], "removed 1 model (0.1 MB)") || lines[1] != "kept "+dir+": it holds files that are not latlab's" {
		t.Errorf("%q, %v", lines, err)
	}
	wantNames(t, dir, "notes")
	if lines, err := machine.Clean(t.Context(), &remote{}, o); reason(err) != "user folder" {
		t.Errorf("what is left is not ours: %q, %v", lines, err)
	}
}

// TestFoldersThatCannotBeMade: the error keeps the output of the machine's commands, and is
// the user's fault if a different folder would work.
func TestFoldersThatCannotBeMade(t *testing.T) {
	base := t.TempDir()
	if err := os.WriteFile(filepath.Join(base, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, u := range userlands() {
		dir := filepath.Join(base, "file", "lab")
		_, err := machine.Open(t.Context(), u.open(t), machine.Options{Name: "pixel", Dir: dir})
		if reason(err) != "user folder" || !strings.Contains(err.Error(), "ot a directory") || !strings.Contains(err.Error(), "in "+dir+" on pixel") {
			t.Errorf("%s: %s: %v", u.name, reason(err), err)
		}
	}
}

// TestFullDisk uses a disk that is really full.
func TestFullDisk(t *testing.T) {
	for _, u := range userlands() {
		t.Run(u.name, func(t *testing.T) {
			disk := testenv.Mount(t, "size=256k,nr_inodes=12")
			host := t.TempDir()
			r := u.open(t)
			m := open(t, r, machine.Options{Dir: filepath.Join(disk, "lab")})
			stage(t, m, sized(t, host, 100_000, 1)).Close()
			kept := stage(t, m, sized(t, host, 100_000, 2)) // only 256 KiB fit: the first model has to go
			if got := m.Traffic(); got.Models != 2 {
				t.Errorf("%+v", got)
			}
			_, err := m.Stage(t.Context(), "time it", sized(t, host, 200_000, 3))
			if reason(err) != "device disk-full" || !strings.Contains(err.Error(), "a file of 200000 bytes") || !strings.Contains(err.Error(), "bytes are free there") {
				t.Errorf("%s: %v", reason(err), err)
			}
			checkStaged(t, kept, itself)
			// If df does not report the free space, the push itself fails.
			r.onStart = func(c transport.Command) error {
				c.Args[1] = strings.ReplaceAll(c.Args[1], "df -Pk", "true")
				return nil
			}
			_, err = m.Stage(t.Context(), "time it", sized(t, host, 200_000, 3))
			if reason(err) != "device disk-full" || !strings.Contains(err.Error(), "a file of 200000 bytes") {
				t.Errorf("%s: %v", reason(err), err)
			}
			wantNames(t, filepath.Join(disk, "lab", "models"), filepath.Base(kept.Path))
			r.onStart = nil
			for i := range 12 { // uses up all inodes
				_ = os.WriteFile(filepath.Join(disk, fmt.Sprint(i)), nil, 0o600)
			}
			if _, err := m.Temp(t.Context(), "time it"); reason(err) != "device disk-full" {
				t.Errorf("%s: %v", reason(err), err)
			}
		})
	}
}
