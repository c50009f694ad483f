package source

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/text"
	"latlab/regress/features"
	"latlab/sampler"
	"latlab/sampler/model"
)

// Named are the networks of a run that a user named: fixtures, points of spaces, files, folders and
// globs of files, lists of files. Those that cannot be timed are refused with the reason, and the
// others are not lost. All networks of a run have one format and one precision.
type Named struct {
	Networks List
	// Form has the common format and precision. The type of inputs is that of the networks that latlab
	// writes; a user's own file has its own.
	Form    model.Form
	Refused []bench.Refused

	o        NamedOptions
	decided  bool              // Form is that of a network
	list     string            // the file of AddList
	features []string          // names, of each network of the list
	where    map[string]string // how an identity was named
	held     []error           // refusals that Done reports
	shown    string            // how many lines of the list were reported, "" for all
}

// NamedOptions are what all networks have in common.
type NamedOptions struct {
	Device devices.Info
	// Form is that of the networks that latlab writes. Where Written is false there are none, and the
	// first file that the device can time decides, or that of Form's precision, if it is not empty.
	Form    model.Form
	Written bool
	Cache   *model.Cache
	// Report gets each refusal once.
	Report func(error)
}

// NewNamed has no networks yet.
func NewNamed(o NamedOptions) *Named {
	return &Named{o: o, Form: o.Form, decided: o.Written, where: map[string]string{}}
}

// Asked is how many networks were named.
func (l *Named) Asked() int { return len(l.Networks) + len(l.Refused) }

// AddNetwork adds a network that latlab writes; as says how it was named.
func (l *Named) AddNetwork(n Network, as string) error {
	one, err := n.Listed(l.Form, l.o.Cache)
	if err != nil {
		return err
	}
	if err := l.twice(one, as); err != nil {
		l.refuse(n.Name, as, err)
		return nil
	}
	one.Features = withOps(one.Model, nil)
	l.take(one, as)
	return nil
}

// AddArchs adds the points of JSON lines that sampler.WriteJSONL wrote; file names them in errors. The
// error is that of lines without any network.
func (l *Named) AddArchs(r io.Reader, file string, find func(space string) (*sampler.Space, error)) error {
	lines := sampler.BadLines{Report: l.o.Report}
	before := l.Asked()
	for a, err := range sampler.ReadJSONL(r, file, find) {
		switch {
		case l.isBadLine(&lines, file, err):
			continue
		case err != nil:
			return err
		}
		lines.Good()
		sp, err := find(a.Space)
		if err != nil {
			return err
		}
		n, err := Point(sp, a)
		if err == nil {
			err = l.AddNetwork(n, fmt.Sprintf("%s of %s", a.ID(), file))
		}
		if err != nil {
			return err
		}
	}
	switch {
	case l.Asked() == before:
		return fmt.Errorf("%s has no network", file)
	case !lines.Usable():
		return fmt.Errorf("%s: no line is a network%s", file, lines.Shown())
	}
	return nil
}

// AddFiles adds a user's own file, all models of a folder, or all files that match a glob. The error
// is that of a folder or glob without a model.
func (l *Named) AddFiles(path string, call model.Call) error {
	paths, err := modelFiles(path)
	for _, p := range paths {
		if err := l.addFile(p, call); err != nil {
			l.refuse(p, "", err)
		}
	}
	return err
}

// IsSeveral reports whether a path that AddFiles takes may name several files.
func IsSeveral(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() || err != nil && hasMeta(path)
}

func hasMeta(path string) bool { return strings.ContainsAny(path, `*?[`) }

// modelFiles are the files that a path names. A file that is not there is named too: it is refused
// with its reason.
func modelFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return modelsIn(path)
	case !errors.Is(err, fs.ErrNotExist) || !hasMeta(path):
		return []string{path}, nil
	}
	found, err := filepath.Glob(path)
	if err == nil && len(found) == 0 {
		err = errors.New("no file matches")
	}
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	return found, nil
}

// modelsIn are a folder's own models, by the ends of their names; files of other kinds are no matter of
// a run.
func modelsIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("model %w", err)
	}
	var found []string
	for _, e := range entries {
		if slices.Contains([]string{".tflite", ".onnx"}, strings.ToLower(filepath.Ext(e.Name()))) {
			found = append(found, filepath.Join(folder, e.Name()))
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("model %s: the folder has no .tflite or .onnx file", folder)
	}
	return found, nil
}

// isBadLine refuses an unusable line of a file, and reports whether err is one.
func (l *Named) isBadLine(lines *sampler.BadLines, file string, err error) bool {
	bad, is := errors.AsType[*sampler.LineError](err)
	if is {
		lines.Bad(err)
		l.Refused = append(l.Refused, bench.Refused{Name: fmt.Sprintf("%s:%d", file, bad.Line), Reason: bad.Err.Error()})
	}
	return is
}

// read reads a user's own file, or returns why it cannot be timed.
func (l *Named) read(name, path string, call model.Call) (Listed, error) {
	m, err := model.FromFile(path, call)
	if err != nil {
		return Listed{}, err
	}
	one := Listed{Name: name, Model: m}
	if err := l.twice(one, name); err != nil {
		return one, err
	}
	return one, Accept(m, l.o.Device)
}

func (l *Named) addFile(path string, call model.Call) error {
	one, err := l.read(path, path, call)
	if err != nil {
		return err
	}
	if err := l.decide(one); err != nil {
		return err
	}
	one.Features = withOps(one.Model, nil)
	l.take(one, path)
	return nil
}

