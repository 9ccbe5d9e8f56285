package c2s

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"writ/account"
	"writ/xmpp/sasl"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// attempt is an <authenticate/> under way (XEP-0388 §2.3). What it asks for inline is looked at after the proof, not before.
type attempt struct {
	began    time.Time
	agent    agent
	exchange *sasl.Exchange
	bind     *xml.Element // XEP-0386
	resume   *xml.Element // XEP-0198 §9.2
	fast     *xml.Element // XEP-0484 §3.4
	wants    string       // mechanism for which a token is asked for; empty: none
	upgrades []sasl.Hash  // XEP-0480 §2.2, in the order asked for

	proved     bool   // the exchange is over, tasks follow
	additional []byte // what it ended with; nil: nothing
	hasData    bool
	todo       []sasl.Hash // upgrades to be made, the first is under way
	salt       []byte      // of the first, once the client has begun it
}

// agent is what an app says of itself (XEP-0388 §2.3). Others never see it.
type agent struct{ id, software, device string }

// maxAgent bounds each text of an agent, in bytes.
const maxAgent = 200

// uuid is the form that the agent's id must have.
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// authentication is the stream feature of XEP-0388 §2.1 with what may be done inline: XEP-0198 §9.2, XEP-0386 §3.1, XEP-0484 §3.1 and
// XEP-0480 §2.1.
func (s *Server) authentication(o *sasl.Offer) string {
	var b xml.Builder
	b.Start(stream.SASL2, "authentication")
	for _, m := range o.Mechanisms() {
		b.Leaf("", "mechanism", m)
	}
	b.Start("", "inline")
	b.Empty(stream.Managed, "sm")
	b.Start(stream.Bind2, "bind").Start("", "inline")
	for _, i := range s.inline {
		b.Empty("", "feature", "var", i.Space)
	}
	b.Empty("", "feature", "var", stream.State).Empty("", "feature", "var", stream.Managed).End().End()
	if tokens := o.Tokens(); len(tokens) > 0 {
		b.Start(stream.FAST, "fast") // without tls-0rtt: early data is not accepted
		for _, m := range tokens {
			b.Leaf("", "mechanism", m)
		}
		b.End()
	}
	b.End()
	if s.strengthens() {
		for _, t := range sasl.Upgrades() {
			b.Leaf(stream.Upgrade, "upgrade", t)
		}
	}
	return string(b.Bytes())
}

// configVersion is the feature of XEP-0509 §2.1 and its value: a hash of the features as they are sent.
func configVersion(features []string) (feature, value string) {
	sum := sha256.Sum256([]byte(strings.Join(features, "")))
	value = base64.StdEncoding.EncodeToString(sum[:15])
	var b xml.Builder
	return string(b.Empty(stream.Pipeline, "config-version", "scheme", "opaque", "value", value).Bytes()), value
}

// second handles an element of XEP-0388. While an authentication is under way nothing else is allowed (XEP-0388 §2.4, §4.7).
func (c *conn) second(r *xml.Raw) {
	a := c.auth.attempt
	name := r.Name.Local
	switch {
	case name == "authenticate" && a == nil:
		c.attempt(r)
	case name == "abort":
		c.auth.attempt = nil
		c.refuse2(sasl.Fail(sasl.Aborted, ""), nil)
	case name == "response" && a != nil && !a.proved:
		data, err := decode2(r.Tree())
		if err != nil {
			c.refuse2(sasl.AsFailure(err), nil)
			return
		}
		c.step2(data)
	case name == "next" && a != nil && a.proved && a.salt == nil:
		c.next(r.Attr("task"))
	case name == "task-data" && a != nil && a.salt != nil:
		c.taskData(r.Tree())
	case a != nil:
		c.fail("policy-violation", "an authentication is under way; it goes on with a response or an abort")
	case name == "response" || name == "next" || name == "task-data":
		c.refuse2(sasl.Fail(sasl.MalformedRequest, "there is no authentication to go on with"), nil)
	default:
		c.fail("unsupported-stanza-type", "SASL2 has no such element")
	}
}

