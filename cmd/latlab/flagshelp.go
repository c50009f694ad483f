package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/internal/ui"
	"latlab/internal/version"
)

// The library's own templates are not used: they neither wrap lines nor order groups of flags.

// flagGroups are the groups of flags that verbs share, in the order of their help. A verb's required flags
// come before them in a group of their own, and so do flags that no group has.
func flagGroups() []flagGroup {
	return []flagGroup{
		{"NETWORKS", []string{"space", "n", "seed", "coverage", "fixture", "arch", "archs", "model", "models", "below", "above", "quality", "candidates", "timeout"}},
		{"INPUTS OF A MODEL FILE", []string{"signature", "input-shape", "input-value", "input-file"}},
		{"DEVICE", []string{"device", "threads", "cpus", "precision", "input", "allow-partial", "inventory"}},
		{"TIMING", []string{"protocol", "set", "until", "budget", "again", "profile", "dry-run"}},
		{"STORE", []string{"db", "sweep", "wait"}},
		{"PROGRAMS AND CACHE", []string{"agent", "agent-bundle", "adb", "python", "vela-config", "cache-dir", "cache-size"}},
		{"OUTPUT", []string{"o", "format", "layers", "csv", "top", "sort", "rank", "rank-by", "all", "macs", "quiet", "json"}},
	}
}

type flagGroup struct {
	title string
	flags []string
}

// flagsInNeeds finds the flags of a verb's needs.
var flagsInNeeds = regexp.MustCompile(`(?:^|[ (])--?([a-z][a-z.-]*)`)

func (v *verb) required() []string {
	return mapped(flagsInNeeds.FindAllStringSubmatch(v.needs, -1), func(m []string) string { return m[1] })
}

// groups sorts the verb's flags into groups, the required ones first. Groups may be empty.
func (v *verb) groups() []flagGroup {
	required, names := v.required(), v.flags.names() // the library makes the names anew each time
	all := append([]flagGroup{{"REQUIRED", required}, {title: "OPTIONS"}}, flagGroups()...)
	for _, name := range names {
		if !slices.ContainsFunc(all, func(g flagGroup) bool { return slices.Contains(g.flags, name) }) {
			all[1].flags = append(all[1].flags, name)
		}
	}
	for i := range all[2:] {
		all[i+2].flags = slices.DeleteFunc(all[i+2].flags, func(name string) bool {
			return slices.Contains(required, name) || !slices.Contains(names, name)
		})
	}
	return all
}

// synopsis is the line that names what a verb needs. path is how it is typed.
func (v *verb) synopsis(path string) string {
	words := []string{path, v.needs}
	if len(v.verbs) > 0 && v.flags.wordsName == "" {
		words = append(words, "[VERB]")
	}
	if len(v.flags.flags) > 0 {
		words = append(words, "[options]")
	}
	return strings.Join(slices.DeleteFunc(append(words, v.flags.wordsName), func(w string) bool { return w == "" }), " ")
}

// help is what --help prints.
func (v *verb) help(path string) string {
	var b strings.Builder
	helpText(&b, "NAME", path+" - "+v.usage)
	helpText(&b, "USAGE", v.synopsis(path))
	helpVerbs(&b, v.verbs)
	for _, g := range v.groups() {
		if len(g.flags) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		for _, name := range g.flags {
			head, usage := v.flags.helpOf(name)
			helpEntry(&b, head, usage)
		}
	}
	helpExamples(&b, v.examples)
	if len(v.flags.flags) > 0 {
		b.WriteString("\nVariables (LATLAB_SEED) and latlab.yml set flags too; see latlab man.\n")
	}
	return b.String()
}

// helpOf returns a flag with its value, and what it does.
func (f *flagSet) helpOf(name string) (head, usage string) {
	at := slices.IndexFunc(f.flags, func(flag cli.Flag) bool { return flag.Names()[0] == name })
	flag := f.flags[at].(cli.DocGenerationFlag)
	head, usage = dashed(name), flag.GetUsage()
	before, rest, named := strings.Cut(usage, "`")
	value, after, _ := strings.Cut(rest, "`")
	switch {
	case named:
		head, usage = head+" "+value, before+value+after
	case flag.TakesValue():
		head += " VALUE"
	}
	// Where the help has the default in words, the library's value is empty.
	// So it is where a count has no default: its zero value is nothing that a user could type.
	if value := strings.Trim(flag.GetDefaultText(), `"`); flag.TakesValue() && value != "" && value != "none" && value != "0" {
		usage += " (default: " + value + ")"
	}
	return head, usage
}

// helpColumn is where the texts of verbs and flags begin.
const helpColumn = 24

func helpEntry(b *strings.Builder, head, text string) {
	indent := strings.Repeat(" ", helpColumn-1)
	head = "   " + head
	if len(head) > helpColumn-2 {
		fmt.Fprintln(b, head)
		head = indent
	}
	b.WriteString(ui.WrapIndented(fmt.Sprintf("%-*s", helpColumn-1, head), strings.Fields(text), indent, ui.Columns))
}

func helpText(b *strings.Builder, title, text string) {
	if b.Len() > 0 {
		fmt.Fprintln(b)
	}
	fmt.Fprintf(b, "%s:\n%s", title, ui.WrapIndented("  ", strings.Fields(text), "     ", ui.Columns))
}

func helpVerbs(b *strings.Builder, verbs []*verb) {
	if len(verbs) == 0 {
		return
	}
	fmt.Fprint(b, "\nVERBS:\n")
	for _, v := range verbs {
		if !v.hidden {
			helpEntry(b, v.name, v.usage)
		}
	}
}

// helpExamples breaks no line, so that each can be copied.
func helpExamples(b *strings.Builder, examples []string) {
	if len(examples) > 0 {
		fmt.Fprintf(b, "\nEXAMPLES:\n   %s\n", strings.Join(examples, "\n   "))
	}
}

// firstJob are the examples of latlab itself.
func firstJob() []string {
	return []string{
		"latlab doctor",
		"latlab time --device cpu --fixture mobiledet_cpu",
		"latlab sweep --device cpu --space mobiledet_cpu_ibn -n 300 --db lab.db",
		"latlab fit --db lab.db -o cost.json",
		"latlab report --db lab.db --cost cost.json -o report.html",
	}
}

func (p *program) help() string {
	var b strings.Builder
	helpText(&b, "NAME", "latlab - "+p.app.Usage)
	helpText(&b, "USAGE", "latlab VERB [options]")
	helpText(&b, "VERSION", version.Version)
	helpVerbs(&b, p.verbs)
	b.WriteString("\nOPTIONS:\n")
	helpEntry(&b, "--help", "print this, or behind a verb what the verb takes")
	helpEntry(&b, "--version", "print versions, as the verb version does")
	helpExamples(&b, firstJob())
	helpText(&b, "EXIT CODES", strings.TrimPrefix(p.app.Description, "Exit codes: "))
	return b.String()
}

// setHelp gives the library the texts. It is called when the configuration file has set its defaults.
func (p *program) setHelp() {
	template := func(text string) string { return strings.ReplaceAll(text, "{{", `{{"{{"}}`) }
	var set func(path string, verbs []*verb, commands []*cli.Command)
	set = func(path string, verbs []*verb, commands []*cli.Command) {
		for i, v := range verbs {
			typed := path + " " + v.name
			commands[i].CustomHelpTemplate = template(v.help(typed))
			commands[i].UsageText = v.synopsis(typed)
			set(typed, v.verbs, commands[i].Subcommands)
		}
	}
	p.app.CustomAppHelpTemplate = template(p.help())
	set("latlab", p.verbs, p.app.Commands)
}
