package page

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/exporters/report"
	"latlab/exporters/report/charts"
	"latlab/exporters/report/reporttest"
	"latlab/exporters/report/reporttest/cases"
	"latlab/internal/testenv"
	"latlab/internal/ui"
)

var screenshots = flag.String("screenshots", "", "folder for pictures of the pages that the tests open")

//go:embed testdata/layout.js
var layoutScript string

//go:embed testdata/contrast.js
var contrastScript string

// browser starts a Chromium of its own and returns the context of its first tab.
func browser(t testing.TB) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(testenv.Chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// tab is a page in a tab of its own, and what it did that a report must not do.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	violations []string
	url        string
	loaded     bool
}

// look is the width and theme of a view.
type look struct {
	width int64
	dark  bool
	touch bool
}

func (l look) String() string {
	theme := "light"
	if l.dark {
		theme = "dark"
	}
	return fmt.Sprintf("%d-%s", l.width, theme)
}

func open(t testing.TB, browser context.Context, file string, l look) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx, url: "file://" + file}
	p.check(chromedp.Listen(ctx, p.event))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	p.check(err)
	p.show(l)
	p.check(chromedp.Do(ctx, chromedp.Navigate(p.url)))
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.violations) > 0 {
			t.Errorf("%v: %s", l, strings.Join(p.violations, "\n"))
		}
		if !p.loaded {
			t.Errorf("%v: not even the page's own request was seen", l)
		}
	})
	return p
}

func (p *tab) event(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := ev.(type) {
	case *log.EventEntryAdded:
		p.violations = append(p.violations, "log: "+e.Entry.Text)
	case *runtime.EventExceptionThrown:
		p.violations = append(p.violations, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		p.violations = append(p.violations, "console: "+string(e.Type))
	case *cdppage.EventJavascriptDialogOpening:
		p.violations = append(p.violations, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		if e.Request.URL == p.url {
			p.loaded = true
		} else {
			p.violations = append(p.violations, "request: "+e.Request.URL)
		}
	}
}

func (p *tab) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) show(l look) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: l.width, Height: 900, DeviceScaleFactor: 1, Mobile: l.touch,
	})
	p.check(err)
	if l.touch {
		_, err = chromedp.Call(p.ctx, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true})
		p.check(err)
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	p.media("screen", scheme)
}

func (p *tab) media(kind, scheme string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: kind, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	p.check(err)
}

func eval[T any](p *tab, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script))
	p.check(err)
	return v
}

// do runs a script and ignores its result.
func (p *tab) do(script string) {
	p.t.Helper()
	eval[bool](p, "(() => { "+script+"; return true; })()")
}

// frames waits until the page has drawn, so that handlers of mouse moves have run.
func (p *tab) frames() {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](`new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r(true))))`, chromedp.EvalAwaitPromise))
	p.check(err)
}

func (p *tab) noLayoutComplaints(l look) {
	p.t.Helper()
	for _, c := range eval[[]string](p, layoutScript) {
		p.t.Errorf("%v: %s", l, c)
	}
}

func write(t testing.TB, d *report.Data) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d, "lab.db"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestBrowser views pages as their readers do.
func TestBrowser(t *testing.T) {
	b := browser(t)
	for _, c := range []struct {
		name string
		test func(t *testing.T, b context.Context)
	}{
		{"pages", testPages}, {"hostile names", testHostileNames}, {"values", testValues}, {"links", testLinks},
		{"touch", testTouch}, {"sorting", testSorting}, {"print", testPrint}, {"without script", testWithoutScript}, {"policy", testPolicy}, {"verdicts", testVerdicts},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b) })
	}
}

// testPages opens each page at the widths of a phone and a desktop in both themes, and checks that
// nothing overlaps, overflows, is unreadable, logs an error or makes a request.
func testPages(t *testing.T, b context.Context) {
	for _, c := range cases.All() {
		t.Run(c.Name, func(t *testing.T) {
			file := write(t, c.Make(t))
			l := look{width: 1440}
			p := open(t, b, file, l)
			for _, l := range []look{{width: 1440}, {width: 768}, {width: 390}, {width: 360}, {width: 390, dark: true}, {width: 1440, dark: true}} {
				p.show(l)
				p.frames()
				p.noLayoutComplaints(l)
				for _, bad := range eval[[]string](p, contrastScript) {
					t.Errorf("%v: contrast below 4.5: %s", l, bad)
				}
				p.picture(c.Name, l)
			}
			p.show(look{width: 390})
			p.shadows()
			// Folded parts are laid out too.
			p.do(`document.querySelectorAll("details").forEach((d) => { d.open = true; })`)
			p.show(look{width: 360})
			p.frames()
			p.noLayoutComplaints(look{width: 360})
		})
	}
}

