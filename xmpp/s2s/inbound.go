package s2s

import (
	"errors"
	"strings"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/sasl"
	"writ/xmpp/stanza"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// Namespaces of bidirectional streams (XEP-0288 §2.1).
const (
	bidiNS        = "urn:xmpp:bidi"
	bidiFeatureNS = "urn:xmpp:features:bidi"
)

// saslState is where the authentication of a server that connected stands.
type saslState struct {
	under bool // the initial response was left out and is awaited
	done  bool // EXTERNAL has succeeded; a new header is due
}

// maxFailures is how many authentications may fail on one stream (RFC 6120 §6.4.4).
const maxFailures = 3

// accept serves a stream that the other server opened.
func (l *link) accept(direct bool) {
	defer l.finish()
	l.srv.m.links("in").Inc()
	defer l.srv.m.links("in").Dec()
	if direct {
		if err := l.shakeIn(l.srv.direct); err != nil {
			l.srv.m.opened.WithLabelValues("in", "tls").Inc()
			l.mu.Lock()
			l.closing = true
			l.mu.Unlock()
			return
		}
	}
	await := true // a stream header
	for !l.over() {
		ev, err := l.next(l.deadline())
		if err != nil {
			l.fault(err)
			break
		}
		switch {
		case ev.Kind == xml.Close:
			l.stop(nil, true)
		case ev.Kind == xml.Open && !await:
			l.fail("unsupported-stanza-type", "the stream is open already")
		case ev.Kind == xml.Open:
			await = false
			l.opened(&ev.Open)
		default:
			await = l.item(ev.Item)
		}
	}
	l.linger()
}

// deadline is when the next element must have come: an absolute time until a name is proved, so that a byte now and then does not help.
func (l *link) deadline() time.Time {
	if !l.authed {
		return l.born.Add(l.srv.c.AuthTimeout.Std())
	}
	return time.Now().Add(l.srv.c.Idle.Std() + probeEvery)
}

// opened answers a stream header (RFC 6120 §4.7, §4.9.1.2).
func (l *link) opened(h *xml.Header) {
	to, errTo := jid.Parse(h.Attr("to"))
	from, errFrom := jid.Parse(h.Attr("from"))
	ours := errTo == nil && to.IsDomain() && l.srv.ours(to)
	named := errFrom == nil && from.IsDomain()
	known := l.remote
	l.lang = h.Attr("xml:lang")
	if len(l.lang) > 35 { // the longest tag that RFC 5646 §4.4.1 asks to support
		l.lang = ""
	}
	l.mu.Lock()
	if ours {
		l.local = to
	}
	if named {
		l.remote = from
	}
	l.headed = true
	l.ctl = append(l.ctl, l.header()...)
	l.mu.Unlock()
	switch {
	case h.Content != xml.Server:
		l.fail("invalid-namespace", "the content namespace of a server is "+xml.Server)
	case h.Attr("to") == "", errTo != nil:
		l.fail("improper-addressing", "the header's 'to' is no domain")
	case !ours:
		l.fail("host-unknown", "this server does not serve that domain")
	case !named:
		l.fail("improper-addressing", "the header's 'from' is no domain")
	case l.srv.ours(from), l.authed && from != known:
		l.fail("invalid-from", "the header's 'from' is not yours")
	case l.srv.policy.of(from) == nothing:
		l.fail("policy-violation", "this server does not talk to that domain")
	case major(h.Attr("version")) < 1:
		l.fail("unsupported-version", "the version is 1.0")
	default:
		l.offer()
	}
}

// major is the number before the dot of a stream version; 0 if there is none (RFC 6120 §4.7.5).
func major(v string) (n int) {
	m, _, _ := strings.Cut(v, ".")
	for _, d := range m {
		if d < '0' || d > '9' || n > 1000 {
			return 0
		}
		n = n*10 + int(d-'0')
	}
	return n
}

// offer sends the stream features (RFC 6120 §4.3.2). A server whose certificate does not prove its name is told so at once, unless asking back
// is allowed.
func (l *link) offer() {
	c := l.srv.c
	limits := xml.BeforeLogin().Bytes
	idle := int(c.AuthTimeout.Std() / time.Second)
	var f []string
	switch {
	case l.tls == nil:
		f = append(f, "<starttls xmlns='"+stream.TLS+"'><required/></starttls>")
	case !l.authed:
		err := proves(l.certs, l.remote, l.srv.roots, l.srv.p.Clock.Now())
		if err != nil && c.DNSSEC && l.srv.named(l.remote, l.certs) {
			err = nil
		}
		l.proved = err == nil
		if err != nil && !c.Dialback {
			l.srv.log.Debug("a server could not prove its name", "peer", l.remote.String(), "err", err)
			l.srv.m.opened.WithLabelValues("in", "certificate").Inc()
			l.fail("not-authorized", "your certificate does not prove that you are "+l.remote.String())
			return
		}
		if l.proved {
			f = append(f, "<mechanisms xmlns='"+stream.SASL+"'><mechanism>EXTERNAL</mechanism></mechanisms>")
		}
		f = append(f, "<bidi xmlns='"+bidiFeatureNS+"'/>")
	default:
		limits, idle = c.MaxStanza, int(c.Idle.Std()/time.Second)
		f = append(f, "<sm xmlns='"+stream.Managed+"'/>")
	}
	if l.tls != nil && c.Dialback {
		f = append(f, dialbackFeature)
	}
	l.say(stream.AppendFeatures(nil, false, append(f, stream.LimitsFeature(limits, idle))...))
	if l.sasl.done {
		l.serveBoth(pair{l.local, l.remote}) // the streams are open now
	}
}

// item handles a first-level element. It reports whether a new stream header is due.
func (l *link) item(r *xml.Raw) bool {
	switch r.Name.Space {
	case stream.TLS:
		return l.startTLS(r)
	case stream.SASL:
		return l.external(r)
	case bidiNS:
		if r.Name.Local != "bidi" || l.tls == nil || l.authed {
			l.fail("unsupported-stanza-type", "it is too late for both ways on this stream, or too early")
			return false
		}
		l.bidi = true
	case dialbackNS:
		l.dialback(r)
	case xml.Stream: // a stream error of the other side (RFC 6120 §4.9.1.1)
		l.stop(nil, false)
	default:
		switch {
		case r.Name == xml.Name{Space: "http://jabber.org/protocol/compress", Local: "compress"}:
			l.say([]byte("<failure xmlns='http://jabber.org/protocol/compress'><unsupported-method/></failure>"))
		case !l.authed:
			l.fail("not-authorized", "prove your name first")
		case r.Name.Space == stream.Managed:
			l.counted(r)
		default:
			l.stanza(r)
		}
	}
	return false
}

// startTLS upgrades the connection (RFC 6120 §5.4).
func (l *link) startTLS(r *xml.Raw) bool {
	switch {
	case r.Name.Local != "starttls":
		l.fail("unsupported-stanza-type", "TLS begins with starttls")
		return false
	case l.tls != nil:
		l.say([]byte("<failure xmlns='" + stream.TLS + "'/>"))
		l.stop(nil, false)
		return false
	}
	l.dec.Discard() // what came with it in clear must not count after TLS
	l.say([]byte("<proceed xmlns='" + stream.TLS + "'/>"))
	l.settle()
	if err := l.shakeIn(l.srv.plain); err != nil {
		l.srv.m.opened.WithLabelValues("in", "tls").Inc()
		l.mu.Lock()
		l.closing = true
		l.mu.Unlock()
		l.nc.Close()
		return false
	}
	return true
}

// external is SASL EXTERNAL (XEP-0178 §3): the certificate was judged when the features were sent.
func (l *link) external(r *xml.Raw) bool {
	switch r.Name.Local {
	case "auth":
	case "response":
		if !l.sasl.under {
			return l.refuse(sasl.MalformedRequest, "there is no authentication to respond to")
		}
	case "abort":
		l.sasl.under = false
		return l.refuse(sasl.Aborted, "")
	default:
		l.fail("unsupported-stanza-type", "SASL has no such element")
		return false
	}
	again := l.sasl.under
	l.sasl.under = false
	switch {
	case l.authed:
		l.fail("policy-violation", "you are authenticated already")
		return false
	case l.tls == nil:
		return l.refuse(sasl.EncryptionRequired, "use STARTTLS first")
	case r.Name.Local == "auth" && again:
		return l.refuse(sasl.MalformedRequest, "an authentication was already under way")
	case r.Name.Local == "auth" && r.Attr("mechanism") != "EXTERNAL", !l.proved:
		return l.refuse(sasl.InvalidMechanism, "the mechanism is not on offer")
	}
	data, err := sasl.Decode(r.Tree().Text())
	switch {
	case err != nil:
		return l.refuse(sasl.IncorrectEncoding, "the data is not valid base64")
	case data == nil && r.Name.Local == "auth": // RFC 6120 §6.4.3: it comes as an answer to an empty challenge
		l.sasl.under = true
		l.say([]byte("<challenge xmlns='" + stream.SASL + "'>=</challenge>"))
		return false
	}
	if len(data) > 0 { // whose name it is must not be chosen by the peer
		if j, err := jid.Parse(string(data)); err != nil || j != l.remote {
			return l.refuse(sasl.InvalidAuthzid, "that is not the domain of this stream")
		}
	}
	if !l.prove(pair{l.local, l.remote}) {
		return false
	}
	l.sasl.done = true
	l.srv.m.opened.WithLabelValues("in", "external").Inc()
	l.say([]byte("<success xmlns='" + stream.SASL + "'/>"))
	l.settle()
	l.mu.Lock()
	l.headed = false
	l.mu.Unlock()
	l.dec.Restart()
	l.trusted()
	return true
}

// refuse answers a failed authentication (RFC 6120 §6.4.5). It reports false: no new header is due.
func (l *link) refuse(c sasl.Condition, text string) bool {
	l.srv.m.opened.WithLabelValues("in", string(c)).Inc()
	var b xml.Builder
	b.Start(stream.SASL, "failure").Empty("", string(c))
	if text != "" {
		b.Start("", "text").Attr("xml:lang", "en").Text(text).End()
	}
	l.say(b.Bytes())
	if l.failures++; l.failures > maxFailures {
		l.fail("policy-violation", "too many failed authentications on this stream")
	}
	return false
}

// prove notes that the stream has proved a pair. If the domain has too many streams already it ends this one.
func (l *link) prove(at pair) bool {
	if l.pairs[at] == proven {
		return true
	}
	if l.in && !l.srv.gate.prove(at.remote) {
		l.fail("resource-constraint", "your domain has too many connections")
		return false
	}
	l.pairs[at] = proven
	l.authed = true
	if p := l.srv.known(at); p != nil {
		p.isUp()
	}
	return true
}

// trusted raises the limits: the other side has proved a name.
func (l *link) trusted() {
	c := l.srv.c
	l.dec.SetLimits(xml.AfterLogin(c.MaxStanza))
	l.bucket = stream.Bucket{Rate: c.Rate, Burst: c.Burst}
}

// serveBoth gives the stream to the owner of the way back, if the other server wants both ways on it (XEP-0288 §2.1).
func (l *link) serveBoth(at pair) {
	for l.bidi && l.pairs[at] == proven {
		p, err := l.srv.peer(at)
		if err != nil || p.offer(l) {
			return
		}
	}
}

// stanza checks who a stanza is from and for, and gives it to the house (RFC 6120 §8.1.1.2, §8.1.2.2).
func (l *link) stanza(r *xml.Raw) {
	st, err := stanza.ParseServer(r)
	switch {
	case st == nil && r.Name.Space == xml.Client:
		l.fail("invalid-namespace", "between servers stanzas are of "+xml.Server)
		return
	case st == nil:
		l.fail("unsupported-stanza-type", "a stanza is a message, a presence or an iq")
		return
	case r.Attr("to") == "", r.Attr("from") == "", st.From.IsZero():
		l.fail("improper-addressing", "a stanza between servers has a 'to' and a 'from'")
		return
	}
	at := pair{st.To.Domain(), st.From.Domain()}
	if st.To.IsZero() { // malformed: answered, if it is from a domain that is proved at all
		at.local = l.local
	}
	switch {
	case !l.srv.ours(at.local):
		l.fail("host-unknown", "this server does not serve that domain")
		return
	case l.pairs[at] != proven:
		l.fail("invalid-from", "you have not proved that you are "+at.remote.String()+" for "+at.local.String())
		return
	}
	l.srv.m.in[st.Kind].Inc()
	if id := answerTo(st); id != "" {
		if p := l.srv.known(at); p != nil {
			p.answered(st, id)
		}
	}
	done := l.count()
	if err == nil {
		err = l.answersOnly(st)
	}
	if se := (*stanza.Error)(nil); errors.As(err, &se) {
		if reply := stanza.ErrorReply(st, se); reply != nil {
			if reply.From.IsZero() {
				reply = reply.WithFrom(at.local)
			}
			l.srv.p.House.Deliver(l.srv.ctx, reply.To, reply)
		}
		done()
		return
	}
	if st.Lang == "" && l.lang != "" && st.Kind != stanza.IQ {
		st = st.WithLang(l.lang) // RFC 6120 §8.1.5
	}
	l.srv.p.House.Receive(l.srv.ctx, &l.way, st, done)
}

// count counts a stanza in, and gives what is to be called when it is handled.
func (l *link) count() (done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.sm.in {
		return func() {}
	}
	l.sm.got++
	return l.handled
}

// answersOnly refuses what is no answer from a service that may only answer.
func (l *link) answersOnly(st *stanza.Stanza) error {
	if l.srv.policy.of(st.From) == all || st.Type == stanza.TypeError || st.Kind == stanza.IQ && st.Type == stanza.Result {
		return nil
	}
	return stanza.ServiceUnavailable("")
}
