package main

import (
	"cmp"
	"embed"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/devices/inventory"
	"latlab/exporters/lut"
	"latlab/fixtures"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/model"
)

//go:embed completion
var completionScripts embed.FS

// shells have a script each, which asks `latlab completion words` at every press of the key.
// The library's own scripts are not used: its bash one wants the package bash-completion and
// gives the line to eval, and it cannot tell the value of a flag from the flag.
func shells() []struct{ name, file string } {
	return []struct{ name, file string }{
		{"bash", "bash.sh"}, {"zsh", "zsh.sh"}, {"fish", "fish.fish"}, {"powershell", "powershell.ps1"},
	}
}

func completionCommand(s streams) *cli.Command {
	cmd := &cli.Command{
		Name: "completion", Usage: "print the script with which a shell completes verbs, flags and values", ArgsUsage: "SHELL",
		Action: func(c *cli.Context) error {
			var names []string
			for _, shell := range shells() {
				names = append(names, shell.name)
			}
			if !c.Args().Present() {
				return usagef("which shell? `latlab completion SHELL` knows %s", ui.Or(names))
			}
			word := c.Args().First()
			return usagef("there is no script for the shell %q%s; there are %s", word, didYouMean(word, names), ui.Or(names))
		},
	}
	for _, shell := range shells() {
		cmd.Subcommands = append(cmd.Subcommands, &cli.Command{
			Name: shell.name, Usage: "print the script of " + shell.name, OnUsageError: onUsage, HideHelpCommand: true,
			Action: func(c *cli.Context) error {
				if err := noArguments(c); err != nil {
					return err
				}
				text, err := completionScripts.ReadFile("completion/" + shell.file)
				if err != nil {
					return err
				}
				_, err = s.out.Write(text)
				return err
			},
		})
	}
	cmd.Subcommands = append(cmd.Subcommands, &cli.Command{
		Name: "words", Usage: "what may follow the words of a line; the scripts ask", Hidden: true, HideHelpCommand: true,
		Action: func(c *cli.Context) error { return completeWords(s.out, c.App, c.Args().Slice()) },
	})
	return cmd
}

// completeWords prints what the last word may become, one a line, with a tab and its use. The
// words are those after latlab, the last is "" where it is not begun. Nothing means a file or
// what only the user knows.
func completeWords(w io.Writer, app *cli.App, line []string) error {
	if len(line) == 0 {
		line = []string{""}
	}
	last := len(line) - 1
	if line[last] == `""` {
		line[last] = ""
	}
	for _, c := range candidates(app, line[:last], line[last]) {
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

func candidates(app *cli.App, before []string, word string) []candidate {
	if len(before) == 0 {
		if strings.HasPrefix(word, "-") {
			return flagCandidates(app.VisibleFlags(), nil)
		}
		return verbCandidates(app.Commands)
	}
	cmd := app.Command(before[0])
	if cmd == nil || slices.Contains(before, "--") {
		return nil
	}
	given := before[1:]
	if len(given) > 0 {
		if sub := cmd.Command(given[0]); sub != nil {
			cmd, given = sub, given[1:]
		}
	}
	if len(given) > 0 {
		name, dashed := strings.CutPrefix(given[len(given)-1], "-")
		name = strings.TrimPrefix(name, "-")
		if dashed && !strings.Contains(name, "=") && takesValue(cmd, name) {
			return valueCandidates(cmd.Name, name, "", word)
		}
	}
	if flag, value, ok := strings.Cut(word, "="); ok && strings.HasPrefix(flag, "-") {
		return valueCandidates(cmd.Name, strings.TrimLeft(flag, "-"), flag+"=", value)
	}
	switch {
	case strings.HasPrefix(word, "-"):
		return flagCandidates(cmd.VisibleFlags(), given)
	case len(given) > 0:
		return nil
	case cmd.Name == "help":
		return verbCandidates(app.Commands)
	case cmd.Name == "check" || cmd.Name == "clean":
		return valueCandidates(cmd.Name, "device", "", word)
	}
	return verbCandidates(cmd.Subcommands)
}

func verbCandidates(commands []*cli.Command) []candidate {
	var found []candidate
	for _, c := range commands {
		if !c.Hidden {
			found = append(found, candidate{c.Name, c.Usage})
		}
	}
	return found
}

// flagCandidates leaves out flags that the line has and that may be given once.
func flagCandidates(flags []cli.Flag, given []string) []candidate {
	var found []candidate
	for _, f := range flags {
		for _, name := range f.Names() {
			dashed := "--" + name
			if len(name) == 1 {
				dashed = "-" + name
			}
			_, again := f.(*cli.StringSliceFlag)
			if !again && slices.ContainsFunc(given, func(g string) bool { return g == dashed || strings.HasPrefix(g, dashed+"=") }) {
				continue
			}
			use := ""
			if d, ok := f.(cli.DocGenerationFlag); ok {
				use = d.GetUsage()
			}
			found = append(found, candidate{word: dashed, use: use})
		}
	}
	return found
}

// valueCandidates are a flag's values, behind what the word has before them: "--flag=", and of
// a list the ones that are there.
func valueCandidates(verb, flag, prefix, value string) []candidate {
	if flag == "device" {
		if i := strings.LastIndexByte(value, ','); i >= 0 {
			prefix += value[:i+1]
		}
	}
	var found []candidate
	for _, v := range flagValues(verb, flag) {
		found = append(found, candidate{word: prefix + v})
	}
	return found
}

// flagValues are those of a flag that are known without a file of the user's other than the
// inventory, and without asking a phone or another machine: a key was pressed.
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
		return bench.Presets()
	case "precision":
		return []string{string(model.Float32), string(model.Int8)}
	case "method":
		return []string{string(regress.Ops), string(regress.Indicator), string(regress.MACs)}
	case "rank-by":
		return []string{rankByLatency, rankByMACs}
	case "dialect":
		return dialectNames()
	case "format":
		return formatValues(verb)
	}
	return nil
}

func dialectNames() []string {
	var names []string
	for _, d := range lut.Dialects() {
		names = append(names, string(d))
	}
	return names
}

func formatValues(verb string) []string {
	switch verb {
	case "compile":
		return []string{string(model.TFLite), string(model.ONNX)}
	case "report":
		return reportFormatNames()
	case "export":
		var names []string
		for _, f := range exportFormats() {
			names = append(names, f.name)
		}
		slices.SortFunc(names, cmp.Compare[string])
		return slices.Compact(names)
	}
	return nil
}