// shadows checks that a box that can be scrolled has a shadow, over its header too, on the side where there is more.
func (p *tab) shadows() {
	p.t.Helper()
	for _, side := range []struct{ where, want string }{{"box.scrollWidth", "1 0"}, {"0", "0 1"}} {
		p.do(`document.querySelectorAll(".scroll,.pan").forEach((box) => { box.scrollLeft = ` + side.where + `; })`)
		p.frames() // the opacity follows the place at the next frame
		for _, bad := range eval[[]string](p, `[...document.querySelectorAll(".scroll,.pan")].filter((box) => box.checkVisibility()).flatMap((box) => {
			const name = box.getAttribute("aria-label") || box.textContent.trim().slice(0, 40), head = box.querySelector("thead th");
			const want = box.scrollWidth > box.clientWidth + 1 ? "`+side.want+`" : "0 0";
			const got = ["::before", "::after"].map((side) => Math.round(getComputedStyle(box, side).opacity)).join(" ");
			const bad = got === want ? [] : [name + " at `+side.where+`: shadows " + got + ", want " + want];
			if (head && !(getComputedStyle(box, "::after").zIndex > getComputedStyle(head).zIndex)) bad.push(name + ": its header hides its shadow");
			return bad;
		})`) {
			p.t.Error(bad)
		}
	}
}

func (p *tab) picture(name string, l look) {
	if *screenshots == "" {
		return
	}
	height := eval[float64](p, `document.documentElement.scrollHeight`)
	for i, top := 0, 0.0; top < height && i < 12; i, top = i+1, top+2000 {
		r, err := chromedp.Call(p.ctx, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{
			CaptureBeyondViewport: new(true),
			Clip:                  &cdppage.Viewport{Y: top, Width: float64(l.width), Height: min(2000, height-top), Scale: 1},
		})
		p.check(err)
		p.check(os.WriteFile(filepath.Join(*screenshots, fmt.Sprintf("%s-%v-%d.png", name, l, i)), r.Data, 0o644))
	}
}

func testHostileNames(t *testing.T, b context.Context) {
	p := open(t, b, write(t, cases.HostileData(t)), look{width: 1440})
	if got := eval[string](p, `document.querySelector("h1").textContent`); !strings.Contains(got, cases.HostileDevice) {
		t.Errorf("the title is %q", got)
	}
	rows := eval[[]string](p, `[...document.querySelectorAll("td.what")].map((e) => e.firstChild.textContent)`)
	for i := range 11 {
		want := strings.ReplaceAll(cases.Hostile(i), "\x00", "\ufffd") // HTML has no NUL
		if !slices.Contains(rows, want) {
			t.Errorf("no row says %q", want)
		}
	}
	// They became nothing but text.
	if got := eval[string](p, `document.scripts.length + " scripts, " + document.images.length + " images, " + document.querySelectorAll("[onerror],[onmouseover]").length + " handlers"`); got != "2 scripts, 0 images, 0 handlers" {
		t.Error(got)
	}
	tips := eval[[]string](p, `[...document.querySelectorAll("circle[data-r],rect[data-t]")].map((m) => {
		m.dispatchEvent(new PointerEvent("pointerdown", {pointerType: "touch", bubbles: true}));
		const tip = document.getElementById("tip");
		return tip.children.length + " elements " + tip.textContent;
	})`)
	found := false
	for _, tip := range tips {
		if !strings.HasPrefix(tip, "0 elements ") {
			t.Errorf("a value has elements: %q", tip)
		}
		found = found || strings.Contains(tip, cases.HostileDevice)
	}
	if !found {
		t.Error("no value names the layer choice", cases.HostileDevice)
	}
}

