package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"latlab/internal/text"
	"latlab/internal/ui"
	"latlab/sampler"
)

type resolver func(name string) (*sampler.Space, error)

// openInput opens a file of networks, or stdin for "-". A user who waits at a terminal is told that stdin is read.
func openInput(s streams, path string) (io.ReadCloser, string, error) {
	if path == "-" {
		if f, isFile := s.in.(*os.File); isFile && ui.IsTerminal(f) {
			fmt.Fprintln(s.err, `reading networks from stdin, JSON lines such as {"space":"NAME","indices":"0:3:1"}; Ctrl-D ends them`)
		}
		return io.NopCloser(s.in), "stdin", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, path, withCode(exitUsage, err)
	}
	if err := text.CheckKind(f, text.Networks); err != nil {
		return nil, path, errors.Join(withCode(exitUsage, err), f.Close())
	}
	return f, path, nil
}

// eachLine calls f for every network of JSON lines. It reports an unusable line with file and
// line number, continues with the others, and then returns exit code 3. Where no line is usable it
// reports only a few and returns exit code 2.
func eachLine(s streams, in io.Reader, name string, find resolver, f func(sampler.Arch) error) error {
	lines := sampler.BadLines{Report: func(err error) { fmt.Fprintf(s.err, "latlab: %s\n", ui.OneLine(err)) }}
	for a, err := range sampler.ReadJSONL(in, name, find) {
		switch {
		case wraps[*sampler.LineError](err):
			lines.Bad(err)
		case err != nil:
			return err
		default:
			lines.Good()
			if err := f(a); err != nil {
				return err
			}
		}
	}
	switch {
	case lines.Usable() && lines.Count == 0:
		return nil
	case lines.Usable():
		fmt.Fprintf(s.err, "latlab: %s: %s skipped\n", name, ui.Plural(lines.Count, "line"))
		return exitSilently(exitPartial)
	case lines.Count == 0:
		return usagef("%s has no network", name)
	}
	return usagef("%s: no line is a network%s", name, lines.Shown())
}

// anySpace finds built-in spaces and the space of --space, a name or a file.
func anySpace(own string) resolver {
	found := map[string]*sampler.Space{}
	return func(name string) (*sampler.Space, error) {
		if sp := found[name]; sp != nil {
			return sp, nil
		}
		sp, err := lookUp(own, name)
		found[name] = sp
		return sp, err
	}
}

func lookUp(own, name string) (*sampler.Space, error) {
	if own != "" {
		sp, err := findSpace(own)
		if err != nil {
			return nil, err
		}
		if sp.Name == name {
			return sp, nil
		}
	}
	sp, err := sampler.Builtin(name)
	if err != nil && own == "" {
		err = fmt.Errorf("%w; a space of your own needs --space FILE.yaml", err)
	}
	return sp, err
}

func onlySpace(sp *sampler.Space) resolver {
	return func(name string) (*sampler.Space, error) {
		if name != sp.Name {
			return nil, fmt.Errorf("space %q, but the cost model is of %s", name, sp.Name)
		}
		return sp, nil
	}
}
