package state

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// SoC names the system on chip of the machine whose /proc and /sys are below root, in its
// kernel's words: family, machine and number of the SoC bus (Linux,
// Documentation/ABI/testing/sysfs-devices-soc), else the model of the device tree, which
// names the board. Empty where neither is there, as on PCs, whose CPU model says as much.
func SoC(root string) string {
	var parts []string
	for _, name := range []string{"family", "machine", "soc_id"} {
		if text := readWord(filepath.Join(root, "sys/devices/soc0", name)); text != "" {
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		return readWord(filepath.Join(root, "proc/device-tree/model"))
	}
	return strings.Join(parts, " ")
}

// maxWord bounds what is read of a file that should hold a name.
const maxWord = 128

// readWord is a file's text without what no name has: the device tree ends texts with a
// zero byte, and a broken driver may say anything.
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

// plain makes a space of what no name has.
func plain(r rune) rune {
	if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
		return ' '
	}
	return r
}