func testValues(t *testing.T, b context.Context) {
	d := cases.Fitted(t)
	p := open(t, b, write(t, d), look{width: 1440})
	n := &d.Sweeps[0].Networks
	row := d.Sweeps[0].Front[0]
	dot := fmt.Sprintf(`document.querySelector('circle[data-r="0,%d"]')`, row)
	want := []string{n.Label(row), "SIMULATED " + ui.Seconds(n.Seconds[row]), "predicted " + ui.Seconds(d.Fits[0].On[0].Predicted[row]), "M MACs", "VALID"}
	holds := func(what string) {
		t.Helper()
		p.frames()
		tip := eval[string](p, `document.getElementById("tip").hidden ? "nothing" : document.getElementById("tip").textContent`)
		for _, w := range want {
			if !strings.Contains(tip, w) {
				t.Errorf("%s shows %q, want %q in it", what, tip, w)
			}
		}
	}
	p.do(dot + `.scrollIntoView({block: "center"})`)
	at := eval[[]float64](p, `(() => { const b = `+dot+`.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; })()`)
	p.check(chromedp.Do(p.ctx, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1])))
	holds("the mouse")
	p.check(chromedp.Do(p.ctx, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 2, 2)))
	p.frames()
	if !eval[bool](p, `document.getElementById("tip").hidden`) {
		t.Error("the value stays when the mouse has gone")
	}

	// The rightmost network has the most MACs: it ends the front.
	row = d.Sweeps[0].Front[len(d.Sweeps[0].Front)-1]
	want = []string{n.Label(row), ui.Seconds(n.Seconds[row])}
	p.do(dot + `.closest(".frames").focus()`)
	p.check(chromedp.Do(p.ctx, chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowLeft)))
	holds("the keyboard, once around")
	p.check(chromedp.Do(p.ctx, chromedp.KeyEvent(kb.Enter)))
	p.frames()
	p.lands(fmt.Sprintf("s0n%d", n.Index[row]))
}

// lands checks that the page shows a raw row.
func (p *tab) lands(anchor string) {
	p.t.Helper()
	p.frames()
	got := eval[string](p, `(() => {
		const row = document.querySelector("tr:target");
		if (!row) return "no row, at " + location.hash;
		const b = row.getBoundingClientRect();
		return row.id + (b.height > 0 && b.top >= 0 && b.bottom <= innerHeight ? "" : " out of sight");
	})()`)
	if got != anchor {
		p.t.Errorf("landed on %s, want %s", got, anchor)
	}
}

func testLinks(t *testing.T, b context.Context) {
	d := cases.Fitted(t)
	p := open(t, b, write(t, d), look{width: 1440})
	row := d.Sweeps[0].Bands[0].Fastest[0]
	anchor := fmt.Sprintf("s0n%d", d.Sweeps[0].Networks.Index[row])
	if eval[bool](p, `document.querySelector("details.raw").open`) {
		t.Fatal("the raw rows are open: nothing to see")
	}
	p.do(`document.querySelector('td a[href="#` + anchor + `"]').click()`)
	p.lands(anchor)
	for _, bad := range eval[[]string](p, `[...document.querySelectorAll('a[href^="#"]')].map((a) => a.getAttribute("href")).filter((h) => !document.getElementById(h.slice(1)))`) {
		t.Errorf("link %s leads nowhere", bad)
	}
	for _, bad := range eval[[]string](p, `[...document.querySelectorAll("[href]")].map((a) => a.getAttribute("href")).filter((h) => !h.startsWith("#"))`) {
		t.Errorf("link %s leaves the page", bad)
	}
	for _, bad := range eval[[]string](p, `Object.entries(Object.groupBy([...document.querySelectorAll("[id]")], (e) => e.id)).filter(([, e]) => e.length > 1).map(([id]) => id)`) {
		t.Errorf("id %s is there twice", bad)
	}
}

