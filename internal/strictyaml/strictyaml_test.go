package strictyaml

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

var kind = Kind{Name: "a menu", MaxBytes: 4096, Empty: "; `dishes: []` is a menu without dishes"}

type dish struct {
	name   string
	price  float64
	count  int
	spicy  bool
	course string
	with   map[string]string
}

// menu reads a file as the readers of latlab do.
func menu(root Value) (dishes []dish) {
	for _, v := range root.Object("dishes").Get("dishes").ListOrNone(3) {
		o := v.Object("name", "price", "count", "spicy", "course", "with")
		d := dish{name: o.Get("name").Word(), course: "main", with: map[string]string{}}
		if v, ok := o.Opt("price"); ok {
			d.price = v.Between(0, 100)
		}
		if v, ok := o.Opt("count"); ok {
			d.count = v.Int(1, 9)
		}
		if v, ok := o.Opt("spicy"); ok {
			d.spicy = v.Bool()
		}
		if v, ok := o.Opt("course"); ok {
			d.course = v.OneOf("starter", "main")
		}
		if v, ok := o.Opt("with"); ok {
			m := v.Map()
			for _, k := range m.Keys() {
				d.with[k] = m.Get(k).Matching(regexp.MustCompile(`^[a-z]+$`), "letters")
			}
		}
		if d.spicy && d.price == 0 {
			o.Fail("price", "is missing: nothing spicy is free")
		}
		dishes = append(dishes, d)
	}
	return dishes
}

func TestRead(t *testing.T) {
	var got []dish
	text := "dishes:\n  - {name: 007, price: 2.5, count: 2.0, spicy: true, course: starter, with: {a: b}}\n  - {name: soup}\n"
	if err := kind.Read([]byte(text), "menu.yml", func(v Value) { got = menu(v) }); err != nil {
		t.Fatal(err)
	}
	if d := got[0]; len(got) != 2 || d.name != "007" || d.price != 2.5 || d.count != 2 || !d.spicy || d.course != "starter" || d.with["a"] != "b" {
		t.Errorf("%+v", got)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"", ": is empty; `dishes: []` is a menu without dishes"},
		{"# nothing\n", ": is empty; `dishes: []` is a menu without dishes"},
		{strings.Repeat("#\n", 4096), ": is larger than 4096 bytes, too large for a menu"},
		{"dishes: []\n---\ndishes: []\n", ":2: a second document begins here; a file holds a menu"},
		{"- a\n", ":1: must be a mapping, not a list"},
		{"{}\n", ":1: dishes: is missing"},
		{"dishes: x\n", `:1: dishes: must be a list, not "x"`},
		{"dishes: [a, b, c, d]\n", ":1: dishes: must have 0 to 3 entries, not 4"},
		{"dishs: []\n", `:1: dishs: unknown field; did you mean "dishes"?`},
		{"tables: []\n", ":1: tables: unknown field; known: dishes"},
		{"dishes: []\ndishes: []\n", ":2: dishes: is given twice"},
		{"? [a]\n: b\n", ":1: keys must be words, not a list"},
		{"dishes:\n\t- x\n", ":2: is indented by a tab; YAML wants spaces"},
		{"dishes: [\n", ":1: did not find expected node content"},
		{"dishes:\n  - price: 1\n", ":2: dishes[0].name: is missing"},
		{"dishes: [{name: [a]}]\n", ":1: dishes[0].name: must be text, not a list"},
		{"dishes: [{name: true}]\n", ":1: dishes[0].name: must be text, not true"},
		{"dishes: [{name: ~}]\n", ":1: dishes[0].name: must be text, not nothing"},
		{"dishes: [{name: ' '}]\n", ":1: dishes[0].name: must not be empty"},
		{"dishes: [{name: \"a\\nb\"}]\n", ":1: dishes[0].name: must be one line of at most 400 bytes"},
		{"dishes: [{name: a, price: b}]\n", `:1: dishes[0].price: must be a number, not "b"`},
		{"dishes: [{name: a, price: 101}]\n", ":1: dishes[0].price: must be 0 to 100, not 101"},
		{"dishes: [{name: a, price: .nan}]\n", ":1: dishes[0].price: must be 0 to 100, not .nan"},
		{"dishes: [{name: a, count: 1.5}]\n", ":1: dishes[0].count: must be a whole number, not 1.5"},
		{"dishes: [{name: a, count: .inf}]\n", ":1: dishes[0].count: must be 1 to 9, not .inf"},
		{"dishes: [{name: a, count: '1'}]\n", `:1: dishes[0].count: must be a whole number, not "1"`},
		{"dishes: [{name: a, count: 10}]\n", ":1: dishes[0].count: must be 1 to 9, not 10"},
		{"dishes: [{name: a, spicy: yes please}]\n", `:1: dishes[0].spicy: must be true or false, not "yes please"`},
		{"dishes: [{name: a, course: mian}]\n", `:1: dishes[0].course: unknown value "mian"; did you mean "main"?`},
		{"dishes: [{name: a, with: {b: C}}]\n", `:1: dishes[0].with.b: must be letters, not "C"`},
		{"dishes:\n  - name: a\n    spicy: true\n", ":2: dishes[0].price: is missing: nothing spicy is free"},
		{"dishes:\n  - name: &n a\n  - name: *n\n", ":3: dishes[1].name: must be written out, not referred to"},
		{"dishes:\n  - &d {name: a}\n  - <<: *d\n", ":3: dishes[1].<<: unknown field; known: name, price, count, spicy, course, with"},
		{"dishes: [{\"a\\e[31m\": 1}]\n", ":1: dishes[0].a?[31m: unknown field; known: name, price, count, spicy, course, with"},
	} {
		err := kind.Read([]byte(c.text), "menu.yml", func(v Value) { menu(v) })
		if want := "menu.yml" + c.says; err == nil || err.Error() != want {
			t.Errorf("%.40q says %v\nwant %s", c.text, err, want)
		}
	}
}

func TestAt(t *testing.T) {
	for path, line := range map[string]int{"a.b[1].c": 5, "a.b[0]": 3, "a.b[7]": 3, "a.x": 2, "y": 1} {
		var got int
		err := kind.Read([]byte("a:\n  b:\n    - x\n    -\n      c: 1\n"), "f", func(v Value) { got = v.At(path).LineNumber() })
		if err != nil || got != line {
			t.Errorf("%s is at line %d, %v; want %d", path, got, err, line)
		}
	}
}

// FuzzRead: whatever a file holds, it is read or refused in one line.
func FuzzRead(f *testing.F) {
	f.Add([]byte("dishes:\n  - {name: 007, price: 2.5, count: 2, spicy: true, course: starter, with: {a: b}}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("? &k a\n: b\n? *k\n: c\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, aliases := range []bool{false, true} {
			k := kind
			k.Aliases = aliases
			err := k.Read(data, "menu.yml", func(v Value) { menu(v); v.At("dishes[0].name").Fail("no") })
			var e *Error
			if !errors.As(err, &e) || strings.ContainsAny(err.Error(), "\r\n\x1b") || len(err.Error()) > 1000 {
				t.Errorf("%q says %q", data, err)
			}
		}
	})
}
