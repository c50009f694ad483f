package state

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"latlab/devices/transport"
)

// Identity describes a machine. Every text is one printable line, empty if the machine does
// not report it.
type Identity struct {
	Model    string `json:"model,omitempty"`     // "Google Pixel 6", "Raspberry Pi 4 Model B Rev 1.4"
	SoC      string `json:"soc,omitempty"`       // "Google Tensor", "Tegra Orin 35"
	OS       string `json:"os,omitempty"`        // "Android 13", "Debian GNU/Linux 12 (bookworm)"
	Build    string `json:"build,omitempty"`     // Android's build fingerprint, "L4T R35.4.1"
	Arch     string `json:"arch,omitempty"`      // of the kernel, with Go's names: "arm64"
	CPUModel string `json:"cpu_model,omitempty"` // "4x Cortex-A55 + 2x Cortex-A76 + 2x Cortex-X1"
	CPUs     int    `json:"cpus,omitempty"`      // online or not; 0 = unknown
	// Fingerprint combines the fields above, for devices.Info. The kernel's version is left out:
	// see devices/agent.
	Fingerprint map[string]string `json:"fingerprint,omitempty"`
}

//go:embed identity.sh
var identityScript string

// Identify reads what a machine is, in one round trip. Errors are those of Over.
func Identify(ctx context.Context, t transport.Starter) (Identity, error) {
	return identifyBelow(ctx, t, "")
}

// identifyBelow is Identify with a different root of /proc, /sys and /etc, for recorded trees.
func identifyBelow(ctx context.Context, t transport.Starter, root string) (Identity, error) {
	parts, err := ask(ctx, t, question{op: "ask the device what it is", script: identityScript, root: root, timeout: identifyTimeout})
	if err != nil {
		return Identity{}, err
	}
	return identity(parts, root), nil
}

const identifyTimeout = 30 * time.Second

func identity(parts map[string]string, root string) Identity {
	files := readSnapshot(parts["files"], parts["texts"], root)
	t := tree{files}
	cores := readCores(parts["cpuinfo"])
	id := Identity{Arch: goArch(word(parts["arch"])), CPUModel: cores.model, CPUs: cores.count}
	if text, err := t.text(cpuDir + "present"); err == nil {
		id.CPUs = max(id.CPUs, len(cpuList(text)))
	}
	if props, ok := parts["properties"]; ok {
		id.android(readProperties(props))
	} else {
		id.linux(t, parts["release"])
	}
	id.fingerprint()
	return id
}

func (id *Identity) android(p map[string]string) {
	id.Model = p["ro.product.model"]
	if maker := p["ro.product.manufacturer"]; !strings.HasPrefix(strings.ToLower(id.Model), strings.ToLower(maker)) {
		id.Model = word(maker + " " + id.Model)
	}
	if id.SoC = p["ro.soc.model"]; id.SoC != "" {
		id.SoC = word(p["ro.soc.manufacturer"] + " " + id.SoC)
	} else {
		id.SoC = cmp.Or(p["ro.board.platform"], p["ro.hardware"])
	}
	if release := p["ro.build.version.release"]; release != "" {
		id.OS = "Android " + release
	}
	id.Build = p["ro.build.fingerprint"]
}

func (id *Identity) linux(t tree, release string) {
	id.Model = t.word("proc/device-tree/model")
	if id.Model == "" {
		id.Model = word(t.word("sys/class/dmi/id/sys_vendor") + " " + t.word("sys/class/dmi/id/product_name"))
	}
	id.SoC = word(socName(t.word))
	_, pretty, _ := strings.Cut(release, "=")
	id.OS = word(strings.Trim(strings.TrimSpace(pretty), `"'`))
	id.Build = l4t(t.word("etc/nv_tegra_release"))
}

// l4t parses the release in the first line of a Jetson's /etc/nv_tegra_release: "# R35
// (release), REVISION: 4.1, GCID: ...".
func l4t(line string) string {
	rest, ok := strings.CutPrefix(line, "# R")
	if !ok {
		return ""
	}
	major, _, _ := strings.Cut(rest, " ")
	_, revision, ok := strings.Cut(rest, "REVISION: ")
	if !ok {
		return "L4T R" + major
	}
	revision, _, _ = strings.Cut(revision, ",")
	return "L4T R" + major + "." + revision
}

func (id *Identity) fingerprint() {
	f := map[string]string{"arch": id.Arch, "model": id.Model, "soc": id.SoC, "os": id.OS, "build": id.Build, "cpu": id.CPUModel}
	// ARM's cpuinfo leaves out CPUs that are offline at the moment, and the SoC describes them
	// as well.
	if id.SoC != "" {
		f["cpu"] = ""
	}
	if id.CPUs > 0 {
		f["cpus"] = strconv.Itoa(id.CPUs)
	}
	maps.DeleteFunc(f, func(_, v string) bool { return v == "" })
	id.Fingerprint = f
}