// decode2 reads the base64 of an element (XEP-0388 §2.2): an empty element is an empty string. White space around it, as the examples
// have it, is no part of it.
func decode2(el *xml.Element) ([]byte, error) {
	text := strings.Trim(el.Text(), " \t\r\n")
	if text == "" {
		return []byte{}, nil
	}
	if text == "=" {
		return nil, sasl.Fail(sasl.IncorrectEncoding, "an empty string is an empty element")
	}
	return sasl.Decode(text)
}

// attempt begins an authentication (XEP-0388 §2.3).
func (c *conn) attempt(r *xml.Raw) {
	if c.auth.exchange != nil { // of the other profile
		c.auth.exchange = nil
		c.refuse2(sasl.Fail(sasl.MalformedRequest, "an authentication was already under way"), nil)
		return
	}
	if !c.secure() {
		c.refuse2(sasl.Fail(sasl.EncryptionRequired, "use STARTTLS first"), nil)
		return
	}
	el := r.Tree()
	if v := el.Child(stream.Pipeline, "config-version"); v != nil && v.Attr("value") != c.auth.config {
		var b xml.Builder // "without prejudice": it counts as no failure (XEP-0509 §2.2)
		c.writeFailure2(sasl.Fail(sasl.Aborted, "the stream features have changed"), b.Empty(stream.Pipeline, "config-version-mismatch").Bytes())
		return
	}
	if c.srv.gate.barred(c.peer.Addr(), time.Now()) {
		c.refuse2(sasl.Fail(sasl.TemporaryAuthFailure, "too many failed sign-ins from your address; try again in a minute"), nil)
		return
	}
	a, initial, err := c.asked2(el)
	if err != nil {
		c.refuse2(sasl.AsFailure(err), nil)
		return
	}
	c.auth.attempt = a
	c.step2(initial)
}

// asked2 reads an <authenticate/>. What it asks for that is not on offer is left out; the app sees that it did not get it.
func (c *conn) asked2(el *xml.Element) (a *attempt, initial []byte, err error) {
	a = &attempt{began: time.Now(), bind: el.Child(stream.Bind2, "bind"), resume: el.Child(stream.Managed, "resume"), fast: el.Child(stream.FAST, "fast")}
	if u := el.Child(stream.SASL2, "user-agent"); u != nil {
		a.agent = agent{strings.ToLower(u.Attr("id")), told(u.Child(stream.SASL2, "software")), told(u.Child(stream.SASL2, "device"))}
		if a.agent.id != "" && !uuid.MatchString(a.agent.id) {
			return nil, nil, sasl.Fail(sasl.MalformedRequest, "the user agent's id is a UUID")
		}
	}
	if i := el.Child(stream.SASL2, "initial-response"); i != nil {
		if initial, err = decode2(i); err != nil {
			return nil, nil, err
		}
	}
	for _, u := range el.All(stream.Upgrade, "upgrade") {
		if h, ok := sasl.UpgradeHash(strings.TrimSpace(u.Text())); ok {
			a.upgrades = append(a.upgrades, h)
		}
	}
	if a.agent.id != "" {
		for _, m := range c.auth.offer.Tokens() {
			if el.Child(stream.FAST, "request-token").Attr("mechanism") == m {
				a.wants = m
			}
		}
	}
	mechanism := el.Attr("mechanism")
	if !strings.HasPrefix(mechanism, "HT-") {
		a.exchange, err = c.auth.offer.Start(mechanism)
		return a, initial, err
	}
	if a.fast == nil {
		return nil, nil, sasl.Fail(sasl.MalformedRequest, "a token is marked by <fast/>")
	}
	if n := a.fast.Attr("count"); n != "" && a.count() < 1 {
		return nil, nil, sasl.Fail(sasl.MalformedRequest, "the count is a positive number")
	}
	a.exchange, err = c.auth.offer.StartToken(mechanism, a.agent.id)
	return a, initial, err
}