// AddList adds the files of a list of JSON lines: {"path", "features"}. The error is that of a file
// which is no list.
func (l *Named) AddList(file string) error {
	l.list = file
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := text.CheckKind(f, text.ModelList); err != nil {
		return err
	}
	lines := sampler.BadLines{Report: l.o.Report}
	for e, err := range model.ReadList(f, file) {
		switch {
		case l.isBadLine(&lines, file, err):
			continue
		case err != nil:
			return err
		}
		lines.Good()
		if err := l.addEntry(e); err != nil {
			l.refused(e.Path, err)
			l.o.Report(&sampler.LineError{File: file, Line: e.Line, Err: err})
		}
	}
	l.shown = lines.Shown()
	return nil
}

// addEntry takes a line of a list, or returns why it cannot be timed.
func (l *Named) addEntry(e model.Entry) error {
	one, err := l.read(e.Path, l.path(e.Path), model.Call{})
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(e.Features))
	for _, name := range names {
		if err := features.CheckOwn(name, e.Features[name]); err != nil {
			return err
		}
	}
	if l.decided && l.features != nil && !slices.Equal(names, l.features) {
		return fmt.Errorf("its features are %s, those of the first model %s", featureNames(names), featureNames(l.features))
	}
	if err := l.decide(one); err != nil {
		return err
	}
	l.features = append([]string{}, names...)
	one.Features = withOps(one.Model, e.Features)
	l.take(one, fmt.Sprintf("line %d", e.Line))
	return nil
}

// path resolves a path as the list has it.
func (l *Named) path(written string) string {
	if filepath.IsAbs(written) || l.list == "" {
		return written
	}
	return filepath.Join(filepath.Dir(l.list), written)
}

// twice refuses a network that was named before, as a run times it once.
func (l *Named) twice(one Listed, as string) error {
	before, is := l.where[one.Model.Identity]
	switch {
	case !is:
		return nil
	case one.Model.FileSHA256() != "" && before == as:
		return fmt.Errorf("model %s: it is named twice", one.Name)
	case before == as:
		return errors.New("it is named twice")
	case one.Model.FileSHA256() == "":
		return fmt.Errorf("it is named twice: as %s too", before)
	}
	return fmt.Errorf("model %s has the same bytes as that of %s", one.Name, before)
}

// decide checks what all networks of one run must have in common, which the first one decides.
func (l *Named) decide(one Listed) error {
	m := one.Model
	switch {
	case l.Form.Precision != "" && m.Precision != l.Form.Precision && l.o.Form.Precision != "" && !l.o.Written:
		return fmt.Errorf("model %s is %s; --precision %s applies only to networks that latlab writes, and chooses files of %s", one.Name, m.Precision, l.Form.Precision, l.Form.Precision)
	case l.Form.Precision != "" && m.Precision != l.Form.Precision:
		return fmt.Errorf("model %s is %s, this sweep is of %s: --precision %s times the others", one.Name, m.Precision, l.Form.Precision, m.Precision)
	case l.decided && m.Format != l.Form.Format:
		return fmt.Errorf("model %s is %s, the first network %s", one.Name, m.Format, l.Form.Format)
	case !l.decided:
		l.Form, l.decided = model.Form{Format: m.Format, Precision: m.Precision}, true
	}
	return nil
}

func (l *Named) take(one Listed, as string) {
	l.where[one.Model.Identity] = as
	l.Networks = append(l.Networks, one)
}

// refuse keeps a refusal for Done; as is how the network was named, if not by its name.
func (l *Named) refuse(name, as string, err error) {
	l.refused(name, err)
	if as != "" {
		err = fmt.Errorf("%s: %w", as, err)
	}
	l.held = append(l.held, err)
}

// refused records a refusal. The name is not repeated in the reason.
func (l *Named) refused(name string, err error) {
	reason := strings.TrimPrefix(err.Error(), "model "+l.path(name)+": ")
	l.Refused = append(l.Refused, bench.Refused{Name: name, Reason: strings.TrimPrefix(reason, "model "+name+" ")})
}

// Done reports the refusals. Where no network is left it returns why; that of a single one is its own.
func (l *Named) Done() error {
	if len(l.Networks) == 0 && len(l.held) == 1 && l.list == "" {
		return l.held[0]
	}
	for _, err := range l.held {
		l.o.Report(err)
	}
	l.held = nil
	switch {
	case len(l.Networks) > 0:
		return nil
	case l.list != "" && l.Asked() == 0:
		return fmt.Errorf("%s has no model", l.list)
	case l.list != "":
		return fmt.Errorf("%s: no line is a model that device %s can time%s", l.list, l.o.Device.Name, l.shown)
	}
	return fmt.Errorf("none of the %d networks can be timed on device %s", l.Asked(), l.o.Device.Name)
}

func featureNames(names []string) string {
	return cmp.Or(strings.Join(names, ", "), "none")
}

// withOps adds the op-level features where all ops are known: a fit then needs no file.
func withOps(m *model.Model, own map[string]float64) map[string]float64 {
	all := maps.Clone(own)
	if m.Graph == nil {
		return all
	}
	if all == nil {
		all = map[string]float64{}
	}
	maps.Copy(all, features.OfGraph(m.Graph))
	return all
}
