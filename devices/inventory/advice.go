package inventory

import (
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
)

// sentence is an error's text in the status of a device. It leaves out the operation, which is
// obvious there, but keeps the position in the file and the advice.
func sentence(e *devices.Error) string {
	says := e.Err.Error()
	if e.Fault == devices.FaultUser && strings.Contains(e.Op, ":") && !strings.Contains(e.Op, " ") {
		says = e.Op + ": " + says
	}
	if e.Advice != "" && oneLine(e.Advice) != toType(e.Advice) {
		says += " (" + e.Advice + ")"
	}
	return oneLine(says)
}

// toType returns the command in a piece of advice: all of it, or the part in backquotes; "" if
// there is none.
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

// oneLine joins the lines of a text from a device or file and removes terminal escapes.
func oneLine(s string) string { return text.Line(s, 4<<10) }
