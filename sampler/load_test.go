package sampler

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/internal/strictyaml"
)

// What each file of testdata/bad must give, behind its name.
var badFiles = map[string]string{
	"bias_of_ibn":            `:7: choices[1].bias: does not belong to a choice of type ibn`,
	"by_no_product":          `:20: stages[1].layers[1].by: the layer's choices must be every combination of the values that these decide, the first changing slowest, and then the skip if the layer has one, which op decides`,
	"by_order":               `:20: stages[1].layers[1].by[1]: must be none alone, or some of kernel, expansion, se and op in this order`,
	"by_unknown":             `:20: stages[1].layers[1].by[0]: unknown value "kernels"; did you mean "kernel"?`,
	"mark_among_others":      `:20: stages[1].layers[1].choices: skip must be the only choice of its layer, because it is of type endpoint`,
	"mark_first":             `:20: stages[1].layers[0].choices: pool needs equal input and output widths; a stage's first layer has them only if both stages have the same single width`,
	"head_classifier_huge":   `:22: head.classes: the largest network has more than 268435456 weights with this head`,
	"head_tensor_huge":       `:21: head: a tensor of 512x512x49164 has more than 268435456 elements`,
	"head_weights_huge":      `:21: head: the largest network has more than 268435456 weights with this head`,
	"skip_stem":              `:15: stages[0].layers[0].choices: the network's first layer cannot be skipped`,
	"activation_null":        `:3: activation: must be text, not nothing`,
	"activation_unknown":     `:3: activation: unknown value "gelu"; did you mean "relu"?`,
	"alias_in_itself":        `:4: multipliers[0]: must be a number, not a list`,
	"anchors_count":          `:21: head.anchors: must have one number per map, 2 taps and 1 extra, not 2`,
	"anchors_missing":        `:21: head.anchors: is missing`,
	"anchors_zero":           `:21: head.anchors[2]: must be 1 to 64, not 0`,
	"base_negative":          `:17: stages[1].base_width: must be 1 to 16384, not -16`,
	"base_scaled_huge":       `:17: stages[1].base_width: 16384 times 64 is 1048576 channels; a width may be 16384`,
	"binary":                 `: control characters are not allowed`,
	"choice_twice":           `:10: choices[4]: choice "tucker_k3" appears twice`,
	"choice_without_name":    `:6: choices[0].name: is missing`,
	"choice_without_type":    `:6: choices[0].type: is missing`,
	"choices_mapping":        `:10: choices[4]: must be a mapping, not "skip"`,
	"comments":               `: is empty`,
	"doc_lines":              `:2: doc: must be one line of at most 1000 bytes`,
	"empty":                  `: is empty`,
	"expansion_fused_1":      `:8: choices[2].expansion: must be at least 2 for a fused convolution, which without expansion is type conv`,
	"expansion_missing":      `:7: choices[1].expansion: is missing`,
	"expansion_of_conv":      `:6: choices[0].expansion: does not belong to a choice of type conv`,
	"expansion_zero":         `:7: choices[1].expansion: must be 1 to 64, not 0`,
	"extra_odd":              `:21: head.extra[0]: must be even, since the map is computed from half as many channels, not 33`,
	"extra_of_1x1":           `:21: head.extra[3]: the map before is 1x1 and cannot be halved`,
	"field_twice":            `:4: activation: is given twice`,
	"head_classes_missing":   `:21: head.classes: is missing`,
	"head_classes_zero":      `:21: head.classes: must be 1 to 16384, not 0`,
	"head_classifier_taps":   `:21: head.taps: does not belong to a head of type classifier`,
	"head_missing":           `:1: head: is missing`,
	"head_none_classes":      `:21: head.classes: does not belong to a head of type none`,
	"head_type_unknown":      `:21: head.type: unknown value "ssd"; known: ssdlite, classifier, none`,
	"input_beyond":           `:2: input.height: must be 1 to 8192, not 100000`,
	"input_channels_missing": `:2: input.channels: is missing`,
	"input_huge":             `:2: input: 8192x8192x16384 has 1099511627776 elements; a tensor may have 268435456`,
	"input_list":             `:2: input: must be a mapping, not a list`,
	"input_missing":          `:1: input: is missing`,
	"input_zero":             `:2: input.height: must be 1 to 8192, not 0`,
	"kernel_even":            `:6: choices[0].kernel: must be odd, not 4`,
	"kernel_fraction":        `:6: choices[0].kernel: must be a whole number, not 3.5`,
	"kernel_missing":         `:6: choices[0].kernel: is missing`,
	"kernel_of_skip":         `:10: choices[4].kernel: does not belong to a choice of type skip`,
	"kernel_text":            `:6: choices[0].kernel: must be a whole number, not "3"`,
	"kernel_zero":            `:6: choices[0].kernel: must be 1 to 63, not 0`,
	"key_line_break":         `:3: activ?ation?[31m: unknown field; known: name, doc, input, activation, multipliers, choices, stages, head`,
	"key_not_a_word":         `:4: keys must be words, not a list`,
	"layer_choice_twice":     `:20: stages[1].layers[1].choices[1]: choice "ibn_k3_e2" is listed twice`,
	"layer_choice_unknown":   `:20: stages[1].layers[1].choices[0]: unknown choice "ibn_k3_e3"; did you mean "ibn_k3_e2"?`,
	"layer_choices_empty":    `:20: stages[1].layers[1].choices: must have 1 to 250 entries, not 0`,
	"layer_choices_missing":  `:20: stages[1].layers[1].choices: is missing`,
	"layers_too_many":        `:20: stages[1].layers[1]: layer 257; a space may have 256`,
	"list":                   `:1: must be a mapping, not a list`,
	"merge_key":              `:10: choices[4].<<: unknown field; known: name, type, kernel, expansion, in_ratio, out_ratio, se, activation, bias`,
	"multiplier_inf":         `:4: multipliers[0]: must be above 0 and at most 64, not .inf`,
	"multiplier_nan":         `:4: multipliers[0]: must be above 0 and at most 64, not .nan`,
	"multiplier_negative":    `:4: multipliers[0]: must be above 0 and at most 64, not -0.5`,
	"multiplier_text":        `:4: multipliers[0]: must be a number, not "half"`,
	"multiplier_zero":        `:4: multipliers[0]: must be above 0 and at most 64, not 0`,
	"multipliers_empty":      `:4: multipliers: must have 1 to 250 entries, not 0`,
	"multipliers_missing":    `:16: stages[1].base_width: needs multipliers, in the stage or for the whole space`,
	"name_builtin":           `: name: mobiledet_cpu_ibn is the name of a built-in space with other content; give this space a different name`,
	"name_empty":             `:1: name: must be 1 to 64 letters, digits, '_', '.' or '-', beginning with a letter or digit, not ""`,
	"name_missing":           `:1: name: is missing`,
	"name_number":            `:1: name: must be text, not 12`,
	"name_slash":             `:1: name: must be 1 to 64 letters, digits, '_', '.' or '-', beginning with a letter or digit, not "../bad"`,
	"nul":                    `:1: must be a mapping, not nothing`,
	"ratio_above_1":          `:9: choices[3].out_ratio: must be above 0 and at most 1, not 1.5`,
	"ratio_missing":          `:9: choices[3].out_ratio: is missing`,
	"ratio_of_ibn":           `:7: choices[1].in_ratio: does not belong to a choice of type ibn`,
	"ratio_zero":             `:9: choices[3].in_ratio: must be above 0 and at most 1, not 0`,
	"repeat_huge":            `:20: stages[1].layers[1].repeat: must be 1 to 256, not 1000000`,
	"repeat_zero":            `:20: stages[1].layers[1].repeat: must be 1 to 256, not 0`,
	"residual_first":         `:19: stages[1].layers[0].residual: a residual needs equal input and output widths; a stage's first layer has them only if both stages have the same single width`,
	"residual_stride":        `:20: stages[1].layers[1].residual: a residual needs stride 1`,
	"residual_text":          `:20: stages[1].layers[1].residual: must be true or false, not "yes"`,
	"se_of_tucker":           `:9: choices[3].se: does not belong to a choice of type tucker`,
	"se_zero":                `:7: choices[1].se: must be above 0 and at most 1, not 0`,
	"second_document":        `:22: a second document begins here; a file holds a space`,
	"skip_alone":             `:20: stages[1].layers[1].choices: must have a choice besides skip`,
	"skip_first":             `:19: stages[1].layers[0].choices: skip needs equal input and output widths; a stage's first layer has them only if both stages have the same single width`,
	"skip_stride":            `:20: stages[1].layers[1].choices: skip needs stride 1`,
	"stage_twice":            `:16: stages[1].name: stage "stem" appears twice`,
	"stage_without_layers":   `:12: stages[0].layers: is missing`,
	"stage_without_name":     `:16: stages[1].name: is missing`,
	"stages_empty":           `:11: stages: must have 1 to 64 entries, not 0`,
	"stages_missing":         `:1: stages: is missing`,
	"stride_missing":         `:15: stages[0].layers[0].stride: is missing`,
	"stride_negative":        `:15: stages[0].layers[0].stride: must be 1 or 2, not -1`,
	"stride_of_1x1":          `:19: stages[1].layers[0].stride: the map is 1x1 here and cannot shrink by a stride of 2`,
	"stride_three":           `:19: stages[1].layers[0].stride: must be 1 or 2, not 3`,
	"stride_zero":            `:15: stages[0].layers[0].stride: must be 1 or 2, not 0`,
	"syntax":                 `:3: mapping values are not allowed in this context`,
	"tab":                    `:13: is indented by a tab; YAML wants spaces`,
	"table_huge":             `:20: stages[1].layers[1]: the cost table has more than 1048576 entries up to here (widths before x widths x choices)`,
	"tap_not_last":           `:21: head.taps: must end with "stage1", the last stage, whose output would be unused`,
	"tap_order":              `:21: head.taps[1]: taps must be in the order of the stages: stem after stage1`,
	"tap_unknown":            `:21: head.taps[1]: unknown stage "stage2"; did you mean "stage1"?`,
	"tensor_huge":            `:15: stages[0].layers[0]: choice conv_k3 has a tensor of 1.07e+09 elements at the largest width; the limit is 268435456`,
	"text":                   `:1: must be a mapping, not "just words"`,
	"type_far":               `:9: choices[3].type: unknown value "transformer"; known: conv, ibn, fused, tucker, separable, bottleneck, activation, endpoint, pool, skip`,
	"type_unknown":           `:9: choices[3].type: unknown value "tuker"; did you mean "tucker"?`,
	"unclosed":               `:3: did not find expected ',' or ']'`,
	"unknown_anchor":         `: unknown anchor 'none' referenced`,
	"unknown_field":          `:3: activatoin: unknown field; did you mean "activation"?`,
	"unknown_field_far":      `:4: learning_rate: unknown field; known: name, doc, input, activation, multipliers, choices, stages, head`,
	"unknown_layer_field":    `:20: stages[1].layers[1].residul: unknown field; did you mean "residual"?`,
	"weights_huge":           `:21: stages[1].layers[1]: the largest network has more than 268435456 weights up to here`,
	"width_descending":       `:13: stages[0].widths[1]: widths must ascend: 8 after 16`,
	"width_huge":             `:13: stages[0].widths[0]: must be 1 to 16384, not 1000000`,
	"width_negative":         `:13: stages[0].widths[0]: must be 1 to 16384, not -8`,
	"width_twice":            `:13: stages[0].widths[1]: widths must ascend: 8 after 8`,
	"width_zero":             `:13: stages[0].widths[0]: must be 1 to 16384, not 0`,
	"widths_and_base":        `:12: stages[0]: needs either widths or base_width`,
	"widths_missing":         `:12: stages[0]: needs either widths or base_width`,
	"widths_multipliers":     `:14: stages[0].multipliers: belongs to base_width; widths are taken as they are`,
}

