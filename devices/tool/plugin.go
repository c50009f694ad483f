package tool

import "latlab/internal/strictyaml"

// Plugin is the library of a delegate that has one.
type Plugin struct {
	Library   string // of this host, or behind OnDevice
	Options   map[string]string
	Libraries []string // of this host, which it needs beside it
}

// Fields are those of the inventory that say what the library is.
func (p *Plugin) Fields() []Field {
	return []Field{
		AnyPath("delegate_library", "library of the delegates external and edgetpu, settings file of stable: a file of this host, which is pushed, or device:/PATH", &p.Library),
		Texts("delegate_options", "options that the library gets", &p.Options),
		Libraries(&p.Libraries),
	}
}

// Check refuses a library without its delegate, and a delegate without its library.
func (p *Plugin) Check(o strictyaml.Object, d Device) {
	for _, f := range []string{"delegate_library", "delegate_options"} {
		if o.Has(f) && !d.Delegate.Library {
			o.Fail(f, "is of delegates with a library (external, edgetpu), not of %s", d.Delegate.Name)
		}
	}
	if d.Delegate.Library && p.Library == "" {
		o.Fail("delegate", "%s needs a library: where is it? give delegate_library", d.Delegate.Name)
	}
	p.Library = d.LocalPath(p.Library)
}
