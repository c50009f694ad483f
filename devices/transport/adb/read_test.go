package adb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseDevices(t *testing.T) {
	const text = "0123456789\tdevice product:sargo model:Pixel_3a device:sargo transport_id:1\n" +
		"9A281FFAZ001VD         device usb:1-4 product:blueline model:Pixel_3 device:blueline transport_id:4\n" +
		"192.168.1.7:5555       offline transport_id:5\n" +
		"emulator-5554          unauthorized transport_id:6\n" +
		"ABC                    no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/tools/device.html] usb:3-2 transport_id:9\n\nalone\n"
	want := []Listed{
		{"0123456789", "device", ""},
		{"9A281FFAZ001VD", "device", "usb:1-4"},
		{"192.168.1.7:5555", "offline", ""},
		{"emulator-5554", "unauthorized", ""},
		{"ABC", "no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/tools/device.html]", "usb:3-2"},
	}
	if diff := cmp.Diff(want, parseDevices(text)); diff != "" {
		t.Error(diff)
	}
}

// Serial numbers with blanks, and servers of several versions.
func TestParseDevicesWithBlanks(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Listed
	}{
		{"adb-X-y (2)._adb-tls-connect._tcp device product:p model:M device:d transport_id:3", Listed{"adb-X-y (2)._adb-tls-connect._tcp", "device", ""}},
		{"adb-X-y (2)._adb-tls-connect._tcp\tdevice", Listed{"adb-X-y (2)._adb-tls-connect._tcp", "device", ""}},
		{"ZUG 5S                 device usb:1-4 product:p model:M device:d transport_id:3", Listed{"ZUG 5S", "device", "usb:1-4"}},
		{"ZUG 5S\tdevice", Listed{"ZUG 5S", "device", ""}},
		{"ZUG  5S offline", Listed{"ZUG  5S", "offline", ""}},
		{"ZUG 5S no permissions (missing udev rules? user is in the plugdev group); see [http://developer.android.com/tools/device.html] usb:3-2 transport_id:9",
			Listed{"ZUG 5S", "no permissions (missing udev rules? user is in the plugdev group); see [http://developer.android.com/tools/device.html]", "usb:3-2"}},
		{"ZUG 5S\tno permissions; see [http://developer.android.com/tools/device.html]", Listed{"ZUG 5S", "no permissions; see [http://developer.android.com/tools/device.html]", ""}},
		{"my device              device usb:1-4 transport_id:1", Listed{"my device", "device", "usb:1-4"}},
		{"host 1                 unauthorized transport_id:1", Listed{"host 1", "unauthorized", ""}},
		{"(no serial number)     device transport_id:1", Listed{"(no serial number)", "device", ""}},
		{"ZUG 5S                 meditating usb:1-4 transport_id:1", Listed{"ZUG 5S", "meditating", "usb:1-4"}},
		{"9A28                   device usb:1-4 product:p model:M device:d max_speed:5000 negotiated_speed:480 transport_id:1", Listed{"9A28", "device", "usb:1-4"}},
		{"192.168.1.7:5555       device product:p model:M device:d transport_id:5", Listed{"192.168.1.7:5555", "device", ""}},
		{"9A28                   device 1-4 product:p", Listed{"9A28", "device 1-4", ""}},
	} {
		if diff := cmp.Diff([]Listed{tt.want}, parseDevices(tt.line+"\n")); diff != "" {
			t.Errorf("%q: %s", tt.line, diff)
		}
	}
}

// A device is read as it was printed, whatever blanks and words of states its serial number has.
func TestDevicesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9._()#+-]{1,12}`), rapid.SampledFrom(states))
		serial := strings.Join(rapid.SliceOfN(word, 1, 4).Draw(t, "serial"), " ")
		state := rapid.SampledFrom(append([]string{"no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/tools/device.html]"}, states...)).Draw(t, "state")
		usb := rapid.SampledFrom([]string{"", "usb:1-4.2"}).Draw(t, "usb")
		details := strings.Repeat(" ", min(1, len(usb))) + usb + rapid.SampledFrom([]string{"", " product:p model:M device:d", " transport_id:7"}).Draw(t, "details")
		line := fmt.Sprintf("%-22s %s%s\n", serial, state, details)
		if diff := cmp.Diff([]Listed{{serial, state, usb}}, parseDevices(line)); diff != "" {
			t.Fatalf("%q: %s", line, diff)
		}
	})
}

// A phone that mDNS renamed is found by its other name, if there is one such phone.
func TestMatch(t *testing.T) {
	const plain, second, third, foreign = "adb-X-y._adb-tls-connect._tcp", "adb-X-y (2)._adb-tls-connect._tcp", "adb-X-y (2) (3)._adb-tls-connect._tcp", "adb-X-z (2)._adb-tls-connect._tcp"
	for _, tt := range []struct {
		list, serial, listed, state, says string
	}{
		{plain + " device", plain, plain, usable, ""},
		{second + " device\n" + foreign + " device", plain, second, usable, ""},
		{third + " device", plain, third, usable, ""},
		{plain + " device", second, plain, usable, ""},
		{second + " device\n" + plain + " device", plain, plain, usable, ""},
		{plain + " offline\n" + second + " device", plain, second, usable, ""},
		{second + " unauthorized\n" + plain + " offline", plain, plain, "offline", ""},
		{plain + " offline\n" + second + " unauthorized", plain, plain, "offline", ""},
		{second + " unauthorized", plain, second, "unauthorized", ""},
		{second + " device\n" + third + " device", plain, "", "", "adb lists it more than once: " + second + ", " + third + " (adb disconnect '" + third + "')"},
		{foreign + " device", plain, plain, "", ""},
		{"adb-X-y (2)._adb._tcp device", plain, plain, "", ""},
		{"Moto G (5) device", "Moto G", "Moto G", "", ""},
		{"A device usb:1-4", "usb:1-4", "usb:1-4", usable, ""},
	} {
		listed, state, err := match(parseDevices(tt.list), tt.serial)
		if listed != tt.listed || state != tt.state || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q in %q is %q, %q, %v", tt.serial, tt.list, listed, state, err)
		}
	}
}

