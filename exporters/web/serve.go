package web

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// ServeOptions are the settings of Serve.
type ServeOptions struct {
	Listeners []net.Listener
	Handler   http.Handler
	// ConfigFile has TLS and passwords, in the format of Prometheus' exporter-toolkit; empty =
	// neither. It is read again at each request, so certificates and passwords may change.
	ConfigFile string
	Timeouts   Timeouts
	Log        *slog.Logger // nil = none
}

// Timeouts limit slow clients. Zero values are replaced by DefaultTimeouts.
type Timeouts struct {
	Header   time.Duration // for the request's header
	Read     time.Duration // for the whole request
	Write    time.Duration // from the request's header to the end of the response
	Idle     time.Duration // between requests of a connection
	Shutdown time.Duration // for requests that are open at shutdown
}

// DefaultTimeouts are those of `latlab serve`: Write is longer than any probe, Idle longer than
// the usual scrape interval. Header is 10 s because with 5 s one of 2,154 scrapes failed when a
// thousand scrapers, the server and a sweep shared one processor.
func DefaultTimeouts() Timeouts {
	return Timeouts{Header: 10 * time.Second, Read: 20 * time.Second, Write: 40 * time.Second, Idle: 2 * time.Minute, Shutdown: 5 * time.Second}
}

func (t Timeouts) orDefaults() Timeouts {
	d := DefaultTimeouts()
	orDefault(&t.Header, d.Header)
	orDefault(&t.Read, d.Read)
	orDefault(&t.Write, d.Write)
	orDefault(&t.Idle, d.Idle)
	orDefault(&t.Shutdown, d.Shutdown)
	return t
}

// maxHeader is ample for a scraper's header; the default is a megabyte per connection.
const maxHeader = 16 << 10

// CheckConfig returns an error if a file of TLS and passwords is invalid; an empty name is valid. The error
// is one line, and the caller names the file.
func CheckConfig(file string) error {
	if file == "" {
		return nil
	}
	err := toolkit.Validate(file)
	if path, ok := errors.AsType[*fs.PathError](err); ok && path.Path == file {
		return path.Err
	}
	if err == nil {
		return nil
	}
	// Of several unknown fields the first is enough, without the name of a Go type.
	first, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:\n  "), "\n")
	if field, _, unknown := strings.Cut(first, " not found in type "); unknown {
		first = field + " is unknown"
	}
	return errors.New(first)
}

// Serve serves until its context ends, then finishes open requests and returns nil.
//
// The exporter-toolkit compares passwords with bcrypt, and those of unknown users with a
// fixed hash, so that the response time reveals neither (exporter-toolkit v0.20.0, web/handler.go,
// ServeHTTP: "Use a fixed password hash to prevent user enumeration by timing requests").
// It caches the result for each (user, hash, password), so only a repeated wrong password is
// refused faster.
func Serve(ctx context.Context, o ServeOptions) error {
	t := o.Timeouts.orDefaults()
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var servers []*http.Server
	ended := make(chan error, len(o.Listeners))
	for _, l := range o.Listeners {
		// One server per listener, since the toolkit wraps its handler for each.
		server := &http.Server{
			Handler: o.Handler, ReadHeaderTimeout: t.Header, ReadTimeout: t.Read, WriteTimeout: t.Write, IdleTimeout: t.Idle,
			MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		}
		servers = append(servers, server)
		go func() { ended <- toolkit.Serve(l, server, &toolkit.FlagConfig{WebConfigFile: &o.ConfigFile}, log) }()
	}
	var failed error
	left := len(servers)
	select {
	case failed = <-ended:
		left--
	case <-ctx.Done():
	}
	shutDown(context.WithoutCancel(ctx), servers, t.Shutdown)
	for range left {
		if err := <-ended; failed == nil && !errors.Is(err, http.ErrServerClosed) {
			failed = err
		}
	}
	return failed
}

// shutDown waits for open requests, up to a timeout.
func shutDown(ctx context.Context, servers []*http.Server, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range servers {
		wg.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				_ = s.Close()
			}
		})
	}
	wg.Wait()
}
