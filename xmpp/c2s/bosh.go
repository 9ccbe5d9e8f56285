package c2s

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// BOSH (XEP-0124 with XEP-0206): a stream in the bodies of HTTP requests. A session is a connection like a WebSocket whose frames come in
// bodies and leave in answers; see boshsession.go.

const (
	httpBind = "http://jabber.org/protocol/httpbind"
	xbosh    = "urn:xmpp:xbosh"
)

// What a session may do (XEP-0124 §7.2). Numbers are seconds.
const (
	maxWait       = 60
	maxHold       = 1
	inactivity    = 60
	polling       = 5  // shortest interval of a polling session
	pollingSilent = 90 // inactivity of a polling session
	maxPause      = 120
	maxRID        = 1<<53 - 1
	maxRepeats    = 16 // requests for one rid
)

// bodyTime is how long a request's body may take.
const bodyTime = 15 * time.Second

// wrapping is what a body may add to the elements in it.
const wrapping = 2 << 10

// BOSH is the handler of /http-bind.
func (s *Server) BOSH() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Add("Vary", "Origin")
		if !s.originAllowed(r) {
			http.Error(w, "this origin may not use BOSH", http.StatusForbidden)
			return
		}
		if o := r.Header.Get("Origin"); o != "" {
			h.Set("Access-Control-Allow-Origin", o)
			h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "Content-Type")
			h.Set("Access-Control-Max-Age", "86400")
		}
		switch r.Method {
		case http.MethodOptions:
			w.WriteHeader(http.StatusNoContent)
		case http.MethodPost:
			s.request(w, r)
		default:
			h.Set("Allow", "POST, OPTIONS")
			http.Error(w, "This is XMPP over BOSH (XEP-0124): connect with a chat app.", http.StatusMethodNotAllowed)
		}
	})
}

// request serves one request.
func (s *Server) request(w http.ResponseWriter, r *http.Request) {
	text, big, err := s.readBody(w, r)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close") // the rest is not waited for
		http.Error(w, "the request's body took too long", http.StatusRequestTimeout)
		return
	case err != nil:
		return // the client is gone
	case big:
		sayBody(w, "", terminal("policy-violation"))
		return
	}
	body, err := wrapper(text, s.c.MaxStanza+wrapping)
	if err != nil {
		sayBody(w, "", terminal("bad-request"))
		return
	}
	peer, secure := s.clientOf(r)
	b := s.boshOf(body.Attr("sid"))
	switch {
	case body.Attr("sid") == "":
		if b = s.newBOSH(w, r, body, peer, secure); b == nil {
			return
		}
	case b == nil:
		sayBody(w, "", terminal("item-not-found"))
		return
	case b.secure && !secure: // XEP-0124 §19.1: the session stays, whoever this is
		panic(http.ErrAbortHandler)
	}
	rid, err := strconv.ParseInt(body.Attr("rid"), 10, 64)
	if err != nil || rid < 1 || rid > maxRID {
		b.refuse(w, "bad-request")
		return
	}
	b.serve(w, r, newAsk(rid, body))
}

var sidPattern = regexp.MustCompile(`\ssid\s*=\s*['"]([A-Za-z0-9]{1,64})['"]`)

// readBody reads the request. What is longer than a stranger may send is read only for a session that is signed in.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) (text []byte, big bool, err error) {
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(bodyTime))
	defer func() {
		if err == nil {
			rc.SetReadDeadline(time.Time{})
		}
	}()
	small := xml.BeforeLogin().Bytes + wrapping
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, io.LimitReader(r.Body, int64(small)+1)); err != nil {
		return nil, false, err
	}
	if buf.Len() <= small {
		return buf.Bytes(), false, nil
	}
	m := sidPattern.FindSubmatch(buf.Bytes()[:wrapping])
	if m == nil {
		return nil, true, nil
	}
	if b := s.boshOf(string(m[1])); b == nil || b.c.bound.Load() == nil {
		return nil, true, nil
	}
	most := s.c.MaxStanza + wrapping
	if _, err := io.Copy(&buf, io.LimitReader(r.Body, int64(most-buf.Len())+1)); err != nil {
		return nil, false, err
	}
	return buf.Bytes(), buf.Len() > most, nil
}

// wrapper reads the <body/> of a request (XEP-0124 §6) with its elements.
func wrapper(text []byte, most int) (*xml.Raw, error) {
	d := xml.NewFramed(xml.AfterLogin(most))
	text = bytes.TrimSpace(text)
	d.Feed(text)
	ev, err := d.Next()
	if err != nil {
		return nil, err
	}
	if ev.Kind != xml.Item || ev.Item.Name != (xml.Name{Space: httpBind, Local: "body"}) {
		return nil, errors.New("c2s: no BOSH body")
	}
	return ev.Item, nil
}

// attrIn is the value of an attribute of the namespace of XEP-0206.
func attrIn(r *xml.Raw, local string) string {
	for _, a := range r.Attrs {
		if a.Name == (xml.Name{Space: xbosh, Local: local}) {
			return a.Value
		}
	}
	return ""
}

