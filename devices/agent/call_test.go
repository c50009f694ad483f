package agent_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/agent/wire"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

// called is a model with a Call.
func called(t testing.TB, data []byte, signature string, values, files []string) *model.Model {
	t.Helper()
	c, err := model.ParseCall(signature, nil, values, files)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.FromFile(saved(t, "own.tflite", data), c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestGivenValues: the runtime reads the value that the user gives, in every type that it can show.
func TestGivenValues(t *testing.T) {
	d := openReal(t, agent.Options{})
	for _, c := range []struct {
		element, value string
		want           float32
	}{
		{"float32", "-0.5", -0.5}, {"float64", "3.25", 3.25}, {"float16", "-1.5", -1.5},
		{"int8", "-128", -128}, {"uint8", "255", 255}, {"int16", "-300", -300}, {"uint16", "65535", 65535},
		{"int32", "-70000", -70000}, {"uint32", "70000", 70000}, {"int64", "9000000", 9000000},
		{"bool", "true", 1}, {"bool", "0", 0}, {"complex64", "7", 7}, {"bfloat16", "-2.5", -2.5}, {"int4", "-8", -8}, {"uint4", "15", 15},
	} {
		t.Run(c.element+" "+c.value, func(t *testing.T) {
			got, _, err := d.OutputsOf(t.Context(), called(t, tflitetest.Shown(c.element, 0), "", []string{"x=" + c.value}, nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]float32{c.want, c.want, c.want, c.want}, got[0].Values); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTexts: a text input is empty, or the texts that the user gives; it is also timed.
func TestTexts(t *testing.T) {
	for _, delegate := range []string{wire.XNNPACK, wire.None} {
		d := openReal(t, agent.Options{Delegate: agent.Delegate{Name: delegate}})
		for _, c := range []struct {
			name          string
			values, files []string
			want          []float32
		}{
			{"nothing given", nil, nil, []float32{1, 0, 0, 0}},
			{"a text", []string{"in=b c"}, nil, []float32{0, 1, 0, 1}},
			{"not ASCII", []string{"in=\u00fc"}, nil, []float32{0, 0, 1, 0}},
			{"a file", nil, []string{"in=" + saved(t, "texts", []byte("\x00b c\x00\u00fc\x00b c\x00"))}, []float32{1, 1, 1, 1}},
			{"other texts", nil, []string{"in=" + saved(t, "texts", []byte("b\x00b c\x00\u00fc \x00b cd\x00"))}, []float32{0, 1, 0, 0}},
		} {
			t.Run(delegate+" "+c.name, func(t *testing.T) {
				m := called(t, tflitetest.TextInput(), "", c.values, c.files)
				got, _, err := d.OutputsOf(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got[0].Values); diff != "" {
					t.Error(diff)
				}
				if b, err := d.Run(t.Context(), m, devicetest.Plan()); err != nil || len(b.Samples) == 0 {
					t.Errorf("%+v, %v", b, err)
				}
			})
		}
	}
}

func le(t testing.TB, values any) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, values)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func npy(descr, shape string, data []byte) []byte {
	header := "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }"
	header += strings.Repeat(" ", 117-len(header)) + "\n"
	return append([]byte("\x93NUMPY\x01\x00v\x00"+header), data...)
}

// TestGivenFiles: each element has its own value, from raw bytes and from a .npy, here and on another
// machine, where the file is copied.
func TestGivenFiles(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	here := openReal(t, agent.Options{})
	for _, c := range []struct {
		name, element string
		content       []byte
		want          []float32
	}{
		{"ids.raw", "int32", le(t, []int32{1, -2, 3, 40}), []float32{1, -2, 3, 40}},
		{"ids.npy", "int32", npy("<i4", "(1, 4)", le(t, []int32{1, -2, 3, 40})), []float32{1, -2, 3, 40}},
		{"long.npy", "int64", npy("<i8", "(1, 4)", le(t, []int64{1, -2, 3, 40})), []float32{1, -2, 3, 40}},
		{"real.npy", "float32", npy("<f4", "(1, 4)", le(t, []float32{.5, -2, 3, 40})), []float32{.5, -2, 3, 40}},
		{"mask.npy", "bool", npy("|b1", "(1, 4)", []byte{0, 1, 1, 0}), []float32{0, 1, 1, 0}},
		{"an.odd name=1", "uint8", []byte{9, 8, 7, 255}, []float32{9, 8, 7, 255}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := called(t, tflitetest.Shown(c.element, 0), "", nil, []string{"x=" + saved(t, c.name, c.content)})
			away := board(t, &elsewhere{}, machine.Options{Dir: filepath.Join(t.TempDir(), "latlab")}, agent.Options{})
			defer away.Close()
			for _, d := range []*agent.Device{here, away} {
				got, _, err := d.OutputsOf(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got[0].Values); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(temp, "latlab*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestGivenFileChanges(t *testing.T) {
	file := saved(t, "ids.raw", le(t, []int32{1, 2, 3, 4}))
	m := called(t, tflitetest.Shown("int32", 0), "", nil, []string{"x=" + file})
	if err := os.WriteFile(file, le(t, []int32{5, 6, 7, 8}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openReal(t, agent.Options{}).Run(t.Context(), m, devicetest.Plan())
	if err == nil || devices.FaultOf(err) != devices.FaultModel || !strings.Contains(err.Error(), "the file has changed") {
		t.Errorf("got %v", err)
	}
}

// TestLoopCount: a model whose work an input decides does the work that the value asks for, and the
// proof counts the body of a loop only if it ran.
func TestLoopCount(t *testing.T) {
	data, err := os.ReadFile("testdata/loop.tflite")
	if err != nil {
		t.Fatal(err)
	}
	d := openReal(t, agent.Options{})
	_, none, err := d.OutputsOf(t.Context(), called(t, data, "", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	_, some, err := d.OutputsOf(t.Context(), called(t, data, "", []string{"n=3"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if none.Nodes != 4 || none.Delegated != 1 || some.Nodes != 7 || some.Delegated != 3 {
		t.Errorf("%d of %d nodes without an iteration, %d of %d with three; want 1 of 4 and 3 of 7", none.Delegated, none.Nodes, some.Delegated, some.Nodes)
	}
}

// TestSignatures: the chosen signature runs, and only its nodes are counted.
func TestSignatures(t *testing.T) {
	for _, delegate := range []string{wire.XNNPACK, wire.None} {
		d := openReal(t, agent.Options{Delegate: agent.Delegate{Name: delegate}})
		for _, c := range []struct {
			name, key, ran string
			data           []byte
			want           float32
			nodes          int
		}{
			{"the first without the flag", "", "double", tflitetest.TwoSignatures(), 3, 1},
			{"the first", "double", "double", tflitetest.TwoSignatures(), 3, 1},
			{"the second", "eightfold", "eightfold", tflitetest.TwoSignatures(), 12, 3},
			{"the first is of the second subgraph", "", "eightfold", tflitetest.SecondFirst(), 12, 3},
			{"the second is of the first subgraph", "double", "double", tflitetest.SecondFirst(), 3, 1},
			{"two subgraphs without signatures", "", "", tflitetest.NoSignatures(), 3, 1},
		} {
			t.Run(delegate+" "+c.name, func(t *testing.T) {
				input := "in=1.5"
				if c.ran == "" {
					input = "x=1.5"
				}
				m := called(t, c.data, c.key, []string{input}, nil)
				got, _, err := d.OutputsOf(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				if v := got[0].Values; len(v) != 4 || v[0] != c.want {
					t.Errorf("outputs are %v, want %v", v, c.want)
				}
				b, err := d.Run(t.Context(), m, devicetest.Plan())
				if err != nil {
					t.Fatal(err)
				}
				if b.Signature != c.ran {
					t.Errorf("the block is of signature %q, want %q", b.Signature, c.ran)
				}
				if p := b.Delegation; delegate == wire.XNNPACK && (p.Nodes != c.nodes || p.Delegated != c.nodes || p.Partitions != 1) {
					t.Errorf("the proof is %+v, want all of %d nodes", p, c.nodes)
				}
			})
		}
	}
}

// TestSignatureInputIsWritten: an input of a signature that is of a second subgraph gets its random values too.
func TestSignatureInputIsWritten(t *testing.T) {
	t.Setenv("MALLOC_PERTURB_", "90")
	got, _, err := openReal(t, agent.Options{}).OutputsOf(t.Context(), called(t, tflitetest.TwoSignatures(), "eightfold", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range got[0].Values {
		if v == 0 || math.Abs(float64(v)) > 8 {
			t.Errorf("outputs are %v, want 8 times values in [-1, 1)", got[0].Values)
		}
	}
}
