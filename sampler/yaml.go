package sampler

import (
	"bytes"
	"fmt"
	"reflect"

	"latlab/internal/text"

	"go.yaml.in/yaml/v3"
)

// The file's structure for writing YAML. Reading goes node by node (load.go), since errors need
// lines.
type (
	spaceFile struct {
		Name       string      `yaml:"name"`
		Doc        string      `yaml:"doc,omitempty"`
		Input      Input       `yaml:"input,flow"`
		Activation Activation  `yaml:"activation"`
		Choices    []Choice    `yaml:"choices"`
		Stages     []stageFile `yaml:"stages"`
		Head       Head        `yaml:"head"`
	}
	stageFile struct {
		Name   string      `yaml:"name"`
		Widths []int       `yaml:"widths,flow"`
		Layers []layerFile `yaml:"layers"`
	}
	layerFile struct {
		Stride   int      `yaml:"stride"`
		Residual bool     `yaml:"residual,omitempty"`
		Repeat   int      `yaml:"repeat,omitempty"`
		Choices  []string `yaml:"choices,flow"`
		By       []By     `yaml:"by,flow,omitempty"`
	}
)

// YAML writes the space as a file that Load reads back as the same space (except Source); stores and
// cost models keep a user's space in this form. Comments, multipliers and unused choices are not
// kept. A space that Load could not have returned is an error.
func (s *Space) YAML() ([]byte, error) {
	f := spaceFile{
		Name: s.Name, Doc: s.Doc, Activation: s.Activation, Input: s.Input, Head: s.Head,
	}
	seen := map[string]bool{}
	for _, st := range s.Stages {
		sf := stageFile{Name: st.Name, Widths: st.Widths}
		for i, l := range st.Layers {
			layer := layerFile{Stride: l.Stride, Residual: l.Residual, By: l.By}
			for _, c := range l.Choices {
				layer.Choices = append(layer.Choices, c.Name)
				if !seen[c.Name] {
					seen[c.Name] = true
					f.Choices = append(f.Choices, c)
				}
			}
			if i > 0 && reflect.DeepEqual(l, st.Layers[i-1]) {
				last := &sf.Layers[len(sf.Layers)-1]
				last.Repeat = max(last.Repeat, 1) + 1
				continue
			}
			sf.Layers = append(sf.Layers, layer)
		}
		f.Stages = append(f.Stages, sf)
	}
	return s.encode(f)
}

func (s *Space) encode(f spaceFile) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(f); err != nil {
		return nil, fmt.Errorf("space %s: %w", s.Name, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("space %s: %w", s.Name, err)
	}
	back, err := load(b.Bytes(), "space "+text.Clip(s.Name))
	if err != nil {
		return nil, err
	}
	if !same(back, s) || back.Doc != s.Doc {
		return nil, fmt.Errorf("space %s cannot be written to a file: two choices have the same name, or a list is empty but not nil", s.Name)
	}
	return b.Bytes(), nil
}
