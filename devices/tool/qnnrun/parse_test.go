package qnnrun

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/sampler/graph"
)

const table = `QNN SDK Version,v2.47.0.260601
Msg Timestamp, Message, Time, Unit of Measurement, Timing Source, Event Level, Event Identifier
1,INIT,9000,US,NETRUN,ROOT,NULL
2,EXECUTE,3301,US,NETRUN,ROOT,Graph 0: tiny_block_decode
3,EXECUTE,4,COUNT,BACKEND,ROOT,Number of HVX threads used
4,EXECUTE,1851,US,BACKEND,ROOT,QNN accelerator (execute) time
5,EXECUTE,149241,CYCLES,BACKEND,ROOT,Accelerator (execute) time (cycles)
6,EXECUTE,13807,CYCLES,BACKEND,SUB-EVENT,_Transpose_3:OpId_119 (cycles)
7,EXECUTE,1700,US,BACKEND,ROOT,Accelerator (execute) time
8,EXECUTE,3278,US,BACKEND,ROOT,QNN (execute) time
9,EXECUTE IPS,300.5,INF/SEC,NETRUN,ROOT,NULL
`

func TestParseProfile(t *testing.T) {
	want := &profile{init: 9000, netRun: []float64{3301}, backend: map[string][]float64{"qnn_accelerator": {1851}, "accelerator": {1700}, "qnn": {3278}},
		cycles: []float64{149241}, ops: []opCycles{{"_Transpose_3:OpId_119", []float64{13807}}}, at: map[string]int{"_Transpose_3:OpId_119": 0}}
	later := strings.ReplaceAll(table, "Event Identifier\n", "Event Identifier,Source Ops\n")
	for name, text := range map[string]string{"as written": table, "CRLF": strings.ReplaceAll(table, "\n", "\r\n"), "a later column": later, "no blanks": strings.ReplaceAll(table, ", ", ",")} {
		got, err := parseProfile(text)
		if err == nil {
			err = got.check(1)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(profile{}, opCycles{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseProfileRefuses(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(table, old, new, 1) }
	for name, text := range map[string]string{
		"nothing":                 "",
		"no header":               swap("Msg Timestamp", "Timestamp"),
		"other columns":           swap("Time, Unit of Measurement", "Unit of Measurement, Time"),
		"half a row":              table + "10,EXECUTE,3301",
		"a word":                  swap(",3301,", ",soon,"),
		"negative":                swap(",3301,", ",-3301,"),
		"zero":                    swap(",3301,", ",0,"),
		"another graph":           swap("Graph 0", "Graph 1"),
		"two executions":          table + "10,EXECUTE,3301,US,NETRUN,ROOT,Graph 0: a\n",
		"two of one time":         table + "10,EXECUTE,1700,US,BACKEND,ROOT,Accelerator (execute) time\n",
		"no number of cycles":     swap(",13807,", ",many,"),
		"an op without a name":    swap("_Transpose_3:OpId_119 (cycles)", ""),
		"more than the execution": swap(",1700,", ",3302,"),
	} {
		p, err := parseProfile(text)
		if err == nil {
			err = p.check(1)
		}
		if err == nil || errors.Is(err, errNoProcessor) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"no accelerator":      strings.NewReplacer("4,EXECUTE,1851,US,BACKEND,ROOT,QNN accelerator (execute) time\n", "", "7,EXECUTE,1700,US,BACKEND,ROOT,Accelerator (execute) time\n", "").Replace(table),
		"none of accelerator": swap(",1700,", ",0,"),
	} {
		p, err := parseProfile(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.check(1); !errors.Is(err, errNoProcessor) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRows: medians, a processor whose ops overlap, and names of every form.
func TestRows(t *testing.T) {
	const us = 1e-6
	p := &profile{
		netRun: []float64{9000, 300, 300}, cycles: []float64{1e6, 1000, 2000}, backend: map[string][]float64{"qnn_accelerator": {5000, 100, 200}},
		ops: []opCycles{{"stem/conv_token_6:OpId_25", []float64{9e5, 400, 800}}, {"Output OpId_3", []float64{9e4, 500, 1000}}},
	}
	g := &graph.Graph{Ops: []graph.Op{{Kind: graph.Conv2D, Name: "stem/conv"}}}
	rows, said, err := p.rows(1, g, tool.Nodes{"stem/conv": 0})
	want := []devices.Layer{
		{Name: "stem/conv_token_6", Op: "conv", Where: "qnn-htp", Nodes: []int{0}, Seconds: 60 * us, Cycles: 600},
		{Name: "Output", Op: "Output", Where: "qnn-htp", Seconds: 75 * us, Cycles: 750},
		{Name: "processor", Op: "overhead", Where: "qnn-htp", Seconds: 15 * us},
		{Name: "call", Op: "overhead", Where: "CPU", Seconds: 150 * us},
	}
	if diff := cmp.Diff(want, rows, cmpopts.EquateApprox(0, 1e-9)); diff != "" || err != nil || len(said) != 1 {
		t.Errorf("%v, %q (-want +got):\n%s", err, said, diff)
	}
	p.ops[1].cycles[2] = 5000
	if rows, said, err = p.rows(1, g, nil); err != nil || len(said) != 2 || len(rows) != 3 {
		t.Errorf("%d rows, %q, %v", len(rows), said, err)
	}
	p.ops[1].cycles = p.ops[1].cycles[:2]
	if _, _, err := p.rows(1, g, nil); err == nil {
		t.Error("an op is missing in an execution")
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add(table)
	f.Add(strings.Replace(table, "_Transpose_3:", "_token_3:", 1))
	f.Add(strings.ReplaceAll(table, "Event Identifier\n", "Event Identifier,Source Ops\n"))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseProfile(text)
		if err != nil {
			return
		}
		for _, x := range p.netRun {
			if !(x > 0) {
				t.Errorf("an execution of %v us", x)
			}
		}
		if p.check(len(p.netRun)) == nil && len(p.netRun) > 0 && p.backend["accelerator"] == nil && p.backend["qnn_accelerator"] == nil {
			t.Error("nothing proves who ran it")
		}
		if p.check(len(p.netRun)) != nil || len(p.netRun) == 0 {
			return
		}
		rows, _, err := p.rows(0, nil, tool.Nodes{"stem/conv": 0})
		for _, r := range rows {
			if r.Name == "" || r.Op == "" || !(r.Seconds >= 0) || math.IsInf(r.Seconds, 0) || !(r.Cycles >= 0) {
				t.Errorf("%+v", r)
			}
		}
		if err == nil && len(rows) < 2 {
			t.Errorf("%d rows", len(rows))
		}
	})
}
