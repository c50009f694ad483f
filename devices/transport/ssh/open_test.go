package ssh

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/ssh"

	"latlab/devices"
)

// lateChannel is a session that opens after its caller gave up.
type lateChannel struct {
	ssh.Channel
	closed chan struct{}
}

func (c lateChannel) Close() error { close(c.closed); return nil }

// TestOpenEndsWithTheConnection: a channel that never opens blocks nothing, and one that opens
// late is closed.
func TestOpenEndsWithTheConnection(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(dead chan struct{}, cancel context.CancelFunc)
		want error
	}{
		{"the connection ended", func(dead chan struct{}, _ context.CancelFunc) { close(dead) }, errDead},
		{"the caller gave up", func(_ chan struct{}, cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			dead, asked, comes := make(chan struct{}), make(chan struct{}), make(chan struct{})
			late := lateChannel{closed: make(chan struct{})}
			failed := make(chan error, 1)
			go func() {
				_, err := open(ctx, dead, func(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
					close(asked)
					<-comes
					requests := make(chan *ssh.Request)
					close(requests)
					return late, requests, nil
				})
				failed <- err
			}()
			<-asked
			c.end(dead, cancel)
			if err := <-failed; !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
			close(comes)
			<-late.closed
		})
	}
}

// TestOpenAfterTheEnd: nothing is requested from a connection that has ended.
func TestOpenAfterTheEnd(t *testing.T) {
	dead := make(chan struct{})
	close(dead)
	_, err := open(t.Context(), dead, func(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
		t.Error("a channel was asked for")
		return nil, nil, errDead
	})
	if !errors.Is(err, errDead) {
		t.Errorf("error is %v, want %v", err, errDead)
	}
}

// closing is a connection that can only be closed.
type closing struct{ ssh.Conn }

func (closing) Close() error { return nil }

// TestSilentEnd: if a shell ends without a message, the board is offline if the connection
// turns out to be gone; otherwise the error is kept.
func TestSilentEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		cut  bool
		want string
	}{{"the connection broke", true, devices.ReasonOffline}, {"the shell ended", false, ""}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan struct{})
				close(ended)
				l := &link{client: &ssh.Client{Conn: closing{}}, ssh: &master{done: ended}, dead: make(chan struct{})}
				lost := make(chan error, 1)
				go func() { lost <- l.lost("start a program on", errSilent{}) }()
				synctest.Wait()
				if c.cut {
					l.end(errors.New("the connection broke"))
				}
				err := <-lost
				var e *devices.Error
				reason := ""
				if errors.As(err, &e) {
					reason = e.Reason
				}
				if reason != c.want {
					t.Errorf("error is %v, reason %q, want %q", err, reason, c.want)
				}
				l.end(errors.New("the test is over"))
			})
		})
	}
}
