package inventory

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"latlab/sampler"
)

// maxCPU is the kernel's own limit on x86 (CONFIG_NR_CPUS is at most 8192; 4096 in
// distributions).
const maxCPU = 4096

// ParseCPUs reads a list such as 0,2-3. "" is none.
func ParseCPUs(list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.ParseUint(from, 10, 16)
		b := a
		if err == nil && isRange {
			b, err = strconv.ParseUint(to, 10, 16)
		}
		if err != nil || b < a || b >= maxCPU {
			return nil, fmt.Errorf("%q is not a CPU number or a range such as 2-3", sampler.Clip(part))
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

// ParseSize reads a number of bytes such as 500M or 2G (powers of 1024).
func ParseSize(text string) (int64, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	shift := 0
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]); i >= 0 {
			shift, number = 10*(i+1), number[:n-1]
		}
	}
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || v <= 0 || v > 1<<62>>shift {
		return 0, fmt.Errorf("size %q: want a number of bytes such as 500M or 2G", sampler.Clip(text))
	}
	return v << shift, nil
}

var (
	// usbSerial: what adb lists for a USB device is what its descriptor says, in practice
	// letters and digits; "-s usb:PATH" is the port that it is plugged into.
	usbSerial = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	usbPath   = regexp.MustCompile(`^usb:[0-9]+(-[0-9]+(\.[0-9]+)*)?X?$`)
	mdns      = regexp.MustCompile(`^adb-[A-Za-z0-9._-]{1,100}\._adb(-tls-connect|-tls-pairing)?\._tcp\.?$`)
	hostForm  = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9._-]{0,253})|[A-Za-z0-9]|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9]{1,15})?)$`)
)

// badSerial says why a text names no phone of adb's, "" where it may.
func badSerial(s string) string {
	number, emulator := strings.CutPrefix(s, "emulator-")
	switch {
	case emulator:
		// adb's port is odd, the console's, which names it, the even one below.
		if n, err := strconv.Atoi(number); err != nil || n < 5554 || n > 5682 || n%2 != 0 {
			return "an emulator has an even number from 5554 to 5682"
		}
		return ""
	case strings.HasPrefix(s, "usb:"):
		if !usbPath.MatchString(s) {
			return "a USB port is named as usb:1-4 or usb:1-4.2"
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

// badAddress says why a text is not HOST:PORT.
func badAddress(s string) string {
	host, port, err := splitPort(s)
	switch {
	case err != "":
		return err
	case port == 0:
		return "an address needs a port: HOST:5555"
	case !hostForm.MatchString(host):
		return fmt.Sprintf("%q is no host name or address", sampler.Clip(host))
	}
	return ""
}

// splitPort splits HOST, HOST:PORT, [IPV6] and [IPV6]:PORT; a port of 0 is none.
func splitPort(s string) (host string, port int, why string) {
	host, text, has := s, "", false
	if inner, ok := strings.CutPrefix(s, "["); ok {
		var rest string
		var closed bool
		if host, rest, closed = strings.Cut(inner, "]"); !closed {
			return "", 0, "'[' without ']'"
		}
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() {
			return "", 0, fmt.Sprintf("%q is no IPv6 address", sampler.Clip(host))
		}
		if text, has = strings.CutPrefix(rest, ":"); !has && rest != "" {
			return "", 0, fmt.Sprintf("%q follows ']'", sampler.Clip(rest))
		}
	} else if strings.Count(s, ":") == 1 {
		host, text, has = strings.Cut(s, ":")
	} else if strings.Contains(s, ":") {
		return "", 0, "an IPv6 address stands in brackets: [fe80::1]:22"
	}
	if !has {
		return host, 0, ""
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 || text[0] == '+' {
		return "", 0, fmt.Sprintf("%q is no port from 1 to 65535", sampler.Clip(text))
	}
	return host, port, ""
}

// parseHost reads [USER@]HOST[:PORT].
func parseHost(s string) (h sshHost, why string) {
	rest := s
	if user, host, ok := strings.Cut(s, "@"); ok {
		if !userForm.MatchString(user) {
			return h, fmt.Sprintf("%q is no login name", sampler.Clip(user))
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
