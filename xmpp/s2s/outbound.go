package s2s

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/locate"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// stagger is the head start of an address (RFC 8305 §5). One place may take Config.AuthTimeout, all together twice as long.
const stagger = 250 * time.Millisecond

// connect locates the server of a domain, connects, and negotiates until stanzas may be sent. The link reads by itself from then on.
func (s *Server) connect(ctx context.Context, at pair) (*link, error) {
	var up *link
	err := s.reach(ctx, at, func(ctx context.Context, l *link, t locate.Target, keys []locate.Key) error {
		if err := l.negotiate(ctx, t, keys); err != nil {
			return err
		}
		up = l
		return nil
	})
	outcome := "up"
	if err == nil {
		go func() {
			defer s.work.Done()
			up.listen()
		}()
	} else {
		outcome, up = "failed", nil
	}
	s.m.opened.WithLabelValues("out", outcome).Inc()
	return up, err
}

// reach tries the places where the server of a domain may be, in order, until use succeeds with a connection. use owns the link's goroutine
// (work.Done) when it succeeds. The error is locate.ErrNone only if no place was left to try.
func (s *Server) reach(ctx context.Context, at pair, use func(context.Context, *link, locate.Target, []locate.Key) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*s.c.AuthTimeout.Std())
	defer cancel()
	targets, err := s.locator.Find(ctx, at.remote.ASCII())
	if err != nil {
		return err
	}
	var first error // the most telling one: not that a place does not exist
	for _, t := range targets {
		err := s.try(ctx, at, t, use)
		if err == nil {
			return nil
		}
		if first == nil || errors.Is(first, locate.ErrNone) {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return first
}

func (s *Server) try(ctx context.Context, at pair, t locate.Target, use func(context.Context, *link, locate.Target, []locate.Key) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.AuthTimeout.Std())
	defer cancel()
	addrs, keys, err := s.locator.Resolve(ctx, t)
	if err != nil {
		return err
	}
	nc, err := s.race(ctx, addrs, t.Port)
	if err != nil {
		return err
	}
	l := newLink(s, nc, false)
	l.local, l.remote = at.local, at.remote
	if !s.enter(l) {
		nc.Close()
		return context.Canceled
	}
	stopped := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	err = use(ctx, l, t, keys)
	if !stopped() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		l.discard()
		s.work.Done()
	}
	return err
}

// discard ends a link whose goroutine never began.
func (l *link) discard() {
	l.mu.Lock()
	say := l.tls != nil && l.headed
	l.mu.Unlock()
	if say {
		l.stop(nil, false)
		l.settle()
	}
	l.mu.Lock()
	l.closing, l.ended = true, true
	l.mu.Unlock()
	l.srv.leave(l)
	l.nc.Close()
	close(l.gone)
}

// race connects to the first address that answers; each gets a head start before the next is tried too (RFC 8305 §5).
func (s *Server) race(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		nc  net.Conn
		err error
	}
	results := make(chan result)
	var fault error
	running, next := 0, 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if next == len(addrs) && running == 0 {
			return nil, fault
		}
		select {
		case <-timer.C:
			if next == len(addrs) {
				continue
			}
			a := addrs[next]
			next++
			running++
			go func() {
				nc, err := s.p.Dial(ctx, "tcp", net.JoinHostPort(a.String(), strconv.Itoa(int(port))))
				select {
				case results <- result{nc, err}:
				case <-ctx.Done():
					if nc != nil {
						nc.Close()
					}
				}
			}()
			timer.Reset(stagger)
		case r := <-results:
			running--
			if r.err == nil {
				return r.nc, nil
			}
			fault = fmt.Errorf("s2s: connecting: %w", r.err)
			timer.Reset(0)
		case <-ctx.Done():
			return nil, errors.Join(fault, ctx.Err())
		}
	}
}