func FuzzParseDevices(f *testing.F) {
	f.Add("0123\tdevice product:a model:b device:c transport_id:1\n")
	f.Add("ABC no permissions (x); see [http://y] usb:3-2\n")
	f.Add("0 \t0")
	f.Add("adb-X-y (2)._adb-tls-connect._tcp offline\nZUG 5S\tdevice\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range parseDevices(text) {
			if d.Serial == "" || strings.Contains(d.Serial, "\n") || strings.TrimSpace(d.Serial) != d.Serial || strings.Contains(d.State, "\t") {
				t.Errorf("%q: serial %q", text, d.Serial)
			}
			_ = StateError(d.Serial, d.State)
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("0004abcd"))
	f.Add([]byte("ffffx"))
	f.Add([]byte("+001x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := readReply(bytes.NewReader(b))
		if err == nil && (len(text) > len(b)-4 || !bytes.Equal(b[4:4+len(text)], []byte(text))) {
			t.Errorf("%q gives %q", b, text)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x01\x02\x00\x00\x00ab\x02\x01\x00\x00\x00c\x03\x01\x00\x00\x00\x2a"))
	f.Add([]byte("\x03\x00\x00\x00\x00"))
	f.Add([]byte("\x01\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out, errs bytes.Buffer
		if _, err := frames(bytes.NewReader(b), &out, &errs); out.Len()+errs.Len() > len(b) {
			t.Errorf("%q: more came out than went in, %v", b, err)
		}
	})
}

// answered makes files that get one given answer from a phone, which then hangs up.
func answered(t *testing.T, answer []byte) *files {
	t.Helper()
	here, there := net.Pipe()
	go func() {
		go func() { _, _ = io.Copy(io.Discard, there) }()
		_, _ = there.Write(answer)
		_ = there.Close()
	}()
	w := &wire{Conn: here, stall: time.Minute, release: func() bool { return true }}
	t.Cleanup(func() { _ = w.Close() })
	return &files{&Device{serial: "x"}, w}
}

func FuzzFileAnswers(f *testing.F) {
	f.Add([]byte("DATA\x02\x00\x00\x00abDONE\x00\x00\x00\x00"))
	f.Add([]byte("FAIL\x03\x00\x00\x00abc"))
	f.Add([]byte("OKAY\x00\x00\x00\x00"))
	f.Add(append([]byte("STA2"), make([]byte, 68)...))
	f.Add(append([]byte("STAT"), make([]byte, 12)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_ = answered(t, b).receive(func(chunk []byte) error { n += len(chunk); return nil })
		if n > len(b) {
			t.Errorf("%q is a file of %d bytes", b, n)
		}
		_ = answered(t, b).answer()
		if i, err := answered(t, b).stat1("x"); err == nil && i.Mode == 0 && i.Size == 0 && i.ModTime.IsZero() {
			t.Errorf("%q is an empty answer", b)
		}
		_, _ = answered(t, b).stat2("x")
	})
}

// TestMarks: wherever the stream is cut, everything but the mark passes unchanged.
func TestMarks(t *testing.T) {
	const mark = "@latlab-01-exit="
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"@", "@latlab-", mark, "x", "\n", "9", "=", "@latlab-01-exit", "error: "})
		before := strings.Join(rapid.SliceOfN(part, 0, 6).Draw(t, "before"), "")
		code := rapid.Byte().Draw(t, "code")
		text := before + mark + string(rune('0'+code/100)) + string(rune('0'+code/10%10)) + string(rune('0'+code%10)) + "\n"
		if strings.Contains(before, mark) {
			t.Skip("nobody can guess the mark")
		}
		var out bytes.Buffer
		m := &marks{mark: []byte(mark), to: &out}
		for rest := []byte(text); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			_, _ = m.Write(rest[:n])
			rest = rest[n:]
		}
		m.flush()
		if out.String() != before || !m.found || m.code != code {
			t.Errorf("%q gives %q, code %d (%v)", text, out.String(), m.code, m.found)
		}
	})
}

func TestFileErrors(t *testing.T) {
	for text, want := range map[string]error{
		"couldn't create file: No space left on device": errFull, "open failed: No such file or directory": fs.ErrNotExist,
		"open failed: Permission denied": fs.ErrPermission,
	} {
		if err := fileError(text); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	b := binary.LittleEndian.AppendUint32([]byte("FAIL"), 1<<31)
	if err := answered(t, b).answer(); err == nil || !strings.Contains(err.Error(), "2147483648 bytes") {
		t.Errorf("a long failure: %v", err)
	}
}
