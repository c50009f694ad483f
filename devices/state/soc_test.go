package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSoC(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"none, as on a PC", nil, ""},
		{"the SoC bus", map[string]string{
			"sys/devices/soc0/family": "Snapdragon\n", "sys/devices/soc0/machine": "SM8150\n", "sys/devices/soc0/soc_id": "339\n",
			"proc/device-tree/model": "a board\x00",
		}, "Snapdragon SM8150 339"},
		{"the device tree", map[string]string{"proc/device-tree/model": "Jetson-AGX\x00"}, "Jetson-AGX"},
		{"garbage", map[string]string{"sys/devices/soc0/family": "\x00\xff\x1b[2J\n\n", "sys/devices/soc0/machine": strings.Repeat("x", 4096)}, "[2J " + strings.Repeat("x", maxWord)},
		{"empty", map[string]string{"sys/devices/soc0/family": ""}, ""},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			full := filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := SoC(root); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
