package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"latlab/internal/strictyaml"
	"latlab/internal/text"

	"go.yaml.in/yaml/v3"
)

// configKind limits the file before it is parsed.
var configKind = strictyaml.Kind{Name: "a configuration", MaxBytes: 256 << 10}

// applyConfig reads the configuration file, $XDG_CONFIG_HOME/latlab/latlab.yml, and uses its
// values as defaults of flags. The file has one section a verb:
//
//	sweep:
//	  protocol: precise
//	  cache-size: 8G
//
// A missing file is ignored. An unknown verb or flag is an error with its line.
func applyConfig(verbs []*verb, getenv func(string) string) error {
	path := getenv("LATLAB_CONFIG")
	named := path != ""
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil
		}
		path = filepath.Join(dir, "latlab", "latlab.yml")
	}
	data, err := configKind.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return usagef("configuration: %v", err)
	}
	return withCode(exitUsage, configure(verbs, path, data))
}

func configure(verbs []*verb, path string, data []byte) error {
	if len(data) > configKind.MaxBytes {
		return fmt.Errorf("%s is larger than %d bytes, too large for %s", path, configKind.MaxBytes, configKind.Name)
	}
	var doc yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return eachField(path, doc.Content[0], func(head, section *yaml.Node) error {
		v := findVerb(verbs, head.Value)
		if v == nil {
			return fmt.Errorf("%s:%d: no verb is named %q%s", path, head.Line, head.Value, text.DidYouMean(head.Value, verbNames(verbs)))
		}
		return eachField(path, section, func(name, value *yaml.Node) error {
			err := errors.New("must be one value")
			if value.Kind == yaml.ScalarNode {
				err = v.flags.setDefault(name.Value, value.Value)
			}
			if err != nil {
				return fmt.Errorf("%s:%d: %s.%s: %w", path, name.Line, head.Value, name.Value, err)
			}
			return nil
		})
	})
}

// eachField calls f for the fields of a mapping in order. An empty mapping is valid.
func eachField(path string, n *yaml.Node, f func(key, value *yaml.Node) error) error {
	if n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: must be a mapping of flags to values, one flag a line", path, n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if err := f(n.Content[i], n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}
