package tool

import "latlab/internal/strictyaml"

// Plugin is the library of a delegate that is loaded from a file.
type Plugin struct {
	Library   string // a path on this host, or on the device behind OnDevice
	Options   map[string]string
	Libraries []string // files of this host that it depends on
}

// Fields are the inventory's fields of the library.
func (p *Plugin) Fields() []Field {
	return []Field{
		AnyPath("delegate_library", "library of the delegates external and edgetpu, settings file of stable: a file of this host, which is pushed, or device:/PATH", &p.Library),
		Texts("delegate_options", "options that the library gets", &p.Options),
		Libraries(&p.Libraries),
	}
}

// Check refuses a library without a delegate, and a delegate without its library.
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
