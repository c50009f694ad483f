package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// securityHeaders are set where --web.config.file says nothing else.
var securityHeaders = [][2]string{
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "deny"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Cache-Control", "no-store"},
	// The landing page has its style inside and no script.
	{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
}

// guard keeps other sites' pages in a user's browser away. The server listens on loopback
// unless told, where whoever sits at the machine needs no password, and a page that they look at
// sits there too.
//
//   - A page of another site that fetches or embeds something of ours says so in Sec-Fetch-Site
//     (all browsers since 2023): refused. A link that a person follows is not. What sends no such
//     header is no browser, and may do what a user's programs may.
//   - A name of the attacker's that resolves to 127.0.0.1 (DNS rebinding) makes their page one of
//     "our" site. It gives itself away by the Host header: over loopback only addresses,
//     localhost and names that the user gave are answered. On other interfaces names are the
//     network's matter, unknown here, and whoever opens the server to a network has to put a
//     password on it, which a browser gives no other site's name.
func guard(next http.Handler, hosts []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range securityHeaders {
			if w.Header().Get(h[0]) == "" {
				w.Header().Set(h[0], h[1])
			}
		}
		switch {
		case overLoopback(r) && !knownHost(r.Host, hosts):
			http.Error(w, "this server does not answer to the name "+quoted(r.Host)+"; --web.allowed-host allows it", http.StatusMisdirectedRequest)
		case r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate":
			http.Error(w, "pages of other sites are not answered", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// overLoopback is false where the address is not known: a test's connection.
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
