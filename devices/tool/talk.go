package tool

import (
	"context"
	"io"
	"time"

	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// exitTimeout is how long a program may take to exit after the conversation.
const exitTimeout = 5 * time.Second

// converse runs a program and has a conversation with it. said is the error of the conversation, or
// why it broke off; err is the error of starting.
func converse(ctx context.Context, m *machine.Machine, r Run) (out transport.Output, said, err error) {
	p, err := m.Start(ctx, r.Command)
	if err != nil {
		return out, nil, err
	}
	stderr, ended := &text.TailWriter{Most: maxTail}, make(chan struct{})
	go func() {
		_, _ = io.Copy(stderr, p.Stderr())
		close(ended)
	}()
	said = r.Talk(p.Stdin(), p.Stdout())
	if said != nil && ctx.Err() != nil {
		said = context.Cause(ctx)
	}
	_ = p.Stdin().Close()
	timer := time.AfterFunc(exitTimeout, p.Kill)
	defer timer.Stop()
	if said != nil && !exitsByItself(ended) {
		p.Kill()
	}
	_, _ = io.Copy(io.Discard, p.Stdout())
	<-ended
	exit := p.Wait()
	return transport.Output{Stderr: stderr.String(), Exit: exit}, said, nil
}

// exitsByItself gives a process that closed its stdout time to end of its own cause, which Kill would
// hide.
func exitsByItself(ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	case <-time.After(200 * time.Millisecond):
		return false
	}
}
