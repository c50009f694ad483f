package tool

import "strings"

// Clip makes what a machine said one line of text of at most so many bytes, and "..." where there
// was more.
func Clip(s string, most int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
