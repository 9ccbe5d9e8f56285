package s2s

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"writ/xmpp/jid"
	"writ/xmpp/locate"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Namespaces of dialback (XEP-0220 §2.1, §2.6.1).
const (
	dialbackNS        = "jabber:server:dialback"
	dialbackFeatureNS = "urn:xmpp:features:dialback"
	dialbackFeature   = "<dialback xmlns='" + dialbackFeatureNS + "'><errors/></dialback>"
)

// maxPairs bounds the pairs of one stream.
const maxPairs = 32

// key is the dialback key by which we recognise a stream that we opened (XEP-0185): an HMAC over receiving domain, originating domain and stream id. Each stands
// behind its length, so that no other three can give the same input.
func (s *Server) key(receiving, originating jid.JID, id string) string {
	m := hmac.New(sha256.New, s.secret)
	for _, part := range []string{receiving.String(), originating.String(), id} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		m.Write(n[:])
		m.Write([]byte(part))
	}
	return hex.EncodeToString(m.Sum(nil))
}

// dialback handles an element of dialback on a stream that the other server opened (XEP-0220 §2.2, §2.3). What claims to be an answer is
// passed over: on these streams nothing was asked.
func (l *link) dialback(r *xml.Raw) {
	if l.tls == nil || !l.srv.c.Dialback && r.Name.Local != "verify" { // to vouch for our own streams is always right
		l.fail("not-authorized", "dialback proves nothing here")
		return
	}
	from, errFrom := jid.Parse(r.Attr("from"))
	to, errTo := jid.Parse(r.Attr("to"))
	if errFrom != nil || errTo != nil || !from.IsDomain() || !to.IsDomain() {
		l.fail("improper-addressing", "dialback is between domains")
		return
	}
	switch {
	case r.Name.Local != "result" && r.Name.Local != "verify":
		l.fail("unsupported-stanza-type", "dialback has no such element")
	case r.Attr("type") != "":
		l.srv.m.unasked.Inc()
	case !l.srv.ours(to):
		l.say(answerWith(r, to, from, stanza.ItemNotFound("this server does not serve that domain")))
	case r.Name.Local == "verify":
		l.vouch(r, from, to)
	default:
		l.claim(r, pair{local: to, remote: from})
	}
}

// Elements of dialback are written with the prefix db, which our header declares: there are servers that look at nothing else (XEP-0220 §2.1.1).
const prefix = "db:"

// answer is the answer to a db:result or db:verify.
func answer(r *xml.Raw, from, to jid.JID, typ string, inside []byte) []byte {
	var b xml.Builder
	b.Start("", prefix+r.Name.Local).Attr("from", from.String()).Attr("to", to.String())
	if id := r.Attr("id"); id != "" {
		b.Attr("id", id)
	}
	return b.Attr("type", typ).Raw(inside).Bytes()
}

// answerWith is an answer with an error (XEP-0220 §2.4.2).
func answerWith(r *xml.Raw, from, to jid.JID, e *stanza.Error) []byte {
	return answer(r, from, to, "error", e.XML())
}

// vouch says whether a key is ours (XEP-0220 §2.3): whether we opened the stream of that id to that domain.
func (l *link) vouch(r *xml.Raw, receiving, originating jid.JID) {
	typ := "invalid"
	if hmac.Equal([]byte(r.Tree().Text()), []byte(l.srv.key(receiving, originating, r.Attr("id")))) {
		typ = "valid"
	}
	l.say(answer(r, originating, receiving, typ, nil))
}

// claim has a domain that the other server claims to be asked whether it opened this stream (XEP-0220 §2.2).
func (l *link) claim(r *xml.Raw, at pair) {
	s := l.srv
	refuse := func(e *stanza.Error) { l.say(answerWith(r, at.local, at.remote, e)) }
	switch {
	case s.ours(at.remote):
		l.fail("invalid-from", "that domain is ours")
		return
	case s.policy.of(at.remote) == nothing:
		refuse(stanza.PolicyViolation("this server does not talk to that domain"))
		return
	case l.pairs[at] == proven:
		l.say(answer(r, at.local, at.remote, "valid", nil))
		return
	case len(l.pairs) >= maxPairs:
		refuse(stanza.ResourceConstraint("this stream carries too many domains"))
		return
	}
	l.pairs[at] = asked
	valid, err := s.ask(s.ctx, at, l.id, r.Tree().Text())
	delete(l.pairs, at)
	switch {
	case err != nil:
		s.m.opened.WithLabelValues("in", "dialback-failed").Inc()
		fault, _ := verdict(err)
		refuse(fault)
	case !valid:
		s.m.opened.WithLabelValues("in", "dialback-invalid").Inc()
		l.say(answer(r, at.local, at.remote, "invalid", nil))
		l.stop(nil, false) // XEP-0220 §2.2.2
	case l.prove(at):
		s.m.opened.WithLabelValues("in", "dialback").Inc()
		l.say(answer(r, at.local, at.remote, "valid", nil))
		l.trusted()
		l.serveBoth(at)
	}
}

// ask asks the server of a domain whether a key is its own (XEP-0220 §2.3), on a connection of its own.
func (s *Server) ask(ctx context.Context, at pair, id, key string) (valid bool, err error) {
	select {
	case s.asking <- struct{}{}:
	default:
		return false, errors.New("s2s: too many dialback requests at one time")
	}
	defer func() { <-s.asking }()
	var asked *link
	err = s.reach(ctx, at, func(ctx context.Context, l *link, t locate.Target, keys []locate.Key) error {
		if err := l.encrypt(ctx, t, keys); err != nil {
			return err
		}
		var b xml.Builder
		l.say(b.Start("", prefix+"verify").Attr("from", at.local.String()).Attr("to", at.remote.String()).Attr("id", id).Text(key).Bytes())
		for range 8 {
			e, err := l.element(ctx)
			if err != nil {
				return err
			}
			if e.Is(dialbackNS, "verify") && e.Attr("id") == id && e.Attr("from") == at.remote.String() && e.Attr("to") == at.local.String() {
				valid, asked = e.Attr("type") == "valid", l
				if e.Attr("type") == "error" {
					return errors.New("s2s: the server cannot say whether the key is its own")
				}
				return nil
			}
		}
		return errors.New("s2s: the server does not answer what it was asked")
	})
	if err != nil {
		return false, err
	}
	asked.discard()
	s.work.Done()
	return valid, nil
}

// callBack proves our name by dialback (XEP-0220 §2.1): the other server asks ours, at the address that the DNS gives.
func (l *link) callBack(ctx context.Context) error {
	var b xml.Builder
	l.say(b.Start("", prefix+"result").Attr("from", l.local.String()).Attr("to", l.remote.String()).Text(l.srv.key(l.remote, l.local, l.id)).Bytes())
	for range 8 {
		e, err := l.element(ctx)
		if err != nil {
			return err
		}
		if !e.Is(dialbackNS, "result") || e.Attr("from") != l.remote.String() || e.Attr("to") != l.local.String() {
			continue
		}
		if e.Attr("type") == "valid" {
			return nil
		}
		return errors.New("s2s: the server does not believe our name by dialback")
	}
	return errors.New("s2s: the server does not answer dialback")
}
