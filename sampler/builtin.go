package sampler

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"latlab/internal/text"
)

//go:embed spaces/*.yaml
var spaceFiles embed.FS

// BuiltinNames lists the built-in spaces, sorted.
func BuiltinNames() []string {
	entries, err := spaceFiles.ReadDir("spaces")
	if err != nil {
		panic(err) // the directory is part of the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// ErrUnknownSpace is wrapped by Builtin's error.
var ErrUnknownSpace = errors.New("unknown space")

// Builtin returns a built-in space. For an unknown name the error wraps ErrUnknownSpace and names
// the nearest one.
func Builtin(name string) (*Space, error) {
	if !slices.Contains(BuiltinNames(), name) {
		near := cmp.Or(text.DidYouMean(name, BuiltinNames()), "; `latlab spaces` lists them") // there are more than fit a line
		return nil, fmt.Errorf("%w %q%s", ErrUnknownSpace, text.Clip(name), near)
	}
	file := "spaces/" + name + ".yaml"
	data, err := spaceFiles.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return load(data, file)
}

// Find resolves the value of --space: a file by IsFileName, otherwise a built-in space.
func Find(nameOrFile string) (*Space, error) {
	if IsFileName(nameOrFile) {
		return LoadFile(nameOrFile)
	}
	return Builtin(nameOrFile)
}

// IsFileName reports whether a space's name is that of a file: it ends in .yaml or .yml or has a path separator.
func IsFileName(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".yaml" || ext == ".yml" || strings.ContainsAny(name, `/\`)
}
