package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"latlab/bench/store"
	"latlab/internal/ui"

	"golang.org/x/sys/unix"
)

// column is a column of a table that has a line for each element.
func column[T any](all []T, head string, weight int, cell func(T) string) ui.Column {
	return ui.Column{Head: head, Weight: weight, Cells: mapped(all, cell)}
}

// mapped returns what f makes of each element.
func mapped[T, U any](all []T, f func(T) U) []U {
	made := make([]U, len(all))
	for i, one := range all {
		made[i] = f(one)
	}
	return made
}

// texts converts names of any type.
func texts[T ~string](names []T) []string {
	return mapped(names, func(n T) string { return string(n) })
}

// writeError names the output file instead of the temporary file that the error is about.
func writeError(path string, err error) error {
	var where *fs.PathError
	switch {
	case !errors.As(err, &where):
		return err
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("cannot write %s: the disk is full; the previous content is kept", path)
	}
	return fmt.Errorf("cannot write %s: %w", path, where.Err)
}

// stdoutPath is the path that means stdout.
const stdoutPath = "-"

// outputOptions are the options of a verb that writes a file or a folder.
type outputOptions struct {
	out   string
	json  bool
	flags *flagSet
}

func (o *outputOptions) register(f *flagSet, usage string) {
	o.flags = f
	f.output(&o.out, usage)
	f.bool(&o.json, "json", "print JSON")
}

// jsonTyped reports whether --json is on the command line, not only in the environment.
func (o *outputOptions) jsonTyped() bool { return o.json && o.flags.typed("json") }

// outPath reads -o, which may be missing, and refuses paths that must not be written. folder
// names what is written as several files, "" where the output is one file. /dev/stdout means
// stdout: opened by its name, a file that the shell redirected stdout to would be replaced.
func outPath(o outputOptions, folder string, inputs ...string) (string, error) {
	out := o.out
	if slices.Contains([]string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}, out) {
		out = stdoutPath
	}
	switch {
	case out != stdoutPath:
		if err := notOver("o", out, inputs...); err != nil {
			return "", err
		}
		return out, fits("o", out, folder)
	case folder != "":
		return "", usagef("%s is a folder of files; -o names it", folder)
	case o.jsonTyped():
		return "", usagef("--json prints to stdout, where the result goes; leave it out or name a file with -o")
	}
	return out, nil
}

// fits refuses a path that cannot be written, before an hour's fit is lost.
func fits(flag, out, folder string) error {
	switch {
	case folder != "" && isFile(out):
		return usagef("%s %s is a file; %s is a folder of files", dashed(flag), out, folder)
	case folder != "" && !canBeFolder(out):
		return usagef("%s %s cannot be a folder; %s is a folder of files", dashed(flag), out, folder)
	case folder != "":
		return nil
	case isFolder(out):
		return usagef("%s %s is a folder; name a file", dashed(flag), out)
	case !isFolder(filepath.Dir(out)):
		return usagef("%s %s: there is no folder %s", dashed(flag), out, filepath.Dir(out))
	}
	return nil
}

// canBeFolder reports whether a path is a folder, or one can be made: all of it that exists is one.
func canBeFolder(path string) bool {
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if info, err := os.Stat(p); err == nil {
			return info.IsDir()
		}
		if _, err := os.Lstat(p); err == nil || p == filepath.Dir(p) {
			return err != nil // a link that leads nowhere stands in the way
		}
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// notOver refuses to overwrite an input of the command, and any store with its log, so that a
// slip does not replace the sweep of a week by a page. Links are followed. Call it before a store
// is opened: closing a second descriptor of the file would drop SQLite's locks.
func notOver(flag, out string, inputs ...string) error {
	for _, part := range []string{"-wal", "-shm", "-journal", ".lock"} {
		if path, is := strings.CutSuffix(out, part); is && store.IsDatabase(path) {
			return usagef("%s %s would be taken for a part of the store %s; name another file", dashed(flag), out, path)
		}
	}
	there, err := os.Stat(out)
	if err != nil {
		return nil //nolint:nilerr // a missing file is no input
	}
	for _, in := range inputs {
		if read, err := os.Stat(in); err == nil && os.SameFile(there, read) {
			return usagef("%s %s would write over %s, which is read here; name another file", dashed(flag), out, in)
		}
	}
	if there.Mode().IsRegular() && store.IsDatabase(out) {
		return usagef("%s %s would write over a store (it is an SQLite file); name another file, or delete that one first", dashed(flag), out)
	}
	return nil
}

// untilInterrupted makes the first interrupt end the context, so that no incomplete file is
// left. The second interrupt kills the process, which may be waiting at a pipe.
func untilInterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// endingWriter fails when its context ends, for renderers that take no context.
type endingWriter struct {
	ctx context.Context //nolint:containedctx // it lives for one write, and io.Writer takes no context
	w   io.Writer
}

func (e endingWriter) Write(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.w.Write(p)
}

// outputError explains why the output was not written; out is "-" for stdout and "" for no output.
func outputError(ctx context.Context, out string, err error) error {
	interrupted := errors.Is(err, context.Canceled) || err != nil && ctx.Err() != nil
	switch {
	case interrupted && out == "":
		return withCode(exitInterrupted, errors.New("interrupted"))
	case interrupted && out == stdoutPath:
		// Part of the output is already written.
		return withCode(exitInterrupted, errors.New("interrupted; the output on stdout is incomplete"))
	case interrupted:
		return withCode(exitInterrupted, fmt.Errorf("interrupted; %s is unchanged", out))
	case out == stdoutPath:
		return err
	}
	return writeError(out, err)
}
