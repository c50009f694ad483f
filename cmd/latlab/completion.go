package main

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/bench/store"
	"latlab/devices/inventory"
	"latlab/exporters/lut"
	"latlab/fixtures"
	"latlab/internal/text"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/model"
)

//go:embed completion
var completionScripts embed.FS

// Each shell has a script, which runs `latlab completion words` whenever the user presses Tab.
// The library's scripts are not used: the one for bash needs the package bash-completion, passes
// the line to eval, and cannot distinguish a flag from its value.
func completionVerb(p *program) *verb {
	o := &completionOptions{}
	v := &verb{name: "completion", usage: "print the script with which a shell completes verbs, flags and values", options: o, examples: []string{
		"source <(latlab completion bash)",
		"latlab completion fish > ~/.config/fish/completions/latlab.fish",
	}}
	for _, file := range []string{"bash.sh", "zsh.sh", "fish.fish", "powershell.ps1"} {
		shell, _, _ := strings.Cut(file, ".")
		o.shells = append(o.shells, shell)
		v.verbs = append(v.verbs, &verb{name: shell, usage: "print the script of " + shell, options: printed(func() (string, error) {
			script, err := completionScripts.ReadFile("completion/" + file)
			return string(script), err
		})})
	}
	v.verbs = append(v.verbs, &verb{
		name: "words", usage: "print possible next words of a line, for the scripts", hidden: true, options: &wordsOptions{program: p},
	})
	return v
}

// completionOptions are those of completion without a known shell.
type completionOptions struct{ words, shells []string }

func (o *completionOptions) register(f *flagSet) { f.arguments(&o.words, "SHELL") }

func (o *completionOptions) run(context.Context, streams) error {
	if len(o.words) == 0 {
		return usagef("the shell is missing; `latlab completion SHELL` supports %s", text.Or(o.shells))
	}
	return usagef("no script for the shell %q%s; known: %s", o.words[0], text.DidYouMean(o.words[0], o.shells), text.Or(o.shells))
}

type wordsOptions struct {
	program *program
	line    []string
}

func (o *wordsOptions) register(f *flagSet) { f.arguments(&o.line, "WORD...") }

func (o *wordsOptions) run(_ context.Context, s streams) error {
	return completeWords(s.out, o.program.verbs, o.line)
}

