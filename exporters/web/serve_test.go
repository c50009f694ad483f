package web

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// pipes is a listener whose connections are in memory: with them time stands still while
// everybody waits.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.ended:
	default:
		close(p.ended)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// running serves until the test calls stop, which returns what Serve did.
func running(ctx context.Context, o ServeOptions) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, o) }()
	return func() error {
		cancel()
		return <-done
	}
}

// TestSlowClientsAreDropped: whoever sends a byte now and then, or takes none of the answer,
// loses the connection when its time is over.
func TestSlowClientsAreDropped(t *testing.T) {
	times := Timeouts{Header: 2 * time.Second, Read: 5 * time.Second, Write: 9 * time.Second, Idle: 20 * time.Second, Shutdown: time.Second}
	big := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(make([]byte, 1<<20))
	})
	for _, c := range []struct {
		name  string
		sends string // and after it a byte a second
		reads bool
		want  time.Duration
	}{
		{"nothing sent", "", true, times.Header},
		{"head", "GET / HTTP/1.1\r\nX: ", true, times.Header},
		{"body", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", true, times.Read},
		{"answer", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", false, times.Write},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newPipes()
				stop := running(t.Context(), ServeOptions{Listeners: []net.Listener{ln}, Handler: big, Timeouts: times})
				conn := ln.dial()
				start := time.Now()
				ended := make(chan time.Duration, 1)
				go func() {
					defer func() { ended <- time.Since(start) }()
					if c.sends != "" {
						if _, err := io.WriteString(conn, c.sends); err != nil {
							return
						}
					}
					for c.name != "nothing sent" && c.reads {
						time.Sleep(time.Second)
						if _, err := conn.Write([]byte("a")); err != nil {
							return
						}
					}
					if !c.reads {
						time.Sleep(times.Write + time.Millisecond)
						// What is left of the answer is never sent.
						if n, _ := io.Copy(io.Discard, conn); n >= 1<<20 {
							t.Errorf("the whole answer came: %d bytes", n)
						}
						return
					}
					_, _ = io.Copy(io.Discard, conn)
				}()
				if c.reads {
					go func() {
						if c.name != "nothing sent" {
							_, _ = io.Copy(io.Discard, conn)
						}
					}()
				}
				if got := <-ended; got < c.want || got > c.want+2*time.Second {
					t.Errorf("dropped after %v, want some %v", got, c.want)
				}
				conn.Close()
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestLargeHead is refused before it is all there.
func TestLargeHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		stop := running(t.Context(), ServeOptions{Listeners: []net.Listener{ln}, Handler: newHandler(t, Options{})})
		conn := ln.dial()
		go func() {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("a", 1<<20)+"\r\n\r\n")
		}()
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, "431") {
			t.Errorf("%q, %v", line, err)
		}
		conn.Close()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestOpenRequestsAreAnswered when the server ends, but none holds it up for ever.
func TestOpenRequestsAreAnswered(t *testing.T) {
	for _, c := range []struct {
		takes, want time.Duration
		answered    bool
	}{{3 * time.Second, 3 * time.Second, true}, {time.Hour, 5 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			ln, begun := newPipes(), make(chan struct{})
			stop := running(t.Context(), ServeOptions{Listeners: []net.Listener{ln}, Timeouts: Timeouts{Write: 2 * time.Hour}, Handler: http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					close(begun)
					select {
					case <-time.After(c.takes):
					case <-r.Context().Done():
					}
					_, _ = io.WriteString(w, "done")
				})})
			conn := ln.dial()
			defer conn.Close()
			got := make(chan string, 1)
			go func() {
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
				text, _ := io.ReadAll(conn)
				got <- string(text)
			}()
			<-begun
			start := time.Now()
			if err := stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took < c.want || took > c.want+time.Second {
				t.Errorf("ended after %v, want %v", took, c.want)
			}
			if text := <-got; strings.HasSuffix(text, "done") != c.answered {
				t.Errorf("answer %q", text)
			}
		})
	}
}