func testTouch(t *testing.T, b context.Context) {
	d := cases.Fitted(t)
	p := open(t, b, write(t, d), look{width: 360, touch: true})
	p.do(`window.dot = document.querySelector('a circle[data-r]'); dot.scrollIntoView({block: "center"})`)
	p.frames()
	at := eval[[]float64](p, `(() => {
		const b = dot.getBoundingClientRect(), at = [b.left + b.width / 2, b.top + b.height / 2];
		window.dot = document.elementFromPoint(...at); // a different dot may lie on top
		return at;
	})()`)
	var sweep, row int
	if _, err := fmt.Sscanf(eval[string](p, `dot.dataset.r`), "%d,%d", &sweep, &row); err != nil {
		t.Fatal(err)
	}
	p.check(chromedp.Do(p.ctx, chromedp.TapXY(at[0], at[1])))
	p.frames()
	tip := eval[string](p, `document.getElementById("tip").hidden ? "nothing" : document.getElementById("tip").textContent`)
	if !strings.Contains(tip, d.Sweeps[0].Networks.Label(row)) {
		t.Errorf("the first touch shows %q", tip)
	}
	if hash := eval[string](p, `location.hash`); hash != "" {
		t.Errorf("the first touch went to %s", hash)
	}
	p.check(chromedp.Do(p.ctx, chromedp.TapXY(at[0], at[1])))
	p.lands(fmt.Sprintf("s0n%d", d.Sweeps[0].Networks.Index[row]))
}

func testSorting(t *testing.T, b context.Context) {
	d := cases.Fitted(t)
	p := open(t, b, write(t, d), look{width: 1440})
	eval[bool](p, `(() => {
		document.querySelector("details.raw").open = true;
		window.button = [...document.querySelectorAll("details.raw th button")].find((b) => b.textContent.startsWith("latency, "));
		button.focus();
		return true;
	})()`)
	column := func() (string, []string) {
		t.Helper()
		sort := eval[string](p, `button.closest("th").getAttribute("aria-sort")`)
		return sort, eval[[]string](p, `[...button.closest("table").tBodies[0].rows].map((r) => r.cells[2].dataset.v)`)
	}
	sorted := func(values []string, less func(a, b float64) bool) bool {
		last := -1.0
		for i, v := range values {
			var x float64
			if v == "" {
				return !slices.ContainsFunc(values[i:], func(v string) bool { return v != "" })
			}
			if _, err := fmt.Sscan(v, &x); err != nil {
				t.Fatal(err)
			}
			if i > 0 && less(x, last) {
				return false
			}
			last = x
		}
		return false // not reached: there are networks without a latency
	}
	if sort, _ := column(); sort != "none" {
		t.Errorf("before: %s", sort)
	}
	p.check(chromedp.Do(p.ctx, chromedp.KeyEvent(kb.Enter)))
	if sort, v := column(); sort != "ascending" || !sorted(v, func(a, b float64) bool { return a < b }) {
		t.Errorf("once: %s, %v", sort, v)
	}
	p.do(`button.click()`)
	if sort, v := column(); sort != "descending" || !sorted(v, func(a, b float64) bool { return a > b }) {
		t.Errorf("twice: %s, %v", sort, v)
	}
	// "10.45 ms" is more than "5.194 ms", and a budget without a third network comes last.
	third := eval[[]string](p, `(() => {
		const table = document.querySelector('[aria-label^="Fastest"] table');
		table.tHead.rows[0].cells[3].querySelector("button").click();
		return [...table.tBodies[0].rows].map((r) => r.cells[3].dataset.v);
	})()`)
	if !sorted(third, func(a, b float64) bool { return a < b }) {
		t.Errorf("third fastest: %v", third)
	}
	all := eval[[]string](p, `[...document.querySelectorAll("th[aria-sort]")].map((th) => th.querySelector("button") ? "ok" : th.textContent)`)
	if len(all) < 20 || slices.ContainsFunc(all, func(s string) bool { return s != "ok" }) {
		t.Errorf("columns that can be sorted: %v", all)
	}
}

// testVerdicts: pictures and tables have the same networks, with INVALID ones and without, and say which.
func testVerdicts(t *testing.T, b context.Context) {
	for leaveOut, want := range map[bool][]string{
		false: {"30 rows, 6 invalid", "30 dots, 6 bad", "30 dots, 6 bad", "INVALID networks are ranked too"},
		true:  {"24 rows, 0 invalid", "24 dots, 0 bad", "24 dots, 0 bad", "6 INVALID networks left out (--leave-out-invalid)"},
	} {
		st := memory.New()
		m := reporttest.Add(t, st, reporttest.Spec{Networks: 30, InvalidEvery: 5})
		d := cases.Collect(t, st, []bench.Sweep{m}, nil, report.Options{Now: reporttest.Began(), LeaveOutInvalid: leaveOut})
		p := open(t, b, write(t, d), look{width: 1440})
		got := eval[[]string](p, `(() => {
			const ranked = document.querySelector(".ranked"), front = [...document.querySelectorAll(".chart")].find((c) => c.querySelector("h3").textContent.startsWith("Latency and MACs"));
			const count = (c) => { const dots = [...c.querySelectorAll("[data-r]")]; return dots.length + " dots, " + dots.filter((m) => m.classList.contains("bad")).length + " bad"; };
			const rows = [...document.querySelectorAll("details.raw tbody tr")];
			return [rows.length + " rows, " + rows.filter((r) => r.querySelector("td.invalid")).length + " invalid", count(ranked), count(front), ranked.querySelector(".note").textContent];
		})()`)
		for i, w := range want {
			if i >= len(got) || !strings.Contains(got[i], w) {
				t.Errorf("left out %v: %q, want %q", leaveOut, got, w)
			}
		}
	}
}

