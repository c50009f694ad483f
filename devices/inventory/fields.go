package inventory

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"latlab/devices/tool/qnnrun"
	"latlab/sampler"
	"latlab/sampler/model"
)

// Field is a field of a device in the inventory file.
type Field struct {
	Name  string   // "delegate_library"
	Form  string   // what it holds, for people: "path"
	Tools []string // that know it; nil = all
	Means string   // a sentence for people
	// read puts the value into the entry. What one field alone cannot say, check says.
	read func(d *decoder, n *yaml.Node, at string, e *entry)
}

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$`)
	userForm   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]{0,63}$`)
	optionForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	// governorForm is what the kernel calls them: "performance", "sched_pixel".
	governorForm = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)
)

// fields are all of a device, in the order of the document. A function, so that nobody can
// change them.
func fields() []Field {
	return append(placeFields(), append(toolFields(), machineFields()...)...)
}

// placeFields say what the device is called and how it is reached.
func placeFields() []Field {
	return []Field{
		{Name: "name", Form: "word", Means: "what --device calls it: letters, digits, '.', '_' and '-'; needed",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				e.name = d.matching(n, at, nameForm, "1 to 48 letters, digits, '.', '_' and '-', a letter or digit first")
			}},
		{Name: "adb", Form: "serial", Means: "an Android phone, as `adb devices` lists it: a USB serial number, HOST:PORT, emulator-5554, usb:1-4, adb-..._adb-tls-connect._tcp",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				e.adb = d.word(n, at)
				if why := badSerial(e.adb); why != "" {
					d.fail(n.Line, at, "%q is no serial number: %s", sampler.Clip(e.adb), why)
				}
			}},
		{Name: "ssh", Form: "host or mapping", Means: "a board: an alias of ~/.ssh/config or [USER@]HOST[:PORT], or a mapping of host, user, port, identity (private key) and known_hosts (file)",
			read: readSSH},
		{Name: "local", Form: "true", Means: "this machine, for an accelerator on its own bus",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.local = d.yes(n, at) }},
	}
}

