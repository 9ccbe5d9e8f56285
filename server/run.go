package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"writ/xmpp/c2s"
	"writ/xmpp/s2s"
)

// part is something that is started and stopped. Parts stop in the reverse order of their start.
type part struct {
	name  string
	start func(ctx context.Context) error // returns once it works; ctx ends when the house stops for want of a part
	stop  func(ctx context.Context) error // ctx ends when there is no more patience
}

// patience is how long a stop may take: clients are told, pages finish, queued writes are committed.
const patience = 20 * time.Second

// Run starts the house, calls ready with the addresses that it listens on, and works until ctx ends (nil), or until something that it cannot be
// without fails: a listener, or the store, after whose failed fsync every further answer could be untrue.
func (h *House) Run(ctx context.Context, ready func(Addresses)) error {
	if err := h.openClients(ctx); err != nil {
		return fmt.Errorf("server: opening for clients: %w", err)
	}
	broken := make(chan error, 16)
	var at Addresses
	parts := h.parts(&at, func(name string, err error) {
		if err != nil {
			select {
			case broken <- fmt.Errorf("server: %s: %w", name, err):
			default: // the first ones are enough
			}
		}
	})
	if h.Config.S2S.Mode != s2s.Off {
		for _, host := range h.S2S.Uncovered(h.Router.Hosts()) {
			h.Log.Warn("the certificate does not hold the name of a served host: other servers will refuse it", "room", "server", "host", host.String())
		}
	}
	began := h.Clock.Now()
	var started []part
	var err error
	for _, p := range parts {
		if p.start != nil {
			if err = p.start(ctx); err != nil {
				err = fmt.Errorf("server: starting %s: %w", p.name, err)
				break
			}
		}
		started = append(started, p)
	}
	if err == nil {
		h.Log.Info("ready", "room", "server", "domain", h.Domain.String(), "took", h.Clock.Now().Sub(began).Round(time.Millisecond).String())
		if ready != nil {
			ready(at)
		}
		select {
		case <-ctx.Done():
			h.Log.Info("stopping", "room", "server")
		case <-h.DB.Failed():
			err = errors.New("server: the store has failed; it must be looked at before the next start")
		case err = <-broken:
		}
	}
	return errors.Join(err, h.stop(started))
}

func (h *House) stop(started []part) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var errs []error
	for _, p := range slices.Backward(started) {
		if p.stop == nil {
			continue
		}
		if err := p.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("server: stopping %s: %w", p.name, err))
		}
	}
	return errors.Join(errs...)
}

// Addresses is where the house listens, as the machine has it: a port 0 of the configuration is resolved.
type Addresses struct {
	XMPP, XMPPTLS, HTTP, HTTPS []net.Addr
	Peers, PeersTLS            []net.Addr // for other servers
	Console, Internal          net.Addr
}

