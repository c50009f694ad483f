package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"latlab/exporters/prom"
	"latlab/exporters/web"
	"latlab/regress"
)

// costLookEvery is how seldom files are looked at, however many ask.
const costLookEvery = time.Second

// liveCosts are the cost models of --cost as their files are now: a lab fits anew each night, and
// serve goes on. Files are looked at while somebody scrapes or predicts. Watching them by inotify
// was left out: it does not see what another machine writes on a shared disk.
type liveCosts struct {
	files []*liveCost
	log   *slog.Logger

	looking sync.Mutex // held by the one who looks; nobody waits for it
	looked  time.Time
	now     atomic.Pointer[costsNow]
}

// costsNow is a moment of them. It is not changed.
type costsNow struct {
	predict []web.CostModel
	metrics []prom.CostModel
}

// liveCost is one file and what it last said when it was whole. Whoever looks owns it.
type liveCost struct {
	name, path string
	file       os.FileInfo // that was read last, well or not; nil = read it whatever it is
	err        error       // what was wrong with it
	told       string      // what the log has
	failures   int

	model    web.CostModel
	cost     *regress.CostModel
	modified time.Time // of the file that the model is from
}

// openCosts reads the cost models of --cost, all or none. A request calls each by its file's name,
// without folder and ending.
func openCosts(paths []string, log *slog.Logger) (*liveCosts, error) {
	l := &liveCosts{log: log, looked: time.Now()}
	taken := map[string]string{}
	for _, path := range paths {
		f := &liveCost{path: path, name: costName(path)}
		if other, is := taken[f.name]; is {
			return nil, &OptionError{fmt.Sprintf("cost models %s and %s would both be called %q; rename one", other, path, f.name)}
		}
		taken[f.name] = path
		// Before it is read: of one that is replaced between, the next look finds it.
		f.file, _ = os.Stat(path)
		if err := f.read(); err != nil {
			return nil, err
		}
		l.files = append(l.files, f)
	}
	l.publish()
	return l, nil
}

// costName is what a request and a label can say: neither can what is no UTF-8.
func costName(path string) string {
	return strings.ToValidUTF8(strings.TrimSuffix(filepath.Base(path), ".json"), "\uFFFD")
}

// predictors are those of now.
func (l *liveCosts) predictors() []web.CostModel { return l.current().predict }

// metrics are those of now.
func (l *liveCosts) metrics() []prom.CostModel { return l.current().metrics }

// current looks at the files where that is due. Who comes while another looks gets what there is: a
// large table takes a while to read.
func (l *liveCosts) current() *costsNow {
	if l.looking.TryLock() {
		defer l.looking.Unlock()
		if time.Since(l.looked) >= costLookEvery {
			l.look()
			l.looked = time.Now()
		}
	}
	return l.now.Load()
}

func (l *liveCosts) look() {
	changed := false
	for _, f := range l.files {
		before := f.cost
		err := f.look()
		changed = changed || err != nil || f.cost != before
		if err == nil {
			f.told = ""
			continue
		}
		f.failures++
		if text := err.Error(); text != f.told {
			f.told = text
			l.log.Warn("a cost model cannot be read anew; the one before is served on", "cost_model", f.name, "err", err)
		}
	}
	if changed {
		l.publish()
	}
}

func (l *liveCosts) publish() {
	now := &costsNow{}
	for _, f := range l.files {
		now.predict = append(now.predict, f.model)
		now.metrics = append(now.metrics, prom.CostModel{Name: f.name, Model: f.cost, Modified: f.modified, Failures: f.failures})
	}
	l.now.Store(now)
}

// look reads the file where it is another than the one read last. What began as a pipe has
// nothing more to say, and opening one in a file's place would wait for its writer.
func (f *liveCost) look() error {
	if f.file != nil && !f.file.Mode().IsRegular() {
		return nil
	}
	file, err := os.Stat(f.path)
	switch {
	case err != nil:
		return err
	case !file.Mode().IsRegular():
		return &fs.PathError{Op: "read", Path: f.path, Err: errors.New("not a file any more")}
	case f.file != nil && sameContent(file, f.file):
		return f.err
	}
	f.file = file
	f.err = f.read()
	var broken *regress.FileError
	var newer *regress.VersionError
	if f.err != nil && !errors.As(f.err, &broken) && !errors.As(f.err, &newer) {
		f.file = nil // it was not the content: permissions and disks are mended without a change of it
	}
	return f.err
}

// sameContent is what can be told without reading: replacing a file makes another one, and writing
// into it changes its time.
func sameContent(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// read takes what is in the file, whole or not at all.
func (f *liveCost) read() error {
	m, sp, err := regress.Load(f.path)
	if err != nil {
		return err
	}
	p, err := regress.NewPredictor(m, sp)
	if err != nil {
		return err
	}
	f.cost, f.modified = m, time.Time{}
	if f.file != nil {
		f.modified = f.file.ModTime()
	}
	f.model = web.CostModel{
		Name: f.name, Space: sp, Predictor: p, Method: m.Method, Device: m.Device, Kind: m.Kind,
		Precision: m.Precision, MeasuredUntil: m.MeasuredUntil, Figures: m.Figures,
	}
	return nil
}
