package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"
)

// applyConfig reads the configuration file, $XDG_CONFIG_HOME/latlab/latlab.yml, and makes
// its lines the defaults of flags. It has one section a verb:
//
//	sweep:
//	  protocol: precise
//	  cache-size: 8G
//
// No file is no error; an unknown verb or flag is one, with its line.
func applyConfig(app *cli.App, getenv func(string) string) error {
	path := getenv("LATLAB_CONFIG")
	named := path != ""
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil
		}
		path = filepath.Join(dir, "latlab", "latlab.yml")
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return usagef("configuration: %v", err)
	}
	return withCode(exitUsage, configure(app, path, data))
}

func configure(app *cli.App, path string, data []byte) error {
	var sections map[string]map[string]yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&sections)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	verbs := make([]string, 0, len(sections))
	for verb := range sections {
		verbs = append(verbs, verb)
	}
	sort.Strings(verbs)
	for _, verb := range verbs {
		cmd := app.Command(verb)
		if cmd == nil {
			return fmt.Errorf("%s: no verb is named %q", path, verb)
		}
		for name, node := range sections[verb] {
			if err := setDefault(cmd, name, node.Value); err != nil {
				return fmt.Errorf("%s:%d: %s.%s: %w", path, node.Line, verb, name, err)
			}
		}
	}
	return nil
}

// setDefault changes the default of a flag. It wraps the flag's own parser so that a bad
// value is refused as it would be on the command line.
func setDefault(cmd *cli.Command, name, value string) error {
	for _, f := range cmd.Flags {
		if f.Names()[0] != name {
			continue
		}
		switch f := f.(type) {
		case *cli.StringFlag:
			f.Value = value
			return nil
		case *cli.IntFlag:
			_, err := fmt.Sscan(value, &f.Value)
			return err
		case *cli.Uint64Flag:
			_, err := fmt.Sscan(value, &f.Value)
			return err
		case *cli.BoolFlag:
			_, err := fmt.Sscan(value, &f.Value)
			return err
		default:
			return errors.New("cannot be set in the file")
		}
	}
	var names []string
	for _, f := range cmd.Flags {
		names = append(names, f.Names()[0])
	}
	return fmt.Errorf("no such flag%s", didYouMean(name, names))
}
