// Command licences copies terms into a folder, for whoever passes the programs on: with
// packages, those of Go itself and of every Go module that they are linked with (of each module
// what lies in its top folder, in a folder of licences there and in the folders on the way to
// the linked packages); with -library, those of the parts of a TensorFlow Lite library.
//
// It reads the module cache, fetches nothing, and fails where terms are missing: of a module, of
// fonts in it, of a part of the library, of a file of somebody else that latlab itself embeds.
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
	out := flag.String("o", "", "folder to write; made new")
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

// source is a module, or Go, and what of it is linked.
type source struct {
	name    string // path@version
	dir     string
	folders map[string]bool // of linked packages, relative to dir
	fonts   []string        // embedded, relative to dir
}

// linked is what programs are made of: Go and modules, and files that latlab itself embeds.
type linked struct {
	sources []source
	own     []string
}

// list asks for the packages of a Linux program, those of cgo among them; the tags are the
// Makefile's.
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

// listed is what go list prints of a package.
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

// gather reads what go list printed: JSON documents, one a package.
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

// add notes a package under its module, one that is replaced under the name of what is linked.
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

// write copies each source's files into a folder of its name.
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
		return fmt.Errorf("no licence is in %s: it cannot be passed on", strings.Join(missing, ", "))
	}
	return nil
}

func isLicence(name string) bool {
	base := strings.ToLower(filepath.Base(name))
	return !strings.Contains(name, string(filepath.Separator)) && (strings.Contains(base, "license") || strings.Contains(base, "licence") || strings.HasPrefix(base, "copying"))
}

// fontTerms tells whether one of the files speaks of fonts, where a module has some: their terms
// are seldom those of the code around them.
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

// foreign refuses embedded files of latlab's own that look like somebody else's: what is not
// text, or has terms. Such a file wants a package of its own or terms in scripts/dist.
func foreign(files []string) error {
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !utf8.Valid(data) || isFont.MatchString(path) || terms.Match(data) {
			return fmt.Errorf("%s: latlab embeds it, and it looks like somebody else's: put its terms into the archives too", path)
		}
	}
	return nil
}

// files are the legal ones of the top folder, of its folders of licences and of those on the
// way to linked packages. Those of Cephes, in gonum, are in such a folder.
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

// legalFiles are a file, or the files of a folder, but Go's.
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
