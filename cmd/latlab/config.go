package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

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
	var doc yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return eachField(path, doc.Content[0], func(verb, section *yaml.Node) error {
		cmd := app.Command(verb.Value)
		if cmd == nil {
			return fmt.Errorf("%s:%d: no verb is named %q%s", path, verb.Line, verb.Value, didYouMean(verb.Value, verbNames(app)))
		}
		return eachField(path, section, func(name, value *yaml.Node) error {
			err := errors.New("want one value")
			if value.Kind == yaml.ScalarNode {
				err = setDefault(cmd, name.Value, value.Value)
			}
			if err != nil {
				return fmt.Errorf("%s:%d: %s.%s: %w", path, name.Line, verb.Value, name.Value, err)
			}
			return nil
		})
	})
}

// eachField calls f for the fields of a mapping in their order. An empty one is no error.
func eachField(path string, n *yaml.Node, f func(key, value *yaml.Node) error) error {
	if n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: want fields, one a line: a verb's section has its flags", path, n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if err := f(n.Content[i], n.Content[i+1]); err != nil {
			return err
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
		var err error
		switch f := f.(type) {
		case *cli.StringFlag:
			f.Value = value
		case *cli.IntFlag:
			f.Value, err = strconv.Atoi(value)
		case *cli.Uint64Flag:
			f.Value, err = strconv.ParseUint(value, 10, 64)
		case *cli.BoolFlag:
			f.Value, err = strconv.ParseBool(value)
		default:
			return errors.New("cannot be set in the file")
		}
		if err != nil {
			return fmt.Errorf("bad value %q", value)
		}
		return nil
	}
	var names []string
	for _, f := range cmd.Flags {
		names = append(names, f.Names()[0])
	}
	return fmt.Errorf("no such flag%s", didYouMean(name, names))
}
