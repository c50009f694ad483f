// Command licences copies licences into a folder, for redistribution of the programs. For Go
// packages it copies those of Go and of every linked module (from the module's top folder, its
// folders of licences, and the folders on the path to linked packages); with -library, those of
// the parts of a TensorFlow Lite library.
//
// It reads the module cache and downloads nothing. It fails if a licence is missing: of a module,
// of its fonts, of a part of the library, or of a third-party file that latlab embeds.
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
	"unicode/utf8"
)

func main() {
	arch := flag.String("goarch", runtime.GOARCH, "processor that the programs are built for")
	lib := flag.String("library", "", "TensorFlow Lite library, instead of packages")
	out := flag.String("o", "", "folder to write; replaced")
	flag.Parse()
	if err := run(context.Background(), options{out: *out, arch: *arch, library: *lib, packages: flag.Args()}); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

type options struct {
	out, arch, library string
	packages           []string
}

func run(ctx context.Context, o options) error {
	if o.out == "" || (o.library == "") == (len(o.packages) == 0) {
		return errors.New("want -o FOLDER and either packages or -library FILE")
	}
	if o.library != "" {
		return library(o.library, o.out)
	}
	listed, err := list(ctx, o.arch, o.packages)
	if err != nil {
		return err
	}
	made, err := gather(ctx, listed)
	if err != nil {
		return err
	}
	if err := foreign(made.own); err != nil {
		return err
	}
	if err := os.RemoveAll(o.out); err != nil {
		return err
	}
	return write(o.out, made.sources)
}

// source is a module, or Go, and its linked parts.
type source struct {
	name    string // path@version
	dir     string
	folders map[string]bool // of linked packages, relative to dir
	fonts   []string        // embedded, relative to dir
}

// linked has the parts of the programs: Go, modules, and files that latlab embeds.
type linked struct {
	sources []source
	own     []string
}

// list returns the packages of a Linux program, including those with cgo; the tags are those of
// the Makefile.
func list(ctx context.Context, arch string, packages []string) (io.Reader, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-json=Dir,Standard,Module,EmbedFiles", "-tags", "xnnpack_builtin", "--"}, packages...)...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=1", "GOFLAGS=-mod=readonly")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return strings.NewReader(string(text)), nil
}

// listed is the output of go list for a package.
type listed struct {
	Dir        string
	Standard   bool
	EmbedFiles []string
	Module     *module
}

type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

// gather reads the output of go list: one JSON document per package.
func gather(ctx context.Context, r io.Reader) (linked, error) {
	root, err := goRoot(ctx)
	if err != nil {
		return linked{}, err
	}
	var own []string
	found := map[string]*source{}
	for d := json.NewDecoder(r); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return linked{}, fmt.Errorf("go list: %w", err)
		}
		switch {
		case p.Standard || p.Module == nil:
		case p.Module.Main:
			for _, name := range p.EmbedFiles {
				own = append(own, filepath.Join(p.Dir, name))
			}
		default:
			if err := add(found, p); err != nil {
				return linked{}, err
			}
		}
	}
	sources := []source{{name: "go@" + runtime.Version(), dir: root}}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		sources = append(sources, *found[name])
	}
	return linked{sources: sources, own: own}, nil
}

// add records a package under its module, or under the replacement of that module.
func add(found map[string]*source, p listed) error {
	m := p.Module
	if m.Replace != nil {
		m = m.Replace
	}
	name := m.Path + "@" + m.Version
	if found[name] == nil {
		found[name] = &source{name: name, dir: m.Dir, folders: map[string]bool{}}
	}
	folder, err := filepath.Rel(m.Dir, p.Dir)
	if err != nil {
		return err
	}
	s := found[name]
	s.folders[folder] = true
	for _, f := range p.EmbedFiles {
		if isFont.MatchString(f) {
			s.fonts = append(s.fonts, filepath.Join(folder, f))
		}
	}
	return nil
}

func goRoot(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(text)), err
}

var (
	// legal are files with terms, names of holders or claims to patents, and folders of them.
	// SQLITE-LICENSE, LICENSE-3RD-PARTY.md and THIRD_PARTY_LICENSES are among them.
	legal  = regexp.MustCompile(`(?i)(licen[cs]e|^copying|^copyright|^notice|^patents|^authors)`)
	isFont = regexp.MustCompile(`(?i)\.(ttf|otf|ttc|woff2?|pfb)$`)
	// Minified scripts and style sheets keep one of these words.
	terms = regexp.MustCompile(`(?i)copyright|\blicen[cs]ed?\b|SPDX-`)
)

// write copies each source's files into a folder with its name.
func write(out string, sources []source) error {
	var missing []string
	for _, s := range sources {
		files, err := s.files()
		if err != nil {
			return err
		}
		switch ok, err := s.fontTerms(files); {
		case err != nil:
			return err
		case !slices.ContainsFunc(files, isLicence):
			missing = append(missing, s.name)
			continue
		case !ok:
			missing = append(missing, s.name+" for its fonts")
			continue
		}
		for _, name := range files {
			if err := copyFile(filepath.Join(s.dir, name), filepath.Join(out, filepath.FromSlash(s.name), name)); err != nil {
				return err
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("no licence found in %s: it cannot be redistributed", strings.Join(missing, ", "))
	}
	return nil
}

func isLicence(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	return !strings.Contains(name, string(filepath.Separator)) && (strings.Contains(base, "license") || strings.Contains(base, "licence") || strings.HasPrefix(base, "copying"))
}

// fontTerms reports whether one of the files mentions fonts, if a module has fonts: their licence
// usually differs from that of the code.
func (s source) fontTerms(files []string) (bool, error) {
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return false, err
		}
		if strings.Contains(strings.ToLower(string(data)), "font") {
			return true, nil
		}
	}
	return len(s.fonts) == 0, nil
}

// foreign refuses files embedded by latlab that look like third-party files: binary files, or
// files with a licence. Such a file needs a separate package or a licence in scripts/dist.
func foreign(files []string) error {
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !utf8.Valid(data) || isFont.MatchString(path) || terms.Match(data) {
			return fmt.Errorf("%s: latlab embeds this file, which looks like a third-party file: add its licence to the archives", path)
		}
	}
	return nil
}

// files are the licence files of the top folder, its folders of licences and the folders on the
// path to linked packages, such as that of Cephes in gonum.
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
			if !legal.MatchString(e.Name()) {
				continue
			}
			inside, err := s.legalFiles(filepath.Join(f, e.Name()), e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			names = append(names, inside...)
		}
	}
	return names, nil
}

// legalFiles are a file, or the files of a folder without Go files.
func (s source) legalFiles(name string, e fs.DirEntry) ([]string, error) {
	if e.Type().IsRegular() && filepath.Ext(name) != ".go" {
		return []string{name}, nil
	}
	if !e.IsDir() {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && filepath.Ext(e.Name()) != ".go" {
			names = append(names, filepath.Join(name, e.Name()))
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
