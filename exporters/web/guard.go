package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// securityHeaders are the defaults; --web.config.file can override them.
var securityHeaders = [][2]string{
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "deny"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Cache-Control", "no-store"},
	// The first page has its style inside and no script.
	{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
}

// guard refuses requests from pages of other sites in a user's browser. The server listens on
// loopback by default, without a password, and such a page runs on the same machine.
//
//   - Requests that the browser marks as cross-site in Sec-Fetch-Site (all browsers since 2023)
//     are refused, except for links that the user follows. A client without this header is not a
//     browser, and has the rights of the user's programs.
//   - With DNS rebinding, an attacker's name resolves to 127.0.0.1, and its page counts as the
//     same site. The Host header reveals it: over loopback only addresses, localhost and names
//     that the user allowed are accepted. On other interfaces the valid names are unknown; a
//     server open to a network needs a password, which a browser does not send for another
//     site's name.
func guard(next http.Handler, hosts []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range securityHeaders {
			if w.Header().Get(h[0]) == "" {
				w.Header().Set(h[0], h[1])
			}
		}
		switch {
		case overLoopback(r) && !knownHost(r.Host, hosts):
			http.Error(w, "the host name "+quoted(r.Host)+" is not allowed; allow it with --web.allowed-host", http.StatusMisdirectedRequest)
		case r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate":
			http.Error(w, "requests from pages of other sites are refused", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// overLoopback is false if the address is unknown, as for a test's connection.
func overLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}

func knownHost(host string, known []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || host == "localhost" {
		return true
	}
	return slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, host) })
}