// completeWords prints the candidates for the last word of line, one a line, each with a tab and
// its usage. line has the words after latlab; the last is "" where it is not begun. No candidate
// means a file, or a value that only the user knows.
func completeWords(w io.Writer, verbs []*verb, line []string) error {
	if len(line) == 0 {
		line = []string{""}
	}
	last := len(line) - 1
	if line[last] == `""` {
		line[last] = ""
	}
	for _, c := range candidates(verbs, line[:last], line[last]) {
		if !strings.HasPrefix(c.word, line[last]) {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\n", c.word, strings.ReplaceAll(c.use, "`", "")); err != nil {
			return err
		}
	}
	return nil
}

type candidate struct{ word, use string }

func candidates(verbs []*verb, before []string, word string) []candidate {
	withHelp := append(slices.Clone(verbs), &verb{name: helpVerb, usage: "Shows a list of commands or help for one command"})
	if len(before) == 0 {
		if strings.HasPrefix(word, "-") {
			return []candidate{{"--help", "show help"}, {"-h", "show help"}}
		}
		return verbCandidates(withHelp)
	}
	v := findVerb(verbs, before[0])
	switch {
	case before[0] == helpVerb && len(before) == 1:
		return verbCandidates(withHelp)
	case v == nil || slices.Contains(before, "--"):
		return nil
	}
	given := before[1:]
	if len(given) > 0 {
		if within := findVerb(v.verbs, given[0]); within != nil {
			v, given = within, given[1:]
		}
	}
	if len(given) > 0 {
		name, dashed := strings.CutPrefix(given[len(given)-1], "-")
		name = strings.TrimPrefix(name, "-")
		switch {
		case !dashed || strings.Contains(name, "=") || !v.flags.takesValue(name):
		case name == "sweep" || name == "baseline":
			return sweepCandidates(given, "", word)
		default:
			return valueCandidates(v.name, name, "", word)
		}
	}
	if flag, value, ok := strings.Cut(word, "="); ok && strings.HasPrefix(flag, "-") {
		if flag == "--sweep" || flag == "--baseline" {
			return sweepCandidates(given, flag+"=", value)
		}
		return valueCandidates(v.name, strings.TrimLeft(flag, "-"), flag+"=", value)
	}
	switch {
	case strings.HasPrefix(word, "-"):
		return flagCandidates(v.flags.infos(), given)
	case strings.Contains(v.flags.wordsName, "SWEEP") || v.name == "compare":
		return sweepCandidates(given, "", word)
	case len(given) > 0:
		return nil
	case v.name == "check" || v.name == "clean":
		return valueCandidates(v.name, "device", "", word)
	}
	return verbCandidates(v.verbs)
}

func verbCandidates(verbs []*verb) []candidate {
	var found []candidate
	for _, v := range verbs {
		if !v.hidden {
			found = append(found, candidate{v.name, v.usage})
		}
	}
	return found
}

// flagCandidates omits flags that are on the line and cannot be repeated.
func flagCandidates(flags []flagInfo, given []string) []candidate {
	var found []candidate
	for _, f := range flags {
		flag := dashed(f.name)
		there := func(g string) bool { return g == flag || strings.HasPrefix(g, flag+"=") }
		if f.repeat || !slices.ContainsFunc(given, there) {
			found = append(found, candidate{word: flag, use: f.usage})
		}
	}
	return found
}

// valueCandidates are a flag's values, after what the word already has: "--flag=", and in a list
// the earlier values.
func valueCandidates(verb, flag, prefix, value string) []candidate {
	if flag == "device" {
		if i := strings.LastIndexByte(value, ','); i >= 0 {
			prefix += value[:i+1]
		}
	}
	return mapped(flagValues(verb, flag), func(v string) candidate { return candidate{word: prefix + v} })
}

// sweepsTimeout keeps the user from waiting for a store on a slow disk.
const sweepsTimeout = 2 * time.Second

// sweepCandidates are the ids of the sweeps in the store of --db on the line, in the environment, or in
// the word itself: FILE#ID. A store that cannot be read has none.
func sweepCandidates(given []string, prefix, word string) []candidate {
	file := cmp.Or(flagOnLine(given, "--db"), os.Getenv("LATLAB_DB"))
	if i := strings.LastIndexAny(word, "#,"); i >= 0 {
		prefix += word[:i+1]
		if word[i] == '#' {
			file = word[:i]
		}
	}
	if home, rest := os.Getenv("HOME"), strings.TrimPrefix(file, "~/"); rest != file {
		file = filepath.Join(home, rest)
	}
	ctx, cancel := context.WithTimeout(context.Background(), sweepsTimeout)
	defer cancel()
	st, err := store.OpenRead(ctx, file)
	if err != nil {
		return nil
	}
	defer st.Close()
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return nil
	}
	return mapped(sweeps, func(m bench.Sweep) candidate {
		return candidate{prefix + m.ID, fmt.Sprintf("%s%s on %s, %s, %s", sweepNetworks(m), runWords(m.Run), m.Device.Name, m.Precision, m.Protocol.Name)}
	})
}

// flagOnLine is the value of a flag among words, "" where it is not there.
func flagOnLine(words []string, flag string) string {
	for i, word := range words {
		if value, joined := strings.CutPrefix(word, flag+"="); joined {
			return value
		}
		if word == flag && i+1 < len(words) {
			return words[i+1]
		}
	}
	return ""
}

// flagValues are a flag's known values. To be fast, it reads no file but the inventory, and asks
// no phone or remote machine.
func flagValues(verb, flag string) []string {
	switch flag {
	case "device":
		l, err := inventory.New(inventory.Options{File: os.Getenv("LATLAB_INVENTORY")})
		if err != nil {
			return nil
		}
		return l.Names()
	case "space":
		return sampler.BuiltinNames()
	case "fixture":
		return fixtures.Names()
	case "protocol":
		return protocol.Presets()
	case "precision":
		return texts([]model.Precision{model.Float32, model.Int8})
	case "method":
		return texts(regress.Methods())
	case "rank-by":
		return []string{rankByLatency, rankByMACs}
	case "quality":
		return []string{qualityMACs}
	case "sort":
		return texts(bench.RankOrders())
	case "dialect":
		return texts(lut.Dialects())
	case "format":
		return formatValues(verb)
	}
	return nil
}

func formatValues(verb string) []string {
	switch verb {
	case "compile":
		return texts([]model.Format{model.TFLite, model.ONNX})
	case "report":
		return reportFormatNames()
	case "export":
		names := mapped(exportFormats(), func(f exportFormat) string { return f.name })
		slices.Sort(names)
		return slices.Compact(names)
	}
	return nil
}
