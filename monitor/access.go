package monitor

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// tokenHeader has to come with what begins something. A page of elsewhere knows no token, and browsers let none set a
// header of this kind.
const tokenHeader = "X-Lightning-Token"

// ErrNotLoopback refuses to serve other machines without Options.AllowRemote. Use errors.Is.
var ErrNotLoopback = errors.New("monitor: this address is not on the loopback: " +
	"choose one like 127.0.0.1:6060, or set Options.AllowRemote")

// admit says why a request is not answered.
func (m *Monitor) admit(r *http.Request) error {
	host := hostOf(r.Host)
	isHost := func(allowed string) bool { return strings.EqualFold(allowed, host) }
	allowed := isLoopback(host) || slices.ContainsFunc(m.o.Hosts, isHost)
	switch peer, err := netip.ParseAddrPort(r.RemoteAddr); {
	case m.o.AllowRemote:
		allowed = allowed || len(m.o.Hosts) == 0
	case err == nil && !peer.Addr().Unmap().IsLoopback(): // a socket of Unix has no such address, but a mode
		return errors.New("monitor: another machine is answered with Options.AllowRemote only")
	case r.Host == "": // HTTP 1.0, which no browser speaks
		return nil
	}
	if !allowed {
		return fmt.Errorf("monitor: the name %q is none of this machine's loopback, nor in Options.Hosts", host)
	}
	return nil
}

// hostOf is a host, without its port, the brackets of an address, and the dot at the end of a name.
func hostOf(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostPort, "["), "]")
	}
	return strings.TrimSuffix(host, ".")
}

// isLoopback reports whether a host is this machine, as nobody but this machine sees it.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// hasToken reports whether a request comes from the page.
func (m *Monitor) hasToken(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(m.token)) == 1
}

// What a client may take of a server.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	idleTimeout    = time.Minute
	maxHeaderBytes = 16 << 10
	shutdownTime   = time.Second
)

// ListenAndServe serves m at addr, such as "127.0.0.1:6060", until ctx ends, and returns nil then. The error is
// ErrNotLoopback, before it listens, if addr is not on the loopback and the options do not allow that.
func ListenAndServe(ctx context.Context, addr string, m *Monitor) error {
	if !m.o.AllowRemote && !isLoopback(hostOf(addr)) {
		return fmt.Errorf("%w: %q", ErrNotLoopback, addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	return Serve(ctx, l, m)
}

// Serve serves m on l until ctx ends, and returns nil then. It closes l in any case. The error is ErrNotLoopback if l
// listens to other machines and the options do not allow that.
func Serve(ctx context.Context, l net.Listener, m *Monitor) error {
	defer l.Close()
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && !m.o.AllowRemote {
		return fmt.Errorf("%w: %s", ErrNotLoopback, tcp)
	}
	server := &http.Server{
		Handler: m, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, IdleTimeout: idleTimeout,
		WriteTimeout: requestTimeout + m.o.HealthTimeout, MaxHeaderBytes: maxHeaderBytes,
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		soon, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		if server.Shutdown(soon) != nil {
			server.Close()
		}
	})
	err := server.Serve(l)
	if stop() {
		return fmt.Errorf("monitor: %w", err)
	}
	<-ended
	return nil
}