// toolFields say what times and what executes.
func toolFields() []Field {
	both := []string{toolAgent, toolBenchmark}
	return []Field{
		{Name: "tool", Form: "word", Means: "what times: " + strings.Join(tools, ", ") + "; agent unless told",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.tool = d.oneOf(n, at, tools) }},
		{Name: "delegate", Form: "word", Tools: both, Means: "what executes the graph: xnnpack unless told; see the table below",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.delegate = d.word(n, at) }},
		{Name: "delegate_library", Form: "path", Tools: both, Means: "library of the delegates external and edgetpu, settings file of stable: a file of this host, which is pushed, or device:/PATH",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.delegateLibrary = d.eitherPath(n, at) }},
		{Name: "delegate_options", Form: "mapping of words", Tools: both, Means: "what that library is told",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.delegateOptions = d.texts(n, at) }},
		{Name: "delegate_name", Form: "word", Tools: []string{toolAgent}, Means: "what an external delegate is called in proofs: armnn, qnn",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				e.delegateName = d.matching(n, at, optionForm, "a word")
			}},
		{Name: "delegate_on_cpu", Form: "true", Tools: []string{toolAgent}, Means: "an external delegate computes on the CPU, as Arm NN may: what it leaves is then a warning and no reason for INVALID",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.delegateOnCPU = d.yes(n, at) }},
		{Name: "arch", Form: "word", Tools: []string{toolAgent}, Means: "of the processor, as Go calls it (arm64, amd64), where the device's own word misleads: behind an emulator",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				e.arch = d.oneOf(n, at, []string{"arm64", "amd64"})
			}},
		{Name: "binary", Form: "path", Tools: []string{toolBenchmark, toolTrtexec, toolQNN}, Means: "the tool: a file of this host, which is pushed, or device:/PATH",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.binary = d.eitherPath(n, at) }},
		{Name: "libraries", Form: "list of paths", Tools: []string{toolAgent, toolBenchmark, toolQNN}, Means: "files that the tool or delegate needs beside it: files of this host, which are pushed",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				d.list(n, at, func(n *yaml.Node, at string) { e.libraries = append(e.libraries, d.hostPath(n, at)) })
			}},
		{Name: "compiler", Form: "path", Tools: both, Means: "edgetpu_compiler, a file of this host, for the delegate edgetpu; from PATH unless told",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.compiler = d.hostPath(n, at) }},
		{Name: "min_runtime", Form: "number", Tools: both, Means: "oldest libedgetpu that shall run what edgetpu_compiler writes, 10 to 14; the newest unless told",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.minRuntime = d.whole(n, at, 10, 14) }},
		{Name: "precision", Form: "word", Means: "numeric type unless --precision says another: float32 or int8, of trtexec float16 too",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.precision = model.Precision(d.word(n, at)) }},
		{Name: "mixed", Form: "true", Tools: []string{toolTrtexec}, Means: "engines of which layers are computed in another type than asked for are a warning, not INVALID",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.mixed = d.yes(n, at) }},
		{Name: "copies", Form: "true", Tools: []string{toolTrtexec}, Means: "samples have the copies to and from the GPU in them",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.copies = d.yes(n, at) }},
		{Name: "threads", Form: "number", Tools: both, Means: "of the runtime; 1 unless told",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.threads = d.whole(n, at, 1, 1024) }},
		{Name: "flags", Form: "mapping of words", Tools: []string{toolBenchmark, toolTrtexec}, Means: "more flags of the tool, those that latlab knows to leave the time alone",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.flags = d.texts(n, at) }},
		{Name: "env", Form: "mapping of words", Tools: []string{toolBenchmark}, Means: "environment variables of the tool",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				for name, value := range d.texts(n, at) {
					e.env = append(e.env, name+"="+value)
				}
				slices.Sort(e.env)
			}},
		{Name: "counter", Form: "path", Tools: []string{toolBenchmark}, Means: "a file of the driver's, there, that counts inferences: a block whose runs it did not count is no measurement",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				if e.counter = d.word(n, at); !path.IsAbs(e.counter) {
					d.fail(n.Line, at, "must be absolute, not %q", sampler.Clip(e.counter))
				}
			}},
		{Name: "harmless", Form: "list of words", Tools: []string{toolBenchmark}, Means: "parts of ERROR lines of the vendor's that are known to mean nothing; others make a block doubtful",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				d.list(n, at, func(n *yaml.Node, at string) { e.harmless = append(e.harmless, d.word(n, at)) })
			}},
		{Name: "soc", Form: "word", Tools: []string{toolQNN}, Means: "the chip: sm8650, or the compiler's own number of it",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				e.soc = d.matching(n, at, optionForm, "a chip's name")
			}},
		{Name: "sdk", Form: "path", Tools: []string{toolQNN}, Means: "folder of Qualcomm's AI Runtime SDK on this host, which has binary, libraries and viewer in it",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.sdk = d.hostPath(n, at) }},
		{Name: "viewer", Form: "path", Tools: []string{toolQNN}, Means: "qnn-profile-viewer, a file of this host; the SDK's or from PATH unless told",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) { e.viewer = d.hostPath(n, at) }},
		{Name: "perf_profile", Form: "word", Tools: []string{toolQNN}, Means: "clocks of the Hexagon: burst unless told",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				e.perfProfile = d.oneOf(n, at, qnnrun.PerfProfiles())
			}},
	}
}

// machineFields are what holds whichever tool times.
func machineFields() []Field {
	return []Field{
		{Name: "cpus", Form: "list such as 4-7", Means: "CPUs to run on; anywhere unless told", read: readCPUs},
		{Name: "cooldown", Form: "mapping", Means: "below_celsius and limit_seconds: a block waits until the hottest sensor is below, but not longer", read: readCoolDown},
		{Name: "settings", Form: "mapping", Means: "what is changed while it times and taken back after: governor (needs root there), stay_awake and airplane_mode (adb)", read: readSettings},
		{Name: "wrap", Form: "list of words", Means: "a program of the device's, with arguments, that starts the tool",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				d.list(n, at, func(n *yaml.Node, at string) { e.wrap = append(e.wrap, d.word(n, at)) })
			}},
		{Name: "dir", Form: "path", Means: "latlab's folder there: /data/local/tmp/latlab over adb, ~/.cache/latlab over ssh unless told",
			read: readDir},
		{Name: "budget", Form: "size such as 500M", Means: "how much its models may take there; 1G unless told",
			read: func(d *decoder, n *yaml.Node, at string, e *entry) {
				w := d.word(n, at)
				size, err := ParseSize(w)
				if err != nil {
					d.fail(n.Line, at, "%v", err)
				}
				e.budget = size
			}},
	}
}

