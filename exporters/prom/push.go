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

// PushOptions say where to.
type PushOptions struct {
	URL      string // of a Pushgateway
	Instance string // grouping key beside the job "latlab": the host
}

// pushTimeout bounds a push: a sweep that has ended must not wait for a gateway that is away.
const pushTimeout = 10 * time.Second

// CheckPushURL says what is wrong with the address of a Pushgateway.
func CheckPushURL(text string) error {
	u, err := url.Parse(text)
	var bad *url.Error
	switch {
	case errors.As(err, &bad):
		return bad.Err // without the address, which may have a password
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q is no address such as http://localhost:9091", u.Redacted())
	}
	return nil
}

// Push replaces what a gateway has of this host's latlab. For sweeps that are over before
// anybody scrapes: a gateway keeps the last values until somebody deletes them, so a device
// that is gone stays there. Whoever can should scrape `latlab serve` instead.
func Push(ctx context.Context, o PushOptions, g prometheus.Gatherer) error {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	u, err := url.Parse(o.URL)
	if err != nil {
		return CheckPushURL(o.URL)
	}
	// The pusher quotes its address where the gateway refuses, so the password is not in there.
	user := u.User
	u.User = nil
	p := push.New(u.String(), "latlab").Grouping("instance", o.Instance).Gatherer(g)
	if user != nil {
		password, _ := user.Password()
		p.BasicAuth(user.Username(), password)
	}
	return p.PushContext(ctx)
}