func testPrint(t *testing.T, b context.Context) {
	p := open(t, b, write(t, cases.Fitted(t)), look{width: 1440, dark: true})
	p.media("", "dark") // printing is a medium of its own
	pdf, err := chromedp.Run(p.ctx, chromedp.PrintToPDF(chromedp.PDFPrintBackground()))
	p.check(err)
	pages := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1))
	if !bytes.HasPrefix(pdf, []byte("%PDF")) || pages < 3 || pages > 25 {
		t.Errorf("%d bytes, %d pages", len(pdf), pages)
	}
	if *screenshots != "" {
		p.check(os.WriteFile(filepath.Join(*screenshots, "print.pdf"), pdf, 0o644))
	}
	paper := look{width: 718, dark: true} // A4 less margins of 1 cm, at 96 dots an inch
	p.show(paper)
	p.media("print", "dark")
	p.frames()
	p.noLayoutComplaints(paper)
	got := eval[string](p, `getComputedStyle(document.body).backgroundColor + ", " +
		[...document.querySelectorAll(".chart svg")].filter((s) => s.getBoundingClientRect().height === 0).length + " hidden"`)
	if got != "rgb(255, 255, 255), 0 hidden" {
		t.Errorf("on paper: %s", got)
	}
	cut := eval[[]string](p, `(() => {
		document.querySelectorAll("details").forEach((d) => d.open = true);
		return [...document.querySelectorAll(".scroll")].filter((s) => s.scrollWidth > s.clientWidth + 1).map((s) => s.getAttribute("aria-label") + " by " + (s.scrollWidth - s.clientWidth));
	})()`)
	if len(cut) > 0 {
		t.Errorf("tables that paper cuts off: %v", cut)
	}
	for _, bad := range eval[[]string](p, contrastScript) {
		t.Errorf("on paper: contrast below 4.5: %s", bad)
	}
}

// testPolicy: even if a name became an element, the page's policy would prevent requests and
// scripts.
func testPolicy(t *testing.T, b context.Context) {
	p := open(t, b, write(t, cases.HostileData(t)), look{width: 1440})
	for what, c := range map[string]struct{ script, directive string }{
		"an image":  {`const i = new Image(); i.src = "http://127.0.0.1:9/x.png"; document.body.append(i);`, "img-src"},
		"a request": {`fetch("http://127.0.0.1:9/x").catch(() => {});`, "connect-src"},
		"a handler": {`document.body.setAttribute("onclick", "window.harm = 1"); document.body.click();`, "script-src-attr"},
		"a script":  {`const s = document.createElement("script"); s.textContent = "window.harm = 1"; document.body.append(s);`, "script-src-elem"},
		"a style":   {`document.body.setAttribute("style", "background: red");`, "style-src-attr"},
	} {
		got, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`new Promise((done) => {
			document.addEventListener("securitypolicyviolation", (e) => done(e.effectiveDirective), {once: true});
			setTimeout(() => done("nothing"), 5000);
			`+c.script+`
		})`, chromedp.EvalAwaitPromise))
		p.check(err)
		if got != c.directive {
			t.Errorf("%s broke %s, want %s", what, got, c.directive)
		}
	}
	if eval[bool](p, `"harm" in window`) {
		t.Error("a script of a name's ran")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.violations = nil // this test caused them
}

