package inventory

import (
	"fmt"
	"slices"
	"strings"

	"latlab/devices/agent"
	"latlab/devices/tool"
	"latlab/devices/tool/benchmarkmodel"
	"latlab/devices/tool/edgetpu"
	"latlab/devices/tool/qnnrun"
	"latlab/devices/tool/trtexec"
)

// tools are the programs that measure on devices of the file, the default first. A new one is a
// package and a line here.
func tools() []tool.Tool {
	return []tool.Tool{
		edgetpu.Compiled(agent.Tool()),
		edgetpu.Compiled(benchmarkmodel.Tool()),
		trtexec.Tool(),
		qnnrun.Tool(),
	}
}

func toolNames() (names []string) {
	for _, t := range tools() {
		names = append(names, t.Name)
	}
	return names
}

// documented is a field with the tools that have it; empty = all.
type documented struct {
	tool.Field
	tools []string
}

// documentedFields are all fields of the file.
func documentedFields() (fields []documented) {
	e := &entry{}
	for _, f := range e.placeFields() {
		fields = append(fields, documented{Field: f})
	}
	for _, f := range e.runtimeFields() {
		fields = append(fields, documented{Field: f, tools: toolsWith(f.Name)})
	}
	for _, t := range tools() {
		for _, f := range t.New().Fields() {
			same := func(d documented) bool { return d.Name == f.Name && d.Means == f.Means }
			if i := slices.IndexFunc(fields, same); i >= 0 {
				fields[i].tools = append(fields[i].tools, t.Name)
			} else {
				fields = append(fields, documented{f, []string{t.Name}})
			}
		}
	}
	for _, f := range e.machineFields() {
		fields = append(fields, documented{Field: f})
	}
	return fields
}

// has reports whether a tool has a field that not all tools have.
func has(t tool.Tool, field string) bool {
	switch field {
	case "delegate":
		return len(t.Delegates) > 0
	case "threads":
		return t.Threads
	}
	return slices.ContainsFunc(t.New().Fields(), func(f tool.Field) bool { return f.Name == field })
}

func toolsWith(field string) (names []string) {
	for _, t := range tools() {
		if has(t, field) {
			names = append(names, t.Name)
		}
	}
	return names
}

// FieldsDocument generates the tables of docs/devices.md: the fields of a device, and the delegates
// and precisions of each tool.
func FieldsDocument() string {
	var b strings.Builder
	b.WriteString("| field | value | of | |\n|---|---|---|---|\n")
	for _, f := range documentedFields() {
		of := "all"
		if f.tools != nil {
			of = strings.Join(f.tools, ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Form, of, f.Means)
	}
	b.WriteString("\n| tool | delegates, the default first | precisions, the default first |\n|---|---|---|\n")
	for _, t := range tools() {
		delegates := strings.Join(delegateNames(t), ", ")
		if delegates == "" {
			delegates = "its own"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", t.Name, delegates, joined(t.Precisions))
	}
	return b.String()
}

func delegateNames(t tool.Tool) (names []string) {
	for _, d := range t.Delegates {
		names = append(names, d.Name)
	}
	return names
}

// joined joins words with commas.
func joined[W ~string](words []W) string {
	var texts []string
	for _, w := range words {
		texts = append(texts, string(w))
	}
	return strings.Join(texts, ", ")
}