// hello sends our header and reads the other side's and its features.
func (l *link) hello(ctx context.Context) error {
	l.mu.Lock()
	l.headed = true
	l.ctl = append(l.ctl, l.header()...)
	l.mu.Unlock()
	l.kick()
	ev, err := l.await(ctx)
	if err != nil {
		return err
	}
	if ev.Kind != xml.Open {
		return errors.New("s2s: the server sent no stream header")
	}
	if ev.Open.Content != xml.Server || major(ev.Open.Attr("version")) < 1 {
		return errors.New("s2s: the server does not speak XMPP 1.0")
	}
	if j, err := jid.Parse(ev.Open.Attr("from")); err != nil || j != l.remote {
		return errors.New("s2s: another server answered")
	}
	l.mu.Lock()
	l.id = ev.Open.Attr("id")
	l.mu.Unlock()
	l.lang = ev.Open.Attr("xml:lang")
	e, err := l.element(ctx)
	if err != nil {
		return err
	}
	if !e.Is(xml.Stream, "features") {
		return errors.New("s2s: the server sent no stream features")
	}
	l.features = e
	return nil
}

// await reads one event of a negotiation.
func (l *link) await(ctx context.Context) (xml.Event, error) {
	by, _ := ctx.Deadline()
	ev, err := l.next(by)
	if err == nil && ev.Kind == xml.Close {
		err = errors.New("s2s: the server ended the stream")
	}
	if err != nil {
		return ev, fmt.Errorf("s2s: negotiating: %w", err)
	}
	return ev, nil
}

// element reads one element of a negotiation; a stream error is an error.
func (l *link) element(ctx context.Context) (*xml.Element, error) {
	ev, err := l.await(ctx)
	if err != nil {
		return nil, err
	}
	if ev.Kind != xml.Item {
		return nil, errors.New("s2s: the server sent a header where an element was due")
	}
	e := ev.Item.Tree()
	if e.Is(xml.Stream, "error") {
		return nil, fmt.Errorf("s2s: the server ended the stream: %s", conditionOf(e))
	}
	return e, nil
}

// conditionOf is the name of a stream error, for our log.
func conditionOf(e *xml.Element) string {
	for _, c := range e.Children {
		if c.Name.Space == stream.Errors && c.Name.Local != "text" {
			return c.Name.Local
		}
	}
	return "undefined-condition"
}

// encrypt takes the stream as far as TLS and the features behind it. There is no stream without TLS.
func (l *link) encrypt(ctx context.Context, t locate.Target, keys []locate.Key) error {
	if t.Direct {
		if err := l.shakeOut(ctx, t, keys); err != nil {
			return err
		}
		return l.hello(ctx)
	}
	if err := l.hello(ctx); err != nil {
		return err
	}
	if l.features.Child(stream.TLS, "starttls") == nil {
		return errors.New("s2s: the server does not offer TLS")
	}
	l.say([]byte("<starttls xmlns='" + stream.TLS + "'/>"))
	e, err := l.element(ctx)
	switch {
	case err != nil:
		return err
	case !e.Is(stream.TLS, "proceed"):
		return errors.New("s2s: the server refuses TLS")
	case l.dec.Discard() > 0:
		return errors.New("s2s: something was sent before TLS that would count after it")
	}
	l.settle()
	if err := l.shakeOut(ctx, t, keys); err != nil {
		return err
	}
	return l.hello(ctx)
}

