package inventory

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"latlab/devices/tool"
	"latlab/internal/strictyaml"
	"latlab/internal/text"
)

var (
	userForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]{0,63}$`)
	// usbSerial: adb lists a USB device by the serial number in its descriptor, in practice letters
	// and digits, of some vendors with blanks ("ZUG 5S"); "usb:PATH" is the port that it is plugged
	// into.
	usbSerial = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._()+#-]{0,62}[A-Za-z0-9._()+#-]$|^[A-Za-z0-9]$`)
	usbPath   = regexp.MustCompile(`^usb:[0-9]+(-[0-9]+(\.[0-9]+)*)?X?$`)
	mdns      = regexp.MustCompile(`^adb-[A-Za-z0-9 ._()-]{1,100}\._adb(-tls-connect|-tls-pairing)?\._tcp\.?$`)
	hostForm  = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9._-]{0,253})|[A-Za-z0-9]|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9]{1,15})?)$`)
)

// badSerial says why a text cannot be an adb serial number; "" if it can.
func badSerial(s string) string {
	number, emulator := strings.CutPrefix(s, "emulator-")
	switch {
	case emulator:
		// The console's port, which gives the name, is even; adb's is the odd one above.
		if n, err := strconv.Atoi(number); err != nil || n < 5554 || n > 5682 || n%2 != 0 {
			return "an emulator has an even number from 5554 to 5682"
		}
		return ""
	case strings.HasPrefix(s, "usb:"):
		if !usbPath.MatchString(s) {
			return "a USB port is written as usb:1-4 or usb:1-4.2"
		}
		return ""
	case strings.Contains(s, ":"):
		return badAddress(s)
	case usbSerial.MatchString(s), mdns.MatchString(s):
		return ""
	}
	return "`adb devices` lists them"
}

// wireless reports whether a phone is reached over the network.
func wireless(serial string) bool {
	return mdns.MatchString(serial) || strings.Contains(serial, ":") && !strings.HasPrefix(serial, "usb:")
}

// badAddress says why a text is not HOST:PORT; "" if it is.
func badAddress(s string) string {
	host, port, err := splitPort(s)
	switch {
	case err != "":
		return err
	case port == 0:
		return "an address needs a port: HOST:5555"
	case !hostForm.MatchString(host):
		return fmt.Sprintf("%q is not a host name or address", text.Clip(host))
	}
	return ""
}

// splitPort splits HOST, HOST:PORT, [IPV6] and [IPV6]:PORT; the port is 0 if there is none.
func splitPort(s string) (host string, port int, why string) {
	host, digits, has := s, "", false
	if inner, ok := strings.CutPrefix(s, "["); ok {
		var rest string
		var closed bool
		if host, rest, closed = strings.Cut(inner, "]"); !closed {
			return "", 0, "'[' without ']'"
		}
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() {
			return "", 0, fmt.Sprintf("%q is not an IPv6 address", text.Clip(host))
		}
		if digits, has = strings.CutPrefix(rest, ":"); !has && rest != "" {
			return "", 0, fmt.Sprintf("%q follows ']'", text.Clip(rest))
		}
	} else if strings.Count(s, ":") == 1 {
		host, digits, has = strings.Cut(s, ":")
	} else if strings.Contains(s, ":") {
		return "", 0, "an IPv6 address must be in brackets: [fe80::1]:22"
	}
	if !has {
		return host, 0, ""
	}
	port, err := strconv.Atoi(digits)
	if err != nil || port < 1 || port > 65535 || digits[0] == '+' {
		return "", 0, fmt.Sprintf("%q is not a port from 1 to 65535", text.Clip(digits))
	}
	return host, port, ""
}

// parseHost reads [USER@]HOST[:PORT].
func parseHost(s string) (h sshHost, why string) {
	rest := s
	if user, host, ok := strings.Cut(s, "@"); ok {
		if !userForm.MatchString(user) {
			return h, fmt.Sprintf("%q is not a login name", text.Clip(user))
		}
		h.user, rest = user, host
	}
	if h.host, h.port, why = splitPort(rest); why != "" {
		return h, why
	}
	if !hostForm.MatchString(h.host) {
		return h, "want an alias of ~/.ssh/config or [USER@]HOST[:PORT]"
	}
	return h, ""
}

// address is [USER@]HOST[:PORT].
func (h sshHost) address() string {
	address := h.host
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	if h.user != "" {
		address = h.user + "@" + address
	}
	if h.port != 0 {
		address = fmt.Sprintf("%s:%d", address, h.port)
	}
	return address
}

// readHost reads an address or a mapping.
func readHost(v strictyaml.Value) sshHost {
	if !v.IsMapping() {
		address := v.Word()
		h, why := parseHost(address)
		if why != "" {
			v.Fail("%q is not a host: %s", text.Clip(address), why)
		}
		return h
	}
	o := v.Object("host", "user", "port", "identity", "known_hosts")
	h := sshHost{host: o.Get("host").Word()}
	if !hostForm.MatchString(h.host) {
		o.Get("host").Fail("%q is not a host name or address", text.Clip(h.host))
	}
	if u, ok := o.Opt("user"); ok {
		h.user = u.Matching(userForm, "a login name")
	}
	if p, ok := o.Opt("port"); ok {
		h.port = p.Int(1, 65535)
	}
	if f, ok := o.Opt("identity"); ok {
		h.identity = tool.ReadHostPath(f)
	}
	if f, ok := o.Opt("known_hosts"); ok {
		h.knownHosts = tool.ReadHostPath(f)
	}
	return h
}
