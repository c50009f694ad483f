package inventory

import (
	"slices"
	"strings"
	"unicode"

	"latlab/devices"
)

// sentence is what an error says to whoever asked about this device: not again what was being
// done, but where in the file a mistake is, and what is advised.
func sentence(e *devices.Error) string {
	text := e.Err.Error()
	if e.Fault == devices.FaultUser && strings.Contains(e.Op, ":") && !strings.Contains(e.Op, " ") {
		text = e.Op + ": " + text
	}
	if e.Advice != "" && oneLine(e.Advice) != toType(e.Advice) {
		text += " (" + e.Advice + ")"
	}
	return oneLine(text)
}

// toType is the command in a piece of advice, "" where there is none: it is all of it, or
// stands between backquotes in a sentence.
func toType(advice string) string {
	program, _, _ := strings.Cut(advice, " ")
	if slices.Contains([]string{"adb", "latlab", "make", "ssh", "ssh-add", "ssh-copy-id", "ssh-keygen", "sudo"}, program) {
		return oneLine(advice)
	}
	_, rest, _ := strings.Cut(advice, "`")
	command, _, closed := strings.Cut(rest, "`")
	if !closed {
		return ""
	}
	return oneLine(command)
}

// oneLine keeps what a device or file says on one line, and from being obeyed by a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}
