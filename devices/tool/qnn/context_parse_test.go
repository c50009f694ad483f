package qnn

import (
	"strings"
	"testing"
)

const wholeAnswer = `{"whole":true,"graphs":[{"provider":"QNNExecutionProvider","ops":{"Conv":1}}],"files":["context_qnn.bin"],"inputs":[{"name":"x","type":"tensor(uint8)","shape":[1,3,32,32]}]}`

func TestParseContext(t *testing.T) {
	a, err := parseContext(wholeAnswer)
	if err != nil || a.Files[0] != "context_qnn.bin" {
		t.Fatalf("%+v, %v", a, err)
	}
	if n, err := a.Inputs[0].bytes(); n != 3072 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	for name, change := range map[string][2]string{
		"a path":         {"context_qnn.bin", "../context.bin"},
		"no file":        {`["context_qnn.bin"]`, `[]`},
		"two files":      {`["context_qnn.bin"]`, `["a.bin","b.bin"]`},
		"a free extent":  {"[1,3,32,32]", `[1,"n",32,32]`},
		"no extent":      {"[1,3,32,32]", "[1,0,32,32]"},
		"too large":      {"[1,3,32,32]", "[1,300000,32000,32000]"},
		"another type":   {"tensor(uint8)", "seq(tensor(string))"},
		"no inputs":      {`[{"name":"x","type":"tensor(uint8)","shape":[1,3,32,32]}]`, "[]"},
		"not whole":      {`"whole":true`, `"whole":false`},
		"another field":  {`"whole"`, `"half"`},
		"no nodes":       {`{"Conv":1}`, `{}`},
		"nodes are left": {"QNNExecutionProvider", "CPUExecutionProvider"},
	} {
		if a, err := parseContext(strings.Replace(wholeAnswer, change[0], change[1], 1)); err == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func FuzzParseContext(f *testing.F) {
	f.Add(wholeAnswer)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseContext(text)
		if err != nil || !a.Whole {
			return
		}
		for _, i := range a.Inputs {
			if n, err := i.bytes(); err != nil || n < 1 || n > maxTensor {
				t.Errorf("%+v has %d bytes, %v", i, n, err)
			}
		}
	})
}