func TestLoadBad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) != len(badFiles) {
		t.Errorf("%d files, %d expectations, %v", len(files), len(badFiles), err)
	}
	for _, file := range files {
		file = filepath.ToSlash(file)
		s, err := LoadFile(file)
		var bad *strictyaml.Error
		if s != nil || !errors.As(err, &bad) {
			t.Errorf("%s: loaded %v, error %v, want a *strictyaml.Error", file, s, err)
			continue
		}
		want := file + badFiles[strings.TrimSuffix(filepath.Base(file), ".yaml")]
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestLoadFields(t *testing.T) {
	t.Parallel()
	got, err := Load([]byte(`
name: fields
doc: "one: line"
input: {height: 9, width: 16, channels: 1}
activation: h-swish
multipliers: [2, 0.01, 1.1, 1]
choices:
  - {name: stem, type: conv, kernel: 1}
  - {name: unused, type: conv, kernel: 5}
  - {name: ibn, type: ibn, kernel: 3, expansion: 1, se: 0.5}
  - {name: fused, type: fused, kernel: 5, expansion: 6, se: 1}
  - {name: tucker, type: tucker, kernel: 3, in_ratio: 0.25, out_ratio: 1}
  - {name: skip, type: skip}
stages:
  - {name: stem, widths: [3], layers: [{stride: 1, choices: [stem]}]}
  - {name: same, widths: [3], layers: [{stride: 1, residual: true, choices: [ibn, skip]}]}
  - {name: wide, base_width: 12, layers: [{stride: 2, choices: &c [fused, tucker]}, {stride: 1, repeat: 2, choices: *c}]}
  - {name: own, base_width: 12, multipliers: [1], layers: [{stride: 2, repeat: 2, choices: *c}]}
head: {type: classifier, classes: 10}
`), "fields.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ibn := Choice{Name: "ibn", Type: IBN, Kernel: 3, Expansion: 1, SE: 0.5}
	fused := Choice{Name: "fused", Type: Fused, Kernel: 5, Expansion: 6, SE: 1}
	tucker := Choice{Name: "tucker", Type: Tucker, Kernel: 3, InRatio: 0.25, OutRatio: 1}
	both := []Choice{fused, tucker}
	want := &Space{
		Name: "fields", Doc: "one: line", Source: "fields.yaml",
		Input: Input{Height: 9, Width: 16, Channels: 1}, Activation: HSwish,
		Stages: []Stage{
			{"stem", []int{3}, []Layer{{Stride: 1, Choices: []Choice{{Name: "stem", Type: Conv, Kernel: 1}}}}},
			{"same", []int{3}, []Layer{{Stride: 1, Residual: true, Choices: []Choice{ibn, {Name: "skip", Type: Skip}}}}},
			// 12 times 2, 0.01, 1.1, 1 is 24, 0.12, 13.2, 12.
			{"wide", []int{8, 16, 24}, []Layer{{Stride: 2, Choices: both}, {Stride: 1, Choices: both}, {Stride: 1, Choices: both}}},
			{"own", []int{16}, []Layer{{Stride: 2, Choices: both}, {Stride: 2, Choices: both}}},
		},
		Head: Head{Type: Classifier, Classes: 10},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLoadKeepsBuiltinNames(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("spaces/mobiledet_gpu_ibn.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(data, "copy.yaml"); err != nil {
		t.Errorf("a copy of a built-in space: %v", err)
	}
	changed := strings.Replace(string(data), "base_width: 192", "base_width: 200", 1)
	if _, err := Load([]byte(changed), "changed.yaml"); err == nil {
		t.Error("a changed space under a built-in name was loaded")
	}
}

func TestLoadFileMissing(t *testing.T) {
	t.Parallel()
	if _, err := LoadFile("testdata/none.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want os.ErrNotExist", err)
	}
}

func TestLoadRefusesLargeFiles(t *testing.T) {
	t.Parallel()
	_, err := Load(make([]byte, maxFile+1), "large.yaml")
	if want := "large.yaml: is larger than 1048576 bytes, too large for a space"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Aliases make small files long: the limits must hold for what they stand for.
func TestLoadMemoryIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("name: bomb\ninput: {height: 8, width: 8, channels: 1}\nactivation: relu6\nchoices: [{name: c, type: conv, kernel: 1}]\nstages:\n")
	b.WriteString("  - &s {name: s, widths: &w [1" + strings.Repeat(", 1", 200) + "], layers: [&l {stride: 1, repeat: 256, choices: [c]}]}\n")
	b.WriteString(strings.Repeat("  - *s\n", 100_000))
	b.WriteString("head: {type: none}\n")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Load([]byte(b.String()), "bomb.yaml")
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("loaded")
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 200<<20 {
		t.Errorf("took %d MiB for a file of %d KiB", used>>20, b.Len()>>10)
	}
}

func FuzzLoad(f *testing.F) {
	for _, glob := range []string{"spaces/*.yaml", "testdata/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(glob)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Load(data, "f.yaml")
		if err != nil {
			var bad *strictyaml.Error
			if !errors.As(err, &bad) || bad.Msg == "" || bad.File != "f.yaml" || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		checkUsable(t, s)
	})
}

// checkUsable uses a loaded space as the other packages do.
func checkUsable(t *testing.T, s *Space) {
	t.Helper()
	text, err := s.YAML()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Load(text, s.Source)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Fatalf("(-loaded +written and loaded again)\n%s", diff)
	}
	archs, err := SampleCoverage(s, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(archs[0]); err != nil {
		t.Error(err)
	}
}
