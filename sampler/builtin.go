package sampler

import (
	"embed"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"latlab/internal/strictyaml"
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
		return nil, fmt.Errorf("%w %q%s", ErrUnknownSpace, text.Clip(name), strictyaml.DidYouMean(name, BuiltinNames()))
	}
	file := "spaces/" + name + ".yaml"
	data, err := spaceFiles.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return load(data, file)
}

// Find resolves the value of --space. A name that ends in .yaml or .yml or contains a path separator
// is read as a file; any other is a built-in space.
func Find(nameOrFile string) (*Space, error) {
	ext := strings.ToLower(filepath.Ext(nameOrFile))
	if ext == ".yaml" || ext == ".yml" || strings.ContainsAny(nameOrFile, `/\`) {
		return LoadFile(nameOrFile)
	}
	return Builtin(nameOrFile)
}
