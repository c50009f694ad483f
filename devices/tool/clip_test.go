package tool_test

import (
	"testing"

	"latlab/devices/tool"
)

func TestClip(t *testing.T) {
	for _, c := range []struct {
		said string
		most int
		want string
	}{
		{"", 5, ""}, {"12345", 5, "12345"}, {"123456", 5, "12345..."}, {" a\r\n\tb  c ", 9, "a b c"},
		{"wrong\xffbyte", 20, "wrongbyte"}, {"aé", 2, "a..."},
	} {
		if got := tool.Clip(c.said, c.most); got != c.want {
			t.Errorf("%q to %d bytes: %q, want %q", c.said, c.most, got, c.want)
		}
	}
}