// testWithoutScript: a reader without JavaScript only misses values on hover.
func testWithoutScript(t *testing.T, b context.Context) {
	p := open(t, b, write(t, cases.Fitted(t)), look{width: 1440})
	_, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.check(err)
	p.check(chromedp.Do(p.ctx, chromedp.Reload()))
	text, err := chromedp.Run(p.ctx, chromedp.Text(chromedp.CSS("body")))
	p.check(err)
	for _, want := range []string{"SIMULATED", "Latency and MACs", "Predicted against simulated", "Without JavaScript"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

// TestWhatPagesSay checks words that a page must contain.
func TestWhatPagesSay(t *testing.T) {
	says := map[string][]string{
		"empty":     {"SIMULATED", "No block of this sweep has been run", "No cost model was given"},
		"three":     {"3 networks", "No cost model was given", "latlab show --db lab.db"},
		"listed":    {"in no search space", "no sensor could be read", "model-3.tflite"},
		"invalid":   {"No network is VALID", `<td class="n" data-v=""><b>-</b></td><td class="n" data-v="0">0</td><td class="n" data-v="0">0</td><td class="n invalid" data-v="6">6</td>`, "the device throttled"},
		"failed":    {"Every network failed", "Of 6 networks requested, 6 were planned and 0 have all blocks.", `<td class="n invalid" data-v="6">6</td>`, "fault of"},
		"fitted":    {"Summary", "MAPE, noise ceiling", "These networks are not held out", "not computed", "mobiledet_edgetpu: ", "not in space", "fault of", "latlab export --cost folder/cost.json"},
		"imprecise": {`<td class="imprecise">IMPRECISE</td>`, "measured clock, GHz", "disturbed blocks, which are not used", "Undisturbed samples: <b>"},
		"densities": {"50 of the 400 networks", "few networks"},
		"kinds":     {"SIMULATED", "ESTIMATED", "MEASURED", "they never share an axis"},
	}
	for _, c := range cases.All() {
		t.Run(c.Name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, c.Make(t), "lab.db"); err != nil {
				t.Fatal(err)
			}
			for _, want := range says[c.Name] {
				if !strings.Contains(b.String(), want) {
					t.Errorf("%q is missing", want)
				}
			}
			_, own, _ := strings.Cut(b.String(), "<title>") // after the policy, whose hashes may spell anything
			own, _, _ = strings.Cut(own, "<script>")
			for _, bad := range []string{"http://", "https://", "NaN", "Inf", "%!", "ZgotmplZ", "0001-01-01"} {
				if strings.Contains(own, bad) {
					t.Errorf("%q is on the page", bad)
				}
			}
		})
	}
	d := cases.SeveralKinds(t)
	var got []int
	for _, c := range charts.Latencies(d) {
		got = append(got, len(c.Frames))
	}
	if diff := cmp.Diff([]int{1, 1, 1, 1}, got); diff != "" {
		t.Errorf("sweeps of each chart of latency, few networks by name and many as a distribution: %s", diff)
	}
}

// large is a sweep of 50,000 networks without the store, to measure the size of its page.
func large(t testing.TB) *report.Data {
	s := cases.EdgeSpace(t)
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Space: s, Networks: 1000, InvalidEvery: 50})
	cost := report.Cost{File: "cost.json", Model: reporttest.Fit(t, st, m, s), Space: s}
	d := cases.Collect(t, st, []bench.Sweep{m}, []report.Cost{cost}, report.Options{})
	cases.Repeated(d, 50000, 1000)
	return d
}

func TestLargeSweep(t *testing.T) {
	if testing.Short() {
		t.Skip("12 s with -race")
	}
	var b bytes.Buffer
	if err := Write(&b, large(t), ""); err != nil {
		t.Fatal(err)
	}
	if n := b.Len(); n < 500_000 || n > 10_000_000 {
		t.Errorf("a page of 50,000 networks has %d bytes", n)
	}
}

// BenchmarkOpen measures how long the browser takes to load a page of 50,000 networks.
func BenchmarkOpen(b *testing.B) {
	ctx := browser(b)
	file := write(b, large(b))
	p := open(b, ctx, file, look{width: 1440})
	var total time.Duration
	for b.Loop() {
		began := time.Now()
		p.check(chromedp.Do(p.ctx, chromedp.Navigate("file://"+file)))
		p.frames()
		total += time.Since(began)
	}
	b.ReportMetric(total.Seconds()/float64(b.N), "s/open")
}