// told is what an app says of itself, cut.
func told(el *xml.Element) string {
	s := strings.TrimSpace(el.Text())
	if len(s) > maxAgent {
		s = strings.ToValidUTF8(s[:maxAgent], "")
	}
	return s
}

// count is what goes with a token (XEP-0484 §3.4); 0 if there is none, or it is no positive number.
func (a *attempt) count() int64 {
	n, err := strconv.ParseInt(a.fast.Attr("count"), 10, 63)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// step2 gives the exchange a response.
func (c *conn) step2(data []byte) {
	a := c.auth.attempt
	challenge, done, err := a.exchange.Step(c.srv.ctx, data)
	if err != nil {
		c.refuse2(sasl.AsFailure(err), nil)
		return
	}
	if !done {
		var b xml.Builder
		c.tell(b.Leaf(stream.SASL2, "challenge", sasl.Encode(challenge)).Bytes())
		return
	}
	who := a.exchange.Account()
	if c.auth.from.Local() != "" && a.exchange.Authzid() && c.auth.from != who { // XEP-0388 §2.3
		c.refuse2(sasl.Fail(sasl.InvalidAuthzid, "the authorization identity is not who the stream's header said"), nil)
		return
	}
	a.proved, a.additional, a.hasData = true, challenge, challenge != nil
	if err := c.plan(a); err != nil {
		c.refuse2(sasl.AsFailure(err), nil)
		return
	}
	c.onward()
}

// refuse2 answers a failed attempt and counts it. The stream stays as it was (XEP-0388 §2.6.2).
func (c *conn) refuse2(f *sasl.Failure, app []byte) {
	c.auth.attempt = nil
	c.srv.m.logins.WithLabelValues(string(f.Condition)).Inc()
	if cause := errors.Unwrap(f); cause != nil {
		c.srv.log.Error("a sign-in could not be checked", "err", cause)
	}
	c.writeFailure2(f, app)
	c.missed(f)
}

// writeFailure2 writes <failure/> (XEP-0388 §2.6.2).
func (c *conn) writeFailure2(f *sasl.Failure, app []byte) {
	var b xml.Builder
	b.Start(stream.SASL2, "failure").Empty(stream.SASL, string(f.Condition)).Raw(app)
	if f.Text != "" {
		b.Leaf("", "text", f.Text)
	}
	c.tell(b.Bytes())
}

// spend does what the sign-in does to the device's tokens, and gives the <token/> for the answer, if there is a new one
// (XEP-0484 §3.3 to §3.6).
func (c *conn) spend(a *attempt) ([]byte, error) {
	x := a.exchange
	if c.srv.p.Accounts == nil || a.wants == "" && x.Token().ID == "" {
		return nil, nil
	}
	use := account.Use{Device: account.Device{ID: a.agent.id, Software: a.agent.software, Model: a.agent.device}, Spent: x.Token(), Wants: a.wants}
	if x.Token().ID == "" {
		use.Device.Password = c.srv.p.Clock.Now()
	} else {
		use.Mechanism, use.Count, use.Invalidate = x.Mechanism, a.count(), truth(a.fast.Attr("invalidate"))
	}
	fresh, err := c.srv.p.Accounts.UseToken(c.srv.ctx, x.Account(), use)
	switch {
	case errors.Is(err, account.ErrToken):
		return nil, sasl.Fail(sasl.CredentialsExpired, "this token is not good any more; sign in with the password")
	case err != nil || fresh == nil:
		return nil, err
	}
	var b xml.Builder
	return b.Empty(stream.FAST, "token", "expiry", fresh.Expires.UTC().Format(time.RFC3339), "token", fresh.Text).Bytes(), nil
}

func truth(s string) bool { return s == "1" || s == "true" }