// negotiate proves our name to the server: by EXTERNAL if it is offered (XEP-0178 §3), else by dialback.
func (l *link) negotiate(ctx context.Context, t locate.Target, keys []locate.Key) error {
	if err := l.encrypt(ctx, t, keys); err != nil {
		return err
	}
	external := false
	for _, m := range l.features.Child(stream.SASL, "mechanisms").All(stream.SASL, "mechanism") {
		external = external || m.Text() == "EXTERNAL"
	}
	if l.proved && l.features.Child(bidiFeatureNS, "bidi") != nil { // a server that has not proved its name must not speak on our stream
		l.bidi = true
		l.say([]byte("<bidi xmlns='" + bidiNS + "'/>"))
	}
	err := errors.New("s2s: the server offers no way to prove our name")
	if external {
		err = l.authenticate(ctx)
	}
	// That the other server asks back is its choice: one that wants a client's certificate refuses those that authorities give to servers.
	if err != nil && !l.over() && (l.srv.c.Dialback || l.proved) && (l.features.Child(dialbackFeatureNS, "dialback") != nil || !external) {
		err = l.callBack(ctx)
	}
	if err != nil {
		return err
	}
	l.authed = true
	l.pairs[pair{l.local, l.remote}] = proven
	l.trusted()
	if l.features.Child(stream.Managed, "sm") == nil {
		return nil
	}
	return l.manage(ctx)
}

// authenticate is SASL EXTERNAL, and the new stream after it.
func (l *link) authenticate(ctx context.Context) error {
	l.say([]byte("<auth xmlns='" + stream.SASL + "' mechanism='EXTERNAL'>" + base64.StdEncoding.EncodeToString([]byte(l.local.String())) + "</auth>"))
	for range 2 {
		e, err := l.element(ctx)
		switch {
		case err != nil:
			return err
		case e.Is(stream.SASL, "success"):
			l.dec.Restart()
			return l.hello(ctx)
		case !e.Is(stream.SASL, "challenge"):
			return errors.New("s2s: the server does not take our certificate")
		}
		l.say([]byte("<response xmlns='" + stream.SASL + "'>" + base64.StdEncoding.EncodeToString([]byte(l.local.String())) + "</response>"))
	}
	return errors.New("s2s: the server asks again and again")
}

// manage asks for acknowledgements (XEP-0198 §3). On a stream of both ways stanzas may come before the answer.
func (l *link) manage(ctx context.Context) error {
	l.say([]byte("<enable xmlns='" + stream.Managed + "'/>"))
	for {
		ev, err := l.await(ctx)
		if err != nil {
			return err
		}
		if ev.Kind != xml.Item {
			return errors.New("s2s: the server sent a header where an element was due")
		}
		switch ev.Item.Name {
		case xml.Name{Space: stream.Managed, Local: "enabled"}:
			l.mu.Lock()
			l.sm.out, l.sm.in = true, l.bidi
			l.mu.Unlock()
			return nil
		case xml.Name{Space: stream.Managed, Local: "failed"}:
			return nil
		}
		if l.hear(ev.Item); l.over() {
			return errors.New("s2s: the server ended the stream")
		}
	}
}

// listen reads on a stream of ours that is up.
func (l *link) listen() {
	defer l.finish()
	l.srv.m.links("out").Inc()
	defer l.srv.m.links("out").Dec()
	for !l.over() {
		ev, err := l.next(time.Time{}) // the owner looks for signs of life
		if err != nil {
			l.fault(err)
			break
		}
		switch ev.Kind {
		case xml.Close:
			l.stop(nil, true)
		case xml.Open:
			l.fail("unsupported-stanza-type", "the stream is open already")
		default:
			l.hear(ev.Item)
		}
	}
	l.linger()
}

// hear handles an element on a stream of ours.
func (l *link) hear(r *xml.Raw) {
	switch {
	case r.Name.Space == xml.Stream: // a stream error, or late features
		if r.Name.Local == "error" {
			l.srv.log.Debug("a server ended the stream", "peer", l.remote.String(), "condition", conditionOf(r.Tree()))
			l.stop(nil, false)
		}
	case r.Name.Space == stream.Managed:
		l.counted(r)
	case r.Name.Space == dialbackNS:
		l.srv.m.unasked.Inc() // nothing is asked on this stream any more
	case l.bidi:
		l.stanza(r)
	default:
		l.fail("not-authorized", "this stream carries nothing your way")
	}
}