// TestAServerThatCannotServe says so at once.
func TestAServerThatCannotServe(t *testing.T) {
	ln := newPipes()
	ln.Close()
	if err := Serve(t.Context(), ServeOptions{Listeners: []net.Listener{ln, newPipes()}, Handler: http.NotFoundHandler()}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestCheckConfig(t *testing.T) {
	for text, says := range map[string]string{
		"basic_auth_users: {lab: plain}":                     "bcrypt",
		"tls_server_config: {cert_file: no.pem}":             "key",
		"nonsense: 1":                                        "nonsense",
		"tls_server_config: {cert_file: no, key_file: none}": "no such file",
	} {
		err := CheckConfig(write(t, "web.yml", text))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	if err := CheckConfig(""); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTLSAndPasswords: a real certificate, a real handshake, real bcrypt. What is wrong, the
// user or the password, cannot be told from the answer.
func TestTLSAndPasswords(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, pool := certificate(t)
	config := write(t, "web.yml", "tls_server_config: {cert_file: "+cert+", key_file: "+key+"}\nbasic_auth_users: {lab: "+string(hash)+"}\n")
	if err := CheckConfig(config); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := running(t.Context(), ServeOptions{Listeners: []net.Listener{ln}, Handler: newHandler(t, Options{}), ConfigFile: config})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	answers := map[string]string{}
	for _, c := range []struct {
		user, password string
		code           int
	}{{"lab", "right", 200}, {"lab", "wrong", 401}, {"nobody", "right", 401}, {"nobody", "fakepassword", 401}, {"", "", 401}, {"lab", "right", 200}} {
		r, err := http.NewRequest(http.MethodGet, "https://"+ln.Addr().String()+"/-/healthy", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.user != "" {
			r.SetBasicAuth(c.user, c.password)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.code {
			t.Errorf("%s:%s: %d, want %d", c.user, c.password, res.StatusCode, c.code)
		}
		res.Header.Del("Date")
		if c.code == 401 {
			answers[res.Header.Get("WWW-Authenticate")+string(body)] = c.user
		}
	}
	if len(answers) != 1 {
		t.Errorf("refusals differ: %v", answers)
	}
	if res, err := http.Get("http://" + ln.Addr().String() + "/metrics"); err == nil {
		res.Body.Close()
		if res.StatusCode == 200 {
			t.Error("it is served without TLS")
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestUnknownUsersGoThroughBcrypt: a wrong password and a user that is not there both do, so
// that the time tells neither. It is seen on the stacks while they are answered, not by a clock.
func TestUnknownUsersGoThroughBcrypt(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), 10) // the cost of the toolkit's own hash
	if err != nil {
		t.Fatal(err)
	}
	ln := newPipes()
	stop := running(t.Context(), ServeOptions{Listeners: []net.Listener{ln}, Handler: newHandler(t, Options{}),
		ConfigFile: write(t, "web.yml", "basic_auth_users: {lab: "+string(hash)+"}\n")})
	conn := ln.dial()
	reader := bufio.NewReader(conn)
	for _, user := range []string{"lab", "nobody"} {
		seen := false
		// Another password each time: what was found is remembered.
		for try := 1; try <= 50 && !seen; try++ {
			r, err := http.NewRequest(http.MethodGet, "http://localhost/-/healthy", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth(user, strings.Repeat("wrong", try))
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				if err := r.Write(conn); err != nil {
					return
				}
				res, err := http.ReadResponse(reader, r)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusUnauthorized {
					t.Error(res.Status)
				}
			}()
			seen = seesBcrypt(answered)
			<-answered
		}
		if !seen {
			t.Errorf("%s is refused without bcrypt", user)
		}
	}
	conn.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// seesBcrypt looks at all stacks until a request is answered.
func seesBcrypt(answered <-chan struct{}) bool {
	stacks := make([]byte, 1<<20)
	for {
		select {
		case <-answered:
			return false
		default:
			if strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "bcrypt.CompareHashAndPassword") {
				return true
			}
		}
	}
}

// certificate makes one for 127.0.0.1, signed by itself.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "latlab"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(cert)
	return write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))), pool
}
