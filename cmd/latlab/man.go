package main

import (
	"fmt"
	"strings"
)

// manPage is the library's page, and the sections that it does not know.
func (p *program) manPage() (string, error) {
	page, err := p.app.ToManWithSection(1)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(page)
	b.WriteString("\n.SH EXAMPLES\n")
	manLines(&b, firstJob())
	for _, v := range p.verbs {
		manLines(&b, v.examples)
	}
	for _, section := range manSections() {
		fmt.Fprintf(&b, ".SH %s\n", section.title)
		for _, item := range section.items {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", roff(item[0]), roff(item[1]))
		}
	}
	return b.String(), nil
}

// manSection is a list of names and what they mean.
type manSection struct {
	title string
	items [][2]string
}

func manSections() []manSection {
	return []manSection{
		{"FILES", [][2]string{
			{"~/.config/latlab/latlab.yml", "Defaults of flags, in a section for each verb. XDG_CONFIG_HOME replaces ~/.config."},
			{"~/.config/latlab/devices.yml", "The inventory: your devices by name. --inventory names another file."},
			{"~/.cache/latlab", "The model cache, on this host and on boards. XDG_CACHE_HOME replaces ~/.cache, --cache-dir the folder."},
			{"FILE.db, FILE.db-wal, FILE.db-shm, FILE.db.lock", "A store, its log while it is written, and the file that its writer locks."},
			{"OUTPUT.notes.json", "Beside an export: what its format omits, and why."},
		}},
		{"ENVIRONMENT", [][2]string{
			{"LATLAB_FLAG", "The default of a flag, in capitals and with _ for - and . (LATLAB_DEVICE, LATLAB_PUSH_URL). The command line overrides it, and it overrides the configuration file. -o and most flags that may be repeated have none; of --fixture and --arch a comma separates the values."},
			{"LATLAB_CONFIG", "The configuration file, in place of ~/.config/latlab/latlab.yml."},
			{"NO_COLOR, TERM=dumb", "No colours."},
			{"XDG_CONFIG_HOME, XDG_CACHE_HOME", "Where the user's configuration and cache are."},
		}},
	}
}

func manLines(b *strings.Builder, lines []string) {
	if len(lines) > 0 {
		fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", strings.Join(mapped(lines, roff), "\n"))
	}
}

// roff escapes a line of text.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}