// word makes one printable line of a device's text.
func word(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxWord)], " ")
	return strings.Join(strings.Fields(strings.Map(plain, text)), " ")
}

func (t tree) word(path string) string {
	text, err := t.text(path)
	if err != nil {
		return ""
	}
	return word(text)
}

func readProperties(text string) map[string]string {
	p := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if key, value, ok := strings.Cut(line, "="); ok && len(p) < maxSensors {
			p[key] = word(value)
		}
	}
	return p
}

// goArch converts the output of `uname -m` to Go's name.
func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64", "armv8l": // armv8l: a 64-bit kernel's answer to a 32-bit shell
		return "arm64"
	case "i386", "i586", "i686":
		return "386"
	}
	if strings.HasPrefix(machine, "armv") {
		return "arm"
	}
	return machine
}

type cores struct {
	model string
	count int
}

// readCores parses lines of /proc/cpuinfo. x86 gives its model; ARM gives only each core's
// designer and part number, so cores are counted by kind: "4x Cortex-A55 + 4x Cortex-A76".
func readCores(text string) cores {
	var c cores
	x86 := map[string]string{}
	var kinds []string
	counts := map[string]int{}
	designer := ""
	for line := range strings.SplitSeq(text, "\n") {
		key, value, ok := strings.Cut(line, ":")
		if key, value = strings.TrimSpace(key), word(value); !ok {
			continue
		}
		switch key {
		case "processor":
			c.count++
		case "model name", "cpu family", "model", "stepping":
			if x86[key] == "" {
				x86[key] = value
			}
		case "CPU implementer":
			designer = value
		case "CPU part":
			kind := coreName(designer, value)
			if counts[kind] == 0 && len(kinds) < maxKinds {
				kinds = append(kinds, kind)
			}
			counts[kind]++
		}
	}
	if len(kinds) == 0 {
		c.model = x86Model(x86)
		return c
	}
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%dx %s", counts[kind], kind)
	}
	c.model = word(strings.Join(kinds, " + "))
	return c
}

// maxKinds limits how many kinds of cores are listed; no chip has more than three.
const maxKinds = 8

// x86Model returns the same text as devices/agent does for this host's processor.
func x86Model(v map[string]string) string {
	if v["cpu family"] == "" {
		return v["model name"]
	}
	return word(fmt.Sprintf("%s family %s model %s stepping %s", v["model name"], v["cpu family"], v["model"], v["stepping"]))
}

// coreName returns the name of an ARM core from the numbers of its Main ID Register
// (util-linux, sys-utils/lscpu-arm.c), or the numbers of an unknown core.
func coreName(designer, part string) string {
	if name, ok := coreNames[designer+" "+part]; ok {
		return name
	}
	return designer + "/" + part
}

var coreNames = map[string]string{
	"0x41 0xc07": "Cortex-A7", "0x41 0xc09": "Cortex-A9", "0x41 0xc0f": "Cortex-A15",
	"0x41 0xd03": "Cortex-A53", "0x41 0xd04": "Cortex-A35", "0x41 0xd05": "Cortex-A55", "0x41 0xd07": "Cortex-A57",
	"0x41 0xd08": "Cortex-A72", "0x41 0xd09": "Cortex-A73", "0x41 0xd0a": "Cortex-A75", "0x41 0xd0b": "Cortex-A76",
	"0x41 0xd0c": "Neoverse-N1", "0x41 0xd0d": "Cortex-A77", "0x41 0xd40": "Neoverse-V1", "0x41 0xd41": "Cortex-A78",
	"0x41 0xd42": "Cortex-A78AE", "0x41 0xd44": "Cortex-X1", "0x41 0xd46": "Cortex-A510", "0x41 0xd47": "Cortex-A710",
	"0x41 0xd48": "Cortex-X2", "0x41 0xd49": "Neoverse-N2", "0x41 0xd4d": "Cortex-A715", "0x41 0xd4e": "Cortex-X3",
	"0x41 0xd80": "Cortex-A520", "0x41 0xd81": "Cortex-A720", "0x41 0xd82": "Cortex-X4", "0x41 0xd85": "Cortex-X925",
	"0x41 0xd87": "Cortex-A725",
	"0x4e 0x003": "Denver 2", "0x4e 0x004": "Carmel",
	"0x51 0x800": "Kryo 2xx Gold", "0x51 0x801": "Kryo 2xx Silver", "0x51 0x802": "Kryo 3xx Gold", "0x51 0x803": "Kryo 3xx Silver",
	"0x51 0x804": "Kryo 4xx Gold", "0x51 0x805": "Kryo 4xx Silver",
}
