//go:build !linux

package c2s

import (
	"errors"
	"net"
)

// poller is not made for this system: each connection has a goroutine instead.
type poller struct{}

func newPoller() (*poller, error) { return &poller{}, nil }

func (p *poller) close() {}

func (p *poller) adopt(*net.TCPConn, func(), func() func()) (*sock, error) {
	return nil, errors.New("c2s: no epoll on this system")
}

// sock does not occur here.
type sock struct{ net.Conn }

func (s *sock) park(bool)         {}
func (s *sock) preload([]byte)    {}
func (s *sock) CloseWrite() error { return nil }

var errWait = errors.New("c2s: nothing has arrived")