// newBOSH makes a session (XEP-0124 §7.1), or answers why not.
func (s *Server) newBOSH(w http.ResponseWriter, r *http.Request, body *xml.Raw, peer netip.AddrPort, secure bool) *bosh {
	condition := ""
	to, err := jid.Parse(body.Attr("to"))
	switch {
	case body.Attr("to") == "":
		condition = "improper-addressing"
	case err != nil || to != s.p.Router.Domain():
		condition = "host-unknown"
	}
	if condition != "" {
		sayBody(w, "", terminal(condition))
		return nil
	}
	if !s.gate.enter(peer.Addr()) {
		s.m.refused.Inc()
		http.Error(w, "too many connections", http.StatusTooManyRequests)
		return nil
	}
	b := &bosh{srv: s, sid: rand.Text(), secure: secure, early: map[int64]*ask{}, ver: body.Attr("ver") != "", acks: body.Attr("ack") == "1", content: contentOf(body.Attr("content"))}
	b.negotiate(body)
	c := newConn(s, StartTLS, peer)
	var state *tls.ConnectionState
	if r.TLS != nil { // a binding would be to one of many connections; what was used is recorded all the same
		state = &tls.ConnectionState{Version: r.TLS.Version, CipherSuite: r.TLS.CipherSuite}
	}
	c.ws = &socket{bosh: b, tls: state, secure: secure}
	c.nc = boshEnd{b: b}
	c.dec = xml.NewFramed(xml.BeforeLogin())
	b.c = c
	if !s.enter(c) {
		s.gate.leave(peer.Addr())
		sayBody(w, "", terminal("system-shutdown"))
		return nil
	}
	s.work.Done() // it has no goroutine; who closes waits for its end
	s.mu.Lock()
	s.boshes[b.sid] = b
	s.mu.Unlock()
	return b
}

// contentOf is the type that answers have. A type that browsers show as a page is not among those that can be asked for: what others
// send would be shown as ours.
func contentOf(asked string) string {
	const plain = "text/xml; charset=utf-8"
	if t, _, _ := strings.Cut(asked, ";"); t == "application/xml" {
		return "application/xml; charset=utf-8"
	}
	return plain
}

func (s *Server) boshOf(sid string) *bosh {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.boshes[sid]
}

// sweepBOSH ends sessions whose clients are silent (XEP-0124 §10).
func (s *Server) sweepBOSH(now time.Time) {
	s.mu.Lock()
	var quiet []*bosh
	for sid, b := range s.boshes {
		if b.silent(now) {
			quiet = append(quiet, b)
			delete(s.boshes, sid)
		}
	}
	s.mu.Unlock()
	for _, b := range quiet {
		b.c.lost(errors.New("c2s: a BOSH client is silent"))
	}
}

// EndHTTP ends the streams in HTTP requests with system-shutdown, so that the HTTP server need not wait for requests that are held. Their
// sessions may be resumed.
func (s *Server) EndHTTP() {
	s.mu.Lock()
	var list []*bosh
	for _, b := range s.boshes {
		list = append(list, b)
	}
	s.mu.Unlock()
	for _, b := range list {
		b.c.stop(shutdown(), true)
	}
}

// boshEnd stands for a net.Conn where only ending it matters.
type boshEnd struct {
	net.Conn
	b *bosh
}

func (e boshEnd) Close() error                     { e.b.cut(""); return nil }
func (e boshEnd) SetDeadline(time.Time) error      { return nil }
func (e boshEnd) SetWriteDeadline(time.Time) error { return nil }

// terminal is a body that ends a session; with a condition for a fault (XEP-0124 §17.2).
func terminal(condition string) []byte {
	var b xml.Builder
	b.Start(httpBind, "body").Attr("type", "terminate")
	if condition != "" {
		b.Attr("condition", condition)
	}
	return b.Bytes()
}

// sayBody writes an answer.
func sayBody(w http.ResponseWriter, content string, body []byte) {
	if content == "" {
		content = contentOf("")
	}
	w.Header().Set("Content-Type", content)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// framesOf gives what a body holds as frames of a stream: <open/> for a restart, the elements, <close/> for the end (XEP-0206 §5, XEP-0124 §13).
func framesOf(body *xml.Raw, opens bool) [][]byte {
	if opens {
		v := attrIn(body, "version")
		if v == "" {
			v = "1.0"
		}
		var b xml.Builder
		b.Start(xml.Framing, "open").Attr("to", body.Attr("to")).Attr("version", v)
		if from := body.Attr("from"); from != "" {
			b.Attr("from", from)
		}
		if lang := body.Attr("xml:lang"); lang != "" {
			b.Attr("xml:lang", lang)
		}
		return [][]byte{b.Bytes()}
	}
	var out [][]byte
	for _, c := range body.Children {
		out = append(out, standing(body.Bytes[c.Start:c.End]))
	}
	if body.Attr("type") == "terminate" {
		out = append(out, stream.AppendClose(nil, true))
	}
	return out
}

// standing makes an element of a body stand alone. Many clients leave the namespace of stanzas out, as if the body's held that of
// clients (XEP-0206 §2).
func standing(el []byte) []byte {
	n, err := xml.NameOf(el, "none")
	if err != nil || n.Space != "none" {
		return el
	}
	i := bytes.IndexAny(el, " \t\r\n/>")
	return append(append(append(make([]byte, 0, len(el)+24), el[:i]...), " xmlns='"+xml.Client+"'"...), el[i:]...)
}
