package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	systemd "github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Listen takes all addresses or none.
func Listen(ctx context.Context, addresses []string) ([]net.Listener, error) {
	var listeners []net.Listener
	for i, address := range addresses {
		if err := checkAddress(address, addresses[:i]); err != nil {
			CloseListeners(listeners)
			return nil, err
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			CloseListeners(listeners)
			return nil, listenError(address, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// checkAddress refuses what Go takes: an empty address would be a port at random on all interfaces,
// which is what an unset variable in a unit file makes of it.
func checkAddress(address string, before []string) error {
	switch {
	case address == "":
		return &OptionError{"--web.listen-address is empty; it must be HOST:PORT, or :PORT for all interfaces"}
	case !strings.HasSuffix(address, ":0") && slices.Contains(before, address):
		return &OptionError{fmt.Sprintf("--web.listen-address %s is named twice", address)}
	}
	return nil
}

func listenError(address string, err error) error {
	var bad *net.AddrError
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("a different program listens on %s; stop it, or choose a different --web.listen-address", address)
	case errors.As(err, &bad):
		return &OptionError{fmt.Sprintf("--web.listen-address %s: %s; it must be HOST:PORT, or :PORT for all interfaces", address, bad.Err)}
	case errors.As(err, &dns):
		return &OptionError{fmt.Sprintf("--web.listen-address %s: %s", address, dns.Err)}
	}
	return fmt.Errorf("cannot listen on %s: %w", address, err)
}

// CloseListeners closes what Listen or SystemdSockets gave.
func CloseListeners(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// SystemdSockets are the sockets that systemd hands over.
func SystemdSockets() ([]net.Listener, error) {
	listeners, err := systemd.Listeners()
	if err != nil {
		return nil, err
	}
	// What is no listening socket, a datagram one, is nil.
	if len(listeners) == 0 || slices.Contains(listeners, nil) {
		CloseListeners(slices.DeleteFunc(listeners, func(l net.Listener) bool { return l == nil }))
		return nil, errors.New("--web.systemd-socket: systemd passed no socket, or one that does not listen; start latlab by a .socket unit with ListenStream=")
	}
	return listeners, nil
}

// LowerPriority sets the priority of all threads of this process, 0 = unchanged. On Linux each
// thread has its own, which a new thread inherits; a thread that starts meanwhile is found by the
// second pass.
func LowerPriority(nice int) error {
	if nice == 0 {
		return nil
	}
	for range 2 {
		tasks, err := filepath.Glob("/proc/self/task/*")
		if err != nil || len(tasks) == 0 {
			return unix.Setpriority(unix.PRIO_PROCESS, 0, nice)
		}
		for _, task := range tasks {
			var id int
			if _, err := fmt.Sscan(filepath.Base(task), &id); err != nil {
				return err
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, id, nice); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}
