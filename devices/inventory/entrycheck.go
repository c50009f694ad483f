package inventory

import (
	"slices"
	"strings"

	"latlab/sampler"
)

// check is what one field alone cannot say, and what is taken where nothing is said.
func (d *decoder) check(e *entry, at string) {
	line := func(field string) int {
		if l, ok := e.lines[field]; ok {
			return l
		}
		return e.line
	}
	if e.name == "" {
		d.fail(e.line, join(at, "name"), "is missing")
	}
	if owner := familyName(e.name); owner != "" {
		d.fail(line("name"), join(at, "name"), "%q is taken: it names %s", e.name, owner)
	}
	d.checkPlace(e, at)
	if e.tool == "" {
		e.tool = toolAgent
	}
	for _, f := range fields() {
		if l, given := e.lines[f.Name]; given && f.Tools != nil && !slices.Contains(f.Tools, e.tool) {
			d.fail(l, join(at, f.Name), "makes no sense for %s: it is of %s", e.tool, strings.Join(f.Tools, " and "))
		}
	}
	d.checkDelegate(e, at)
	d.checkTool(e, at)
	d.checkPrecision(e, at)
	if e.threads == 0 {
		e.threads = 1
	}
	if n := len(e.cpus); n > 0 && e.threads > n {
		d.fail(line("threads"), join(at, "threads"), "%d threads on %d CPUs would wait for each other", e.threads, n)
	}
}

// checkPlace: a device is reached in one way.
func (d *decoder) checkPlace(e *entry, at string) {
	var ways []string
	for _, w := range []string{"adb", "ssh", "local"} {
		if _, given := e.lines[w]; given {
			ways = append(ways, w)
		}
	}
	switch {
	case len(ways) == 0:
		d.fail(e.line, at, "how is it reached? give one of adb, ssh and local")
	case len(ways) > 1:
		d.fail(e.lines[ways[1]], join(at, ways[1]), "%s is given too: a device is reached in one way", ways[0])
	case ways[0] == "local" && !e.local:
		d.fail(e.lines["local"], join(at, "local"), "must be true, or not there")
	}
	if (e.settings.StayAwake || e.settings.Airplane) && e.adb == "" {
		d.fail(e.lines["settings"], join(at, "settings"), "stay_awake and airplane_mode are of Android phones (adb)")
	}
	e.settings.Wireless = wireless(e.adb)
	if e.settings.Airplane && e.settings.Wireless {
		d.fail(e.lines["settings"], join(at, "settings"), "airplane_mode would cut the radio by which %s is reached, for good", e.adb)
	}
	if e.local {
		for _, f := range []string{"dir", "budget"} {
			if l, given := e.lines[f]; given {
				d.fail(l, join(at, f), "makes no sense for this machine: nothing is brought there")
			}
		}
	}
}

func (d *decoder) checkDelegate(e *entry, at string) {
	known := delegatesOf[e.tool]
	if known == nil {
		return
	}
	if e.delegate == "" {
		e.delegate = known[0]
	}
	if !slices.Contains(known, e.delegate) {
		d.fail(e.lines["delegate"], join(at, "delegate"), "%q is no delegate of %s; there are %s%s",
			sampler.Clip(e.delegate), e.tool, strings.Join(known, ", "), didYouMean(e.delegate, known))
		return
	}
	library := slices.Contains([]string{delegateExternal, delegateEdgeTPU, delegateStable}, e.delegate)
	for _, f := range []string{"delegate_library", "delegate_options"} {
		if l, given := e.lines[f]; given && !library {
			d.fail(l, join(at, f), "is of delegates with a library (external, edgetpu), not of %s", e.delegate)
		}
	}
	for _, f := range []string{"delegate_name", "delegate_on_cpu"} {
		if l, given := e.lines[f]; given && e.delegate != delegateExternal {
			d.fail(l, join(at, f), "is of the delegate external, not of %s", e.delegate)
		}
	}
	if l, given := e.lines["delegate_name"]; given && slices.Contains(known, e.delegateName) {
		d.fail(l, join(at, "delegate_name"), "%q is another delegate's name", e.delegateName)
	}
	if library && e.delegateLibrary == "" {
		d.fail(e.lines["delegate"], join(at, "delegate_library"), "is missing: where is the library of the delegate %s?", e.delegate)
	}
	for _, f := range []string{"compiler", "min_runtime"} {
		if l, given := e.lines[f]; given && e.delegate != delegateEdgeTPU {
			d.fail(l, join(at, f), "is of the delegate edgetpu, not of %s", e.delegate)
		}
	}
	if l, given := e.lines["libraries"]; given && e.tool == toolAgent && !library {
		d.fail(l, join(at, "libraries"), "are of a delegate with a library: the agent brings its own")
	}
	// benchmark_model is told them as NAME:VALUE;NAME:VALUE (external_delegate_provider.cc).
	for name, value := range e.delegateOptions {
		if e.tool == toolBenchmark && strings.ContainsAny(value, ":;") {
			d.fail(e.lines["delegate_options"], join(join(at, "delegate_options"), name), "benchmark_model takes no ':' and no ';' in an option: %q", sampler.Clip(value))
		}
	}
}

// checkTool: what a tool cannot do without, and where it runs.
func (d *decoder) checkTool(e *entry, at string) {
	_, binary := e.lines["binary"]
	switch {
	case e.tool == toolBenchmark && !binary:
		d.fail(e.line, join(at, "binary"), "is missing: where is %s?", e.tool)
	case e.tool == toolQNN && !binary && e.sdk == "":
		d.fail(e.line, join(at, "sdk"), "is missing: give Qualcomm's SDK, or where %s is as binary", e.tool)
	case e.tool == toolQNN && e.soc == "":
		d.fail(e.line, join(at, "soc"), "is missing: which chip is it? sm8650, for example")
	case e.tool == toolQNN && e.local:
		d.fail(e.lines["tool"], join(at, "tool"), "qnn-net-run times on phones and boards (adb, ssh), not on this machine")
	case e.tool == toolTrtexec && e.adb != "":
		d.fail(e.lines["tool"], join(at, "tool"), "trtexec runs on boards and PCs (ssh, local), not on Android")
	case e.tool == toolTrtexec && binary && !e.local && !strings.HasPrefix(e.binary, onDevice):
		d.fail(e.lines["binary"], join(at, "binary"), "TensorRT is of the board's own installation: %s/PATH, not a file of this host", onDevice)
	case e.local && strings.HasPrefix(e.binary, onDevice):
		e.binary = strings.TrimPrefix(e.binary, onDevice)
	}
	if e.local {
		e.delegateLibrary = strings.TrimPrefix(e.delegateLibrary, onDevice)
	}
}

func (d *decoder) checkPrecision(e *entry, at string) {
	known := precisionsOf[e.tool]
	if e.delegate == delegateEdgeTPU || e.delegate == delegateHexagon {
		known = []string{"int8"}
	}
	if e.precision == "" {
		return
	}
	if !slices.Contains(known, string(e.precision)) {
		what := e.tool
		if len(known) == 1 && e.delegate != "" {
			what = e.delegate
		}
		d.fail(e.lines["precision"], join(at, "precision"), "%q is no precision of %s; there is %s",
			sampler.Clip(string(e.precision)), what, strings.Join(known, ", "))
	}
}
