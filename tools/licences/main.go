// Command licences copies the licences of every Go module that the named packages are linked
// with into a folder, for whoever passes the programs on: of Go itself, and of each module those
// of its top folder and of the folders that the linked packages lie in.
//
// It reads the module cache, fetches nothing, and fails where a module has none. It knows nothing
// of what is linked besides Go (scripts/dist adds the runtime's).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

func main() {
	arch := flag.String("goarch", runtime.GOARCH, "processor that the programs are built for")
	out := flag.String("o", "", "folder to write; made new")
	flag.Parse()
	if err := run(context.Background(), *out, *arch, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

// source is a module, or Go, and what of it is linked.
type source struct {
	name    string // path@version
	dir     string
	folders map[string]bool // of linked packages, relative to dir
}

func run(ctx context.Context, out, arch string, packages []string) error {
	if out == "" || len(packages) == 0 {
		return errors.New("want -o FOLDER and packages")
	}
	listed, err := list(ctx, arch, packages)
	if err != nil {
		return err
	}
	sources, err := gather(ctx, listed)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	return write(out, sources)
}

// list asks for the packages of a Linux program, those of cgo among them.
func list(ctx context.Context, arch string, packages []string) (io.Reader, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-json=Dir,Standard,Module", "-tags", "xnnpack_builtin", "--"}, packages...)...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=1", "GOFLAGS=-mod=readonly")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return strings.NewReader(string(text)), nil
}

// gather reads what go list printed: JSON documents, one a package.
func gather(ctx context.Context, r io.Reader) ([]source, error) {
	type module struct {
		Path, Version, Dir string
		Main               bool
		Replace            *module
	}
	found := map[string]*source{}
	for d := json.NewDecoder(r); ; {
		var p struct {
			Dir      string
			Standard bool
			Module   *module
		}
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		m := p.Module
		if p.Standard || m == nil || m.Main {
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		name := m.Path + "@" + m.Version
		if found[name] == nil {
			found[name] = &source{name: name, dir: m.Dir, folders: map[string]bool{}}
		}
		folder, err := filepath.Rel(m.Dir, p.Dir)
		if err != nil {
			return nil, err
		}
		found[name].folders[folder] = true
	}
	root, err := goRoot(ctx)
	if err != nil {
		return nil, err
	}
	sources := []source{{name: "go@" + runtime.Version(), dir: root}}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		sources = append(sources, *found[name])
	}
	return sources, nil
}

func goRoot(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(text)), err
}

// legal are files with terms, names of holders or claims to patents. SQLITE-LICENSE and
// LICENSE-3RD-PARTY.md are among them.
var legal = regexp.MustCompile(`(?i)(licen[cs]e|^copying|^copyright|^notice|^patents|^authors)`)

// write copies each source's files into a folder of its name.
func write(out string, sources []source) error {
	var missing []string
	for _, s := range sources {
		files, err := s.files()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(files, isLicence) {
			missing = append(missing, s.name)
			continue
		}
		for _, name := range files {
			if err := copyFile(filepath.Join(s.dir, name), filepath.Join(out, filepath.FromSlash(s.name), name)); err != nil {
				return err
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("no licence is in %s: it cannot be passed on", strings.Join(missing, ", "))
	}
	return nil
}

func isLicence(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	return !strings.Contains(name, string(filepath.Separator)) && (strings.Contains(base, "license") || strings.Contains(base, "licence") || strings.HasPrefix(base, "copying"))
}

// files are the legal ones of the top folder and of those on the way to linked packages.
func (s source) files() ([]string, error) {
	folders := map[string]bool{".": true}
	for f := range s.folders {
		for ; !folders[f]; f = filepath.Dir(f) {
			folders[f] = true
		}
	}
	var names []string
	for _, f := range slices.Sorted(maps.Keys(folders)) {
		entries, err := os.ReadDir(filepath.Join(s.dir, f))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		for _, e := range entries {
			if e.Type().IsRegular() && legal.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
				names = append(names, filepath.Join(f, e.Name()))
			}
		}
	}
	return names, nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, fs.FileMode(0o644))
}
