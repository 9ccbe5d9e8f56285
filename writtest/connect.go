package writtest

import (
	"fmt"
	"strconv"

	"writ/xmpp/jid"
	"writ/xmpp/xml"
)

// smState is what a client of a script counts for stream management (XEP-0198 §4).
type smState struct {
	id       string
	received uint32         // stanzas that the client has handled
	out      []*xml.Element // sent and not acknowledged
	acked    uint32
}

func isStanza(e *xml.Element) bool {
	return e.Name.Space == xml.Client && (e.Name.Local == "message" || e.Name.Local == "presence" || e.Name.Local == "iq")
}

func (s *smState) sent(e *xml.Element) {
	if s.id != "" && isStanza(e) {
		s.out = append(s.out, e)
	}
}

func (s *smState) handled(h string) error {
	n, err := strconv.ParseUint(h, 10, 32)
	if err != nil {
		return fmt.Errorf("h=%q", h)
	}
	k := uint32(n) - s.acked
	if int(k) > len(s.out) {
		return fmt.Errorf("the server has handled %d, %d were sent", n, s.acked+uint32(len(s.out)))
	}
	s.acked, s.out = uint32(n), s.out[k:]
	return nil
}

// acknowledge answers <r/>, takes <a/>, and counts stanzas. It reports that the script need not see the element.
func (p *player) acknowledge(e *xml.Element) bool {
	switch {
	case e.Is(nsSM, "r"):
		p.Write("<a xmlns='" + nsSM + "' h='" + strconv.FormatUint(uint64(p.sm.received), 10) + "'/>")
		return true
	case e.Is(nsSM, "a"):
		if err := p.sm.handled(e.Attr("h")); err != nil {
			p.gone = err
		}
		return true
	case isStanza(e):
		p.sm.received++
	}
	return false
}

// connect goes as far as the verb says.
func (r *run) connect(p *player, verb string) error {
	if p.Client != nil {
		return fmt.Errorf("the client is connected already")
	}
	p.Client, p.gone, p.inbox = r.homeOf(p).Dial(r.t, r.via), nil, nil
	if _, err := p.Secure(); err != nil || verb == "opens" {
		return err
	}
	if _, err := p.Authenticate(p.account); err != nil || verb == "authenticates" {
		return err
	}
	switch verb {
	case "resumes":
		if err := p.resume(); err != nil {
			return err
		}
		var err error
		p.JID, err = jid.Parse(r.vars[p.name])
		return err
	case "resumes and fails":
		if err := p.resume(); err == nil {
			return fmt.Errorf("the session was resumed")
		}
	}
	p.sm, p.resumable = smState{}, false
	if err := p.Bind(p.resource); err != nil {
		return err
	}
	if want := r.vars[p.name]; p.JID.String() != want {
		return fmt.Errorf("bound %s, not %s", p.JID, want)
	}
	if verb == "connects resumable" || verb == "resumes and fails" {
		return p.enable()
	}
	return nil
}

// enable turns stream management on (XEP-0198 §3).
func (p *player) enable() error {
	p.Write("<enable xmlns='" + nsSM + "' resume='true'/>")
	e, err := p.Next()
	if err != nil {
		return err
	}
	if !e.Is(nsSM, "enabled") || e.Attr("id") == "" || e.Attr("resume") != "true" {
		return fmt.Errorf("%s instead of enabled", e.AppendTo(nil, ""))
	}
	p.resumable, p.sm = true, smState{id: e.Attr("id")}
	return nil
}

// resume takes the session up again and repeats what the server has not handled (XEP-0198 §5).
func (p *player) resume() error {
	var b xml.Builder
	b.Start(nsSM, "resume").Attr("previd", p.sm.id).Attr("h", strconv.FormatUint(uint64(p.sm.received), 10))
	p.Write(string(b.Bytes()))
	e, err := p.Next()
	if err != nil {
		return err
	}
	if !e.Is(nsSM, "resumed") || e.Attr("previd") != p.sm.id {
		return fmt.Errorf("%s instead of resumed", e.AppendTo(nil, ""))
	}
	if err := p.sm.handled(e.Attr("h")); err != nil {
		return err
	}
	for _, again := range p.sm.out {
		p.Send(again)
	}
	return nil
}
