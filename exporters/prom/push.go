package prom

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
)

// PushOptions are the target of a push.
type PushOptions struct {
	URL      string // of a Pushgateway
	Instance string // grouping key beside the job "latlab": the host
}

// pushTimeout limits a push, so that a finished sweep does not wait for an unreachable gateway.
const pushTimeout = 10 * time.Second

// CheckPushURL returns an error if the address of a Pushgateway is invalid.
func CheckPushURL(text string) error {
	u, err := url.Parse(text)
	var bad *url.Error
	switch {
	case errors.As(err, &bad):
		return bad.Err // without the address, which may have a password
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q is not an address such as http://localhost:9091", u.Redacted())
	}
	return nil
}

// Push replaces this host's metrics at a gateway. It is for sweeps that cannot be scraped: a
// gateway keeps the last values until they are deleted, even of a removed device. Prefer to
// scrape `latlab serve`.
func Push(ctx context.Context, o PushOptions, g prometheus.Gatherer) error {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	u, err := url.Parse(o.URL)
	if err != nil {
		return CheckPushURL(o.URL)
	}
	// The pusher quotes its address in errors, so the address must not have the password.
	user := u.User
	u.User = nil
	p := push.New(u.String(), "latlab").Grouping("instance", o.Instance).Gatherer(g)
	if user != nil {
		password, _ := user.Password()
		p.BasicAuth(user.Username(), password)
	}
	return p.PushContext(ctx)
}