func readSSH(d *decoder, n *yaml.Node, at string, e *entry) {
	h := &e.ssh
	if n.Kind != yaml.MappingNode {
		text := d.word(n, at)
		var why string
		if *h, why = parseHost(text); why != "" {
			d.fail(n.Line, at, "%q is no host: %s", sampler.Clip(text), why)
		}
		return
	}
	d.mapping(n, at, []string{"host", "user", "port", "identity", "known_hosts"}, func(name string, _, v *yaml.Node) {
		at := join(at, name)
		switch name {
		case "host":
			h.host = d.word(v, at)
			if !hostForm.MatchString(h.host) {
				d.fail(v.Line, at, "%q is no host name or address", sampler.Clip(h.host))
			}
		case "user":
			h.user = d.matching(v, at, userForm, "a login name")
		case "port":
			h.port = d.whole(v, at, 1, 65535)
		case "identity":
			h.identity = d.hostPath(v, at)
		case "known_hosts":
			h.knownHosts = d.hostPath(v, at)
		}
	})
	if h.host == "" {
		d.fail(n.Line, join(at, "host"), "is missing")
	}
}

func readCPUs(d *decoder, n *yaml.Node, at string, e *entry) {
	w := d.word(n, at)
	cpus, err := ParseCPUs(w)
	if err != nil {
		d.fail(n.Line, at, "%v", err)
	}
	e.cpus = cpus
}

func readCoolDown(d *decoder, n *yaml.Node, at string, e *entry) {
	names := []string{"below_celsius", "limit_seconds"}
	seen := map[string]bool{}
	d.mapping(n, at, names, func(name string, _, v *yaml.Node) {
		seen[name] = true
		if name == "below_celsius" {
			e.coolDown.BelowC = d.number(v, join(at, name), 20, 100)
			return
		}
		s := d.number(v, join(at, name), 1, maxCoolDown.Seconds())
		e.coolDown.Limit = time.Duration(s * float64(time.Second))
	})
	for _, name := range names {
		if !seen[name] {
			d.fail(n.Line, join(at, name), "is missing: a gate has a temperature and a longest wait")
		}
	}
}

func readSettings(d *decoder, n *yaml.Node, at string, e *entry) {
	d.mapping(n, at, []string{"governor", "stay_awake", "airplane_mode"}, func(name string, _, v *yaml.Node) {
		at := join(at, name)
		switch name {
		case "governor":
			e.settings.Governor = d.matching(v, at, governorForm, "a governor's name such as performance")
		case "stay_awake":
			e.settings.StayAwake = d.yes(v, at)
		case "airplane_mode":
			e.settings.Airplane = d.yes(v, at)
		}
	})
}

func readDir(d *decoder, n *yaml.Node, at string, e *entry) {
	e.dir = d.word(n, at)
	switch clean := strings.Trim(e.dir, "/"); {
	case !strings.HasPrefix(e.dir, "/") && !strings.HasPrefix(e.dir, "~/"):
		d.fail(n.Line, at, "must be absolute or begin with ~/, not %q", sampler.Clip(e.dir))
	case clean == "" || clean == "~":
		d.fail(n.Line, at, "must be a folder of latlab's own, not %q", sampler.Clip(e.dir))
	}
}

// FieldsDocument is the tables of docs/devices.md: the fields of a device, and which tool
// takes which delegate and precision.
func FieldsDocument() string {
	var b strings.Builder
	b.WriteString("| field | value | of | |\n|---|---|---|---|\n")
	for _, f := range fields() {
		of := "all"
		if f.Tools != nil {
			of = strings.Join(f.Tools, ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Form, of, f.Means)
	}
	b.WriteString("\n| tool | delegates, the default first | precisions, the default first |\n|---|---|---|\n")
	for _, tool := range tools {
		delegates := strings.Join(delegatesOf[tool], ", ")
		if delegates == "" {
			delegates = "its own"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", tool, delegates, strings.Join(precisionsOf[tool], ", "))
	}
	return b.String()
}