// parts lists what runs, in the order of the start: what keeps the house first, then the features, so that they are ready when the first client
// comes; listeners last.
func (h *House) parts(at *Addresses, failed func(name string, err error)) []part {
	list := []part{
		{"records", h.Records.Keeper.Start, h.Records.Keeper.Stop},
		ticking("tlog", h.Tlog.Publisher().Start), // closes batches and publishes them
		ticking("report", h.Reports.Start),        // after it: a turn sees the batch of its tick
		h.clockwork(),
	}
	for _, f := range h.features {
		if f.Start != nil || f.Stop != nil {
			list = append(list, part{f.Name, f.Start, f.Stop})
		}
	}
	if h.Config.testing() {
		list = append(list, ticking("profile", h.warn))
	}
	list = append(list, part{"clients", h.C2S.Start, h.C2S.Close}, part{name: "rooms", stop: h.Rooms.Farewell}) // people are told before their streams end
	for _, a := range h.Config.XMPP.Listen {
		list = append(list, h.xmppListener(a, c2s.StartTLS, &at.XMPP, failed))
	}
	for _, a := range h.Config.XMPP.ListenTLS {
		list = append(list, h.xmppListener(a, c2s.DirectTLS, &at.XMPPTLS, failed))
	}
	if c := h.Config.S2S; c.Mode != s2s.Off || len(c.Services) > 0 { // nobody may come in otherwise
		for _, a := range c.Listen {
			list = append(list, h.peerListener(a, false, &at.Peers, failed))
		}
		for _, a := range c.ListenTLS {
			list = append(list, h.peerListener(a, true, &at.PeersTLS, failed))
		}
	}
	public := h.httpHandler()
	for _, a := range h.Config.HTTP.Listen {
		list = append(list, h.httpListener(a, plainHTTP, public, func(n net.Addr) { at.HTTP = append(at.HTTP, n) }, failed))
	}
	for _, a := range h.Config.HTTP.ListenTLS {
		list = append(list, h.httpListener(a, publicHTTPS, public, func(n net.Addr) { at.HTTPS = append(at.HTTPS, n) }, failed))
	}
	if a := h.Config.HTTP.Console; a != "" {
		kind := consoleHTTPS
		if h.Dev {
			kind = internalHTTP
		}
		list = append(list, h.httpListener(a, kind, h.console, func(n net.Addr) { at.Console = n }, failed))
	}
	if a := h.Config.HTTP.Internal; a != "" {
		list = append(list, h.httpListener(a, internalHTTP, h.internalHandler(), func(n net.Addr) { at.Internal = n }, failed))
	}
	return list
}

// ticking makes a part of work that goes on until it is stopped.
func ticking(name string, start func(ctx context.Context) (stop func())) part {
	var stop func()
	return part{name,
		func(context.Context) error { stop = start(context.Background()); return nil },
		func(context.Context) error { stop(); return nil },
	}
}

func (h *House) xmppListener(address string, kind c2s.Kind, at *[]net.Addr, failed func(string, error)) part {
	return tcpListener("xmpp "+address, address, at, func(l net.Listener) error { return h.C2S.Serve(l, kind) }, failed)
}

func (h *House) peerListener(address string, direct bool, at *[]net.Addr, failed func(string, error)) part {
	return tcpListener("servers "+address, address, at, func(l net.Listener) error { return h.S2S.Serve(l, direct) }, failed)
}

func tcpListener(name, address string, at *[]net.Addr, serve func(net.Listener) error, failed func(string, error)) part {
	var l net.Listener
	return part{name,
		func(ctx context.Context) (err error) {
			if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err != nil {
				return err
			}
			*at = append(*at, l.Addr())
			go func() {
				if err := serve(l); !errors.Is(err, net.ErrClosed) {
					failed(name, err)
				}
			}()
			return nil
		},
		func(context.Context) error {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		},
	}
}

// httpKind is who is behind a listener for HTTP.
type httpKind uint8

const (
	internalHTTP httpKind = iota // the machine itself
	consoleHTTPS                 // the operator
	plainHTTP                    // a proxy that ends TLS, or this machine
	publicHTTPS
)

func (h *House) httpListener(address string, kind httpKind, handler http.Handler, at func(net.Addr), failed func(string, error)) part {
	name := "http " + address
	s := h.httpServer(handler)
	if kind == plainHTTP || kind == publicHTTPS {
		s.RegisterOnShutdown(h.C2S.EndHTTP)
	}
	return part{name,
		func(ctx context.Context) error {
			l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
			if err != nil {
				return err
			}
			at(l.Addr())
			if kind == plainHTTP || kind == publicHTTPS {
				l = h.C2S.Front(l, kind == publicHTTPS && h.Config.HTTP.XMPP)
			}
			go func() {
				var err error
				if kind == publicHTTPS || kind == consoleHTTPS {
					err = s.ServeTLS(l, "", "")
				} else {
					err = s.Serve(l)
				}
				if !errors.Is(err, http.ErrServerClosed) {
					failed(name, err)
				}
			}()
			return nil
		},
		s.Shutdown,
	}
}
