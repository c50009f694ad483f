package tool

import (
	"context"
	"io"
	"time"

	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// exitTimeout is how long a program that has answered may take to leave.
const exitTimeout = 5 * time.Second

// converse runs a program that is spoken with. said is the error of the conversation, or why it broke
// off; err is that of starting.
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
	if said != nil && !leaves(ended) {
		p.Kill()
	}
	_, _ = io.Copy(io.Discard, p.Stdout())
	<-ended
	exit := p.Wait()
	return transport.Output{Stderr: stderr.String(), Exit: exit}, said, nil
}

// leaves gives a process that closed its stdout the moment that it needs to die of its
// own cause, which Kill would hide.
func leaves(ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	case <-time.After(200 * time.Millisecond):
		return false
	}
}
