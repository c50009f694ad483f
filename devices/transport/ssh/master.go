package ssh

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"latlab/devices"
	"latlab/internal/text"
)

// master is the user's ssh, which holds the connection (ssh_config(5): ControlMaster).
type master struct {
	cmd  *exec.Cmd
	dir  string          // holds its configuration, and its socket during the login
	said text.TailWriter // its stderr
	done chan struct{}   // closed when it ended
}

const (
	// socketPoll is the interval of checks whether ssh has logged in. The only sign of the
	// login is that ssh then makes its socket.
	socketPoll = 5 * time.Millisecond
	// maxSocketDir keeps a socket's path below the 104 bytes that every system accepts; ssh
	// adds 17 characters to it for a moment.
	maxSocketDir = 80
)

// Program returns the path of the user's ssh.
func Program() (string, error) { return exec.LookPath("ssh") }

// stayKeyword, set to no, keeps ssh in the foreground whatever the user's configuration says.
// An ssh that goes to the background after the login looks as if it had ended, and outlives
// latlab.
const stayKeyword = "ForkAfterAuthentication"

// knowsStay asks ssh whether it knows stayKeyword, which came with OpenSSH 8.7: older versions
// refuse to start with it. IgnoreUnknown was rejected: ssh uses only the first one, so latlab's
// would replace the user's. With -G ssh prints its configuration and connects to nothing.
func knowsStay(program string) bool {
	return exec.CommandContext(context.Background(), program, "-F", "none", "-o", stayKeyword+"=no", "-G", "localhost").Run() == nil
}

// startMaster starts ssh in its own session: it has no terminal at which it could ask, and an
// interrupt typed in latlab's terminal does not reach it. It outlives the call that connects,
// and ends with latlab, however latlab ends.
func startMaster(o Options) (*master, error) {
	program, err := Program()
	if err != nil {
		return nil, &devices.Error{
			Fault: devices.FaultUser, Op: "ssh to " + o.String(), Reason: devices.ReasonMissing, Err: err,
			Advice: "install OpenSSH's client",
		}
	}
	parent := os.TempDir()
	if len(parent) > maxSocketDir-len("/latlab-ssh-0123456789/s") {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "latlab-ssh-")
	if err != nil {
		return nil, err
	}
	m := &master{dir: dir, said: text.TailWriter{Most: 64 << 10}, done: make(chan struct{})}
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte(o.config(knowsStay(program))), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	m.cmd = exec.CommandContext(context.Background(), program, o.arguments(config, m.socket())...)
	m.cmd.Stderr = &m.said
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	m.cmd.WaitDelay = time.Second // a ProxyCommand may hold stderr open
	if err := m.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() {
		defer close(m.done)
		_ = m.cmd.Wait()
	}()
	return m, nil
}

func (m *master) socket() string { return filepath.Join(m.dir, "s") }

// login waits until ssh has logged in and becomes a client of its connection. It then removes
// the socket, so that no other process can connect.
func (m *master) login(ctx context.Context) (*ssh.Client, error) {
	conn, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c, channels, requests, err := ssh.NewControlClientConn(buffered{conn, bufio.NewReaderSize(conn, 64<<10)})
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = os.RemoveAll(m.dir)
	return ssh.NewClient(c, channels, requests), nil
}

func (m *master) connect(ctx context.Context) (net.Conn, error) {
	tick := time.NewTicker(socketPoll)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", m.socket())
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-m.done:
			return nil, fmt.Errorf("ssh ended: %v", m.cmd.ProcessState)
		case <-tick.C:
		}
	}
}

// buffered saves system calls: x/crypto reads a packet's length and the packet separately.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// why returns the reason for which the connection ended.
func (m *master) why() error {
	select {
	case <-m.done:
	case <-time.After(endTimeout):
		return errors.New("the connection broke")
	}
	if last := text.LastLine(withoutDebug(m.said.String())); last != "" && m.cmd.ProcessState.Exited() {
		return errors.New(text.ClipTo(last, 500))
	}
	return fmt.Errorf("ssh was ended: %v", m.cmd.ProcessState)
}

// kill ends ssh and what it started for the connection: a ProxyCommand, the ssh of a
// ProxyJump.
func (m *master) kill() {
	select {
	case <-m.done:
	default:
		_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
	}
}

func (m *master) close() {
	m.kill()
	<-m.done
	_ = os.RemoveAll(m.dir)
}
