package state

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// SoC returns the name of the system on chip of the machine whose /proc and /sys are below
// root, as its kernel reports it: family, machine and number of the SoC bus (Linux,
// Documentation/ABI/testing/sysfs-devices-soc), or else the model of the device tree, which
// names the board. It is empty if both are missing, as on PCs, which are described by their
// CPU model.
func SoC(root string) string {
	name := socName(func(path string) string { return readWord(filepath.Join(root, path)) })
	if name == "" {
		name = readWord(filepath.Join(root, "proc/device-tree/model"))
	}
	return name
}

// socName joins the SoC bus's words.
func socName(read func(path string) string) string {
	var words []string
	for _, name := range []string{"family", "machine", "soc_id"} {
		if w := read("sys/devices/soc0/" + name); w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// maxWord limits what is read of a file that should hold a name.
const maxWord = 128

// readWord reads a file's text and removes characters that names do not have: the device tree
// ends texts with a zero byte, and a broken driver may print anything.
func readWord(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxWord))
	if err != nil {
		return ""
	}
	return word(string(text))
}

// plain replaces characters that names do not have by spaces.
func plain(r rune) rune {
	if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
		return ' '
	}
	return r
}
