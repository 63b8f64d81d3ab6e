package operate

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	descriptorInterval = 5 * time.Millisecond // after which a descriptor that somebody has given back is taken
	flushInterval      = time.Second / 2      // between two flushes that find none
)

// descriptors are those that this process could still have, once it is to have no more.
type descriptors struct {
	mu    sync.Mutex
	taken []*os.File // nil until they are held
}

// take takes all that are free.
func (d *descriptors) take() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		file, err := os.Open(os.DevNull)
		if err != nil {
			return
		}
		d.taken = append(d.taken, file)
	}
}

// release gives all of them back.
func (d *descriptors) release() (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, file := range d.taken {
		err = errors.Join(err, file.Close())
	}
	d.taken = nil
	return err
}

// listener gives each caller one of the descriptors that are held, so that the process can still be looked at.
type listener struct {
	net.Listener
	*descriptors
}

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if !errors.Is(err, syscall.EMFILE) {
			return conn, err
		}
		if conn, err := l.acceptInPlace(); conn != nil || err != nil {
			return conn, err
		}
	}
}

// acceptInPlace accepts a call in the place of a descriptor that is held; nothing if none is.
func (l listener) acceptInPlace() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.taken) - 1
	if n < 0 {
		time.Sleep(descriptorInterval)
		return nil, nil
	}
	if err := l.taken[n].Close(); err != nil {
		return nil, err
	}
	l.taken = l.taken[:n]
	return l.Listener.Accept()
}
