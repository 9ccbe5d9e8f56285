package writtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"

	"writ/xmpp/jid"
	"writ/xmpp/sasl"
	"writ/xmpp/xml"
)

// Namespaces of the sign-in of today's apps.
const (
	nsSASL2 = "urn:xmpp:sasl:2"
	nsBind2 = "urn:xmpp:bind:0"
	nsFAST  = "urn:xmpp:fast:0"
)

// SignIn is an <authenticate/> (XEP-0388 §2.3).
type SignIn struct {
	Mechanism string // empty: PLAIN with Password
	Local     string // who
	Token     string // for the mechanisms of XEP-0484
	Password  string // empty: everyone's
	Agent     string // user-agent id; empty: no user-agent
	Software  string
	Inside    string // what is asked for beside, as XML
	Count     string // of a token
	Out       bool   // the token is to be invalid afterwards
}

// Authenticate2 is the element that a client of this connection sends.
func (c *Client) Authenticate2(s SignIn) (string, error) {
	mechanism, initial := "PLAIN", "\x00"+s.Local+"\x00"+Password
	if s.Password != "" {
		initial = "\x00" + s.Local + "\x00" + s.Password
	}
	if s.Mechanism != "" && s.Mechanism != "PLAIN" {
		proof, err := c.tokenProof(s.Mechanism, s.Token, "Initiator")
		if err != nil {
			return "", err
		}
		mechanism, initial = s.Mechanism, s.Local+"\x00"+proof
	}
	var b xml.Builder
	b.Start(nsSASL2, "authenticate", "mechanism", mechanism)
	b.Leaf("", "initial-response", base64.StdEncoding.EncodeToString([]byte(initial)))
	if s.Agent != "" || s.Software != "" {
		b.Start("", "user-agent", "id", s.Agent)
		if s.Software != "" {
			b.Leaf("", "software", s.Software)
		}
		b.End()
	}
	if strings.HasPrefix(mechanism, "HT-") {
		b.Start(nsFAST, "fast", "count", s.Count)
		if s.Out {
			b.Attr("invalidate", "true")
		}
		b.End()
	}
	return string(b.Raw([]byte(s.Inside)).Bytes()), nil
}

// tokenProof is the client's (Initiator) or the server's (Responder) proof of a token on this connection.
func (c *Client) tokenProof(mechanism, token, role string) (string, error) {
	var h func() hash.Hash
	switch {
	case strings.HasPrefix(mechanism, "HT-SHA-256-"):
		h = sha256.New
	case strings.HasPrefix(mechanism, "HT-SHA-512-"):
		h = sha512.New
	default:
		return "", fmt.Errorf("no token mechanism %q", mechanism)
	}
	m := hmac.New(h, []byte(token))
	m.Write([]byte(role))
	if kind := mechanism[len("HT-SHA-256-"):]; kind != "NONE" {
		b, err := c.binding(kind)
		if err != nil {
			return "", err
		}
		m.Write(b)
	}
	return string(m.Sum(nil)), nil
}

// binding is the channel binding of the connection, as the client sees it.
func (c *Client) binding(kind string) ([]byte, error) {
	t, ok := c.conn.(*tls.Conn)
	if !ok {
		return nil, errors.New("this client cannot bind to its channel")
	}
	cs := t.ConnectionState()
	var b sasl.Binding
	var err error
	switch kind {
	case "EXPR":
		b, err = sasl.Exporter(&cs)
	case "UNIQ":
		b, err = sasl.Unique(&cs)
	case "ENDP":
		b, err = sasl.EndPoint(cs.PeerCertificates[0])
	default:
		err = fmt.Errorf("no channel binding %q", kind)
	}
	return b.Data, err
}

// SignIn sends an <authenticate/> on an open stream and gives the answer. After a <success/> that is not a resumption it reads the features
// too. JID is set if the answer has a full address.
func (c *Client) SignIn(s SignIn) (*xml.Element, error) {
	a, err := c.Authenticate2(s)
	if err != nil {
		return nil, err
	}
	c.Write(a)
	return c.SignedIn()
}

// SignedIn reads the answer to an <authenticate/> as SignIn does.
func (c *Client) SignedIn() (*xml.Element, error) {
	e, err := c.Next()
	if err != nil {
		return nil, err
	}
	if !e.Is(nsSASL2, "success") {
		return e, nil
	}
	c.named(e)
	if e.Child(nsSM, "resumed") == nil {
		if f, err := c.Next(); err != nil || !f.Is(xml.Stream, "features") {
			return e, fmt.Errorf("no features behind the success: %w", err)
		}
	}
	return e, nil
}

// named takes the address from a <success/>.
func (c *Client) named(e *xml.Element) {
	if j, err := jid.Parse(e.Child(nsSASL2, "authorization-identifier").Text()); err == nil && j.Resource() != "" {
		c.JID = j
	}
}

// agentOf is the user-agent id of a client of a script: a UUID that its name makes.
func agentOf(account, name string) string {
	sum := sha256.Sum256([]byte(account + "/" + name))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80 // version 4
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// signIn is "signs in" of a script.
func (r *run) signIn(p *player, st statement) error {
	rest, err := r.vars.fill(st.rest)
	if err != nil {
		return err
	}
	s := SignIn{Local: p.account, Agent: agentOf(p.account, p.name), Software: "Script"}
	if tail, ok := strings.CutPrefix(rest, "by "); ok {
		words := strings.SplitN(strings.ReplaceAll(tail, "\n", " "), " ", 4)
		if len(words) < 3 || words[1] != "with" {
			return errors.New("signs in by MECHANISM with TOKEN")
		}
		s.Mechanism, s.Token, rest = words[0], words[2], strings.Join(words[3:], "")
	}
	inside, err := pattern(rest)
	if err != nil {
		return err
	}
	for _, e := range inside {
		if e.Is(nsFAST, "fast") { // what the token's own <fast/> is to say
			s.Count, s.Out = e.Attr("count"), e.Attr("invalidate") == "true"
			continue
		}
		s.Inside += string(e.AppendTo(nil, nsSASL2))
	}
	if p.Client == nil {
		h := r.house
		if p.abroad {
			h = r.away
		}
		p.Client, p.gone, p.inbox, p.sm, p.resumable = h.Dial(r.t, r.via), nil, nil, smState{}, false
		if st.verb == "signs in at once" {
			if err := p.tls(); err != nil {
				return err
			}
			a, err := p.Authenticate2(s)
			if err != nil {
				return err
			}
			p.WriteAll(p.Header(), a)
			_, err = p.Opened()
			return err
		}
		if _, err := p.Secure(); err != nil {
			return err
		}
	}
	a, err := p.Authenticate2(s)
	if err != nil {
		return err
	}
	p.Write(a)
	return nil
}
