// Package c2s serves clients: TCP with STARTTLS (RFC 6120 §5), direct TLS (XEP-0368) and WebSocket (RFC 7395); SASL (RFC 6120 §6),
// resource binding (§7), stream management (XEP-0198), client state (XEP-0352).
//
// Invariants:
//   - A session is a state machine fed with bytes. An idle one has no goroutine, no timer and no buffer.
//   - Limits act before login and while parsing; nothing that a peer sends can make the server hold more than they say.
//   - What a session acknowledges is committed.
//   - A full queue ends the connection, never blocks the sender; the session stays resumable.
package c2s

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"

	"writ/xmpp/route"
)

// Config is what an operator may set.
type Config struct {
	Listen    []string `toml:"listen" doc:"addresses for STARTTLS (RFC 6120)"`
	ListenTLS []string `toml:"listen_tls" doc:"addresses for direct TLS (XEP-0368)"`
}

// Check reports what is wrong with the configuration.
func (c *Config) Check() error { return nil }

// Parts is what the server stands on.
type Parts struct {
	Router *route.Router
	TLS    *tls.Config // certificates; versions, ALPN and sizes are set by New on a copy
	Log    *slog.Logger
}

// Server serves clients of one domain.
type Server struct{}

// New returns a server that listens nowhere yet.
func New(c Config, p Parts) (*Server, error) { return &Server{}, nil }

// Kind is how a connection begins.
type Kind uint8

const (
	StartTLS  Kind = iota // a stream in clear that must be upgraded
	DirectTLS             // TLS from the first byte
)

// Serve accepts connections until l or the server is closed. It returns nil after Close.
func (s *Server) Serve(l net.Listener, k Kind) error { return nil }

// ServeConn serves one connection, which may be a pipe, and returns at once.
func (s *Server) ServeConn(c net.Conn, k Kind) {}

// WebSocket is the handler of /xmpp-websocket (RFC 7395).
func (s *Server) WebSocket() http.Handler { return http.NotFoundHandler() }

// HostMeta is the handler of /.well-known/host-meta and /.well-known/host-meta.json (XEP-0156).
func (s *Server) HostMeta() http.Handler { return http.NotFoundHandler() }

// Close ends every stream with system-shutdown; what was not acknowledged is kept for the clients' return.
func (s *Server) Close(ctx context.Context) error { return nil }
