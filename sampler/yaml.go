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
		Name       string       `yaml:"name"`
		Doc        string       `yaml:"doc,omitempty"`
		Input      inputFile    `yaml:"input,flow"`
		Activation Activation   `yaml:"activation"`
		Choices    []choiceFile `yaml:"choices"`
		Stages     []stageFile  `yaml:"stages"`
		Head       headFile     `yaml:"head"`
	}
	inputFile struct {
		Height   int `yaml:"height"`
		Width    int `yaml:"width"`
		Channels int `yaml:"channels"`
	}
	choiceFile struct {
		Name      string    `yaml:"name"`
		Type      LayerType `yaml:"type"`
		Kernel    int       `yaml:"kernel,omitempty"`
		Expansion int       `yaml:"expansion,omitempty"`
		InRatio   float64   `yaml:"in_ratio,omitempty"`
		OutRatio  float64   `yaml:"out_ratio,omitempty"`
		SE        float64   `yaml:"se,omitempty"`
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
	}
	headFile struct {
		Type    HeadType `yaml:"type"`
		Classes int      `yaml:"classes,omitempty"`
		Taps    []string `yaml:"taps,flow,omitempty"`
		Extra   []int    `yaml:"extra,flow,omitempty"`
		Anchors []int    `yaml:"anchors,flow,omitempty"`
	}
)

// YAML writes the space as a file that Load reads back as the same space (except Source); stores and
// cost models keep a user's space in this form. Comments, multipliers and unused choices are not
// kept. A space that Load could not have returned is an error.
func (s *Space) YAML() ([]byte, error) {
	f := spaceFile{
		Name: s.Name, Doc: s.Doc, Activation: s.Activation, Input: inputFile(s.Input), Head: headFile(s.Head),
	}
	seen := map[string]bool{}
	for _, st := range s.Stages {
		sf := stageFile{Name: st.Name, Widths: st.Widths}
		for i, l := range st.Layers {
			for _, c := range l.Choices {
				if !seen[c.Name] {
					seen[c.Name] = true
					f.Choices = append(f.Choices, choiceFile(c))
				}
			}
			if i > 0 && reflect.DeepEqual(l, st.Layers[i-1]) {
				last := &sf.Layers[len(sf.Layers)-1]
				last.Repeat = max(last.Repeat, 1) + 1
				continue
			}
			sf.Layers = append(sf.Layers, fileLayer(l))
		}
		f.Stages = append(f.Stages, sf)
	}
	return s.encode(f)
}

func fileLayer(l Layer) layerFile {
	f := layerFile{Stride: l.Stride, Residual: l.Residual}
	for _, c := range l.Choices {
		f.Choices = append(f.Choices, c.Name)
	}
	return f
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
