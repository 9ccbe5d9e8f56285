package muc

import (
	"context"
	"strings"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

const (
	formRegister = NS + "#register"
	formRequest  = NS + "#request"
	fieldAbsent  = "{http://tigase.org/protocol/muc}offline"
)

// getRegistration says what a person must give to belong to the room, and what they have given (XEP-0045 §7.10).
func (r *Room) getRegistration(_ context.Context, c *call) ([]byte, func(), error) {
	if err := r.mayRegister(c.from); err != nil {
		return nil, nil, err
	}
	u, registered := r.users[c.from.Bare()]
	registered = registered && u.nick != ""
	var b xml.Builder
	b.Start(nsRegister, "query")
	if registered {
		b.Empty("", "registered").Leaf("", "username", u.nick)
	}
	b.Leaf("", "instructions", "Choose the nickname that is to be yours in this room.")
	startForm(&b, "form", "Registration with "+r.jid.String(), formRegister)
	b.Start("", "field", "var", "muc#register_roomnick", "type", "text-single", "label", "Nickname").Empty("", "required")
	if u.nick != "" {
		b.Leaf("", "value", u.nick)
	}
	b.End()
	addField(&b, fieldAbsent, "boolean", "Send me the messages while I am away", nil, bit(u.absent))
	b.End()
	return b.Bytes(), nil, nil
}

// mayRegister refuses who is banned, and strangers where the owners take none.
func (r *Room) mayRegister(from jid.JID) error {
	switch a := r.affiliation(from); {
	case a == Outcast:
		return stanza.Forbidden("you are banned from this room")
	case a < Member && !r.options.Register:
		return stanza.NotAllowed("this room takes no registrations; ask an admin to invite you")
	}
	return nil
}

// setRegistration reserves a nickname. Who does not belong to an open room does so from now on; for a members-only room the admins are asked
// (XEP-0045 §7.10, §9.9). <remove/> gives it back (XEP-0077 §3.2): a member then belongs to the room no more.
func (r *Room) setRegistration(ctx context.Context, c *call) ([]byte, func(), error) {
	if err := r.mayRegister(c.from); err != nil {
		return nil, nil, err
	}
	me, mine := c.from.Bare(), r.affiliation(c.from)
	if c.payload.Child(nsRegister, "remove") != nil {
		return r.unregister(ctx, me, mine)
	}
	x := c.payload.Child(nsForm, "x")
	if x == nil {
		return nil, nil, stanza.BadRequest("the request holds no form")
	}
	sent, err := readForm(x, formRegister)
	if err != nil {
		return nil, nil, err
	}
	nick, err := r.readNick(one(sent["muc#register_roomnick"]))
	if err != nil {
		return nil, nil, err
	}
	if _, taken := r.reservedBy(nick, me); taken {
		return nil, nil, stanza.Conflict("this nickname is another's here")
	}
	if o := r.nicks[foldNick(nick)]; o != nil && o.user != me {
		return nil, nil, stanza.Conflict("this nickname is another's here")
	}
	if mine < Member && r.options.MembersOnly {
		return nil, func() { r.askAdmins(ctx, c.from, nick) }, nil
	}
	g := grant{user: me, to: max(mine, Member), nick: nick}
	if v, ok := sent[fieldAbsent]; ok {
		wants, _ := readBit(v)
		g.absent = &wants
	}
	tell, err := r.affiliate(ctx, jid.JID{}, []grant{g})
	if err != nil {
		return nil, nil, err
	}
	return nil, func() {
		tell()
		r.registered(me, nick)
	}, nil
}

func (r *Room) readNick(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", stanza.BadRequest("a nickname is needed")
	}
	j, err := r.jid.WithResource(s)
	if err != nil {
		return "", stanza.JIDMalformed("the nickname cannot be one")
	}
	return j.Resource(), nil
}

func (r *Room) unregister(ctx context.Context, me jid.JID, mine Affiliation) ([]byte, func(), error) {
	if mine < Member {
		return nil, nil, stanza.RegistrationRequired("you are not registered with this room")
	}
	to := None
	if mine > Member {
		to = mine // an admin keeps the affiliation, and gives the nickname back
	}
	no := false
	tell, err := r.affiliate(ctx, jid.JID{}, []grant{{user: me, to: to, bare: true, absent: &no}})
	return nil, tell, err
}

// registered gives who is in the room under another nickname the reserved one (XEP-0045 §7.10).
func (r *Room) registered(me jid.JID, nick string) {
	for _, o := range append([]*Occupant(nil), r.order...) {
		if o.user != me || o.nick == nick {
			continue
		}
		for _, s := range append([]*seat(nil), o.seats...) {
			if len(o.seats) > 1 && foldNick(o.nick) == foldNick(nick) {
				continue
			}
			r.renamed(s, nick, "", []string{codeNickChanged})
		}
	}
}

// settle gives everyone whose nickname is locked that nickname, where nobody else is using it.
func (r *Room) settle() {
	if !r.options.LockNicks {
		return
	}
	for _, o := range append([]*Occupant(nil), r.order...) {
		own := r.lockedNick(o.user)
		if taken := r.nicks[foldNick(own)]; own != "" && (taken == nil || taken.user == o.user) {
			r.registered(o.user, own)
		}
	}
}

// askAdmins asks those who decide about a member (XEP-0045 §9.9).
func (r *Room) askAdmins(ctx context.Context, from jid.JID, nick string) {
	var b xml.Builder
	startForm(&b, "form", "Registration request", formRegister)
	b.Leaf("", "instructions", "To admit this person, choose that and submit the form; to refuse, do nothing or cancel.")
	addField(&b, "muc#register_jid", "jid-single", "Address", nil, from.Bare().String())
	addField(&b, "muc#register_roomnick", "text-single", "Nickname", nil, nick)
	addField(&b, "muc#register_allow", "boolean", "Admit this person?", nil, "0")
	form := b.Bytes()
	for _, j := range r.listed(func(u user) bool { return u.affiliation >= Admin }) {
		if !r.m.Router.Local(j) || !r.m.Blocker.Blocked(ctx, j, from) {
			r.m.submit(ctx, from, stanza.New(stanza.Message, stanza.Normal, r.jid, j, "", form))
		}
	}
}

// form takes a form that came in a message: a wish for voice, its approval, or that of a registration (XEP-0045 §7.13, §8.6, §9.9).
func (r *Room) form(ctx context.Context, e *feature.Envelope, s *seat, x *xml.Element) error {
	if x.Attr("type") == "cancel" {
		return nil
	}
	kind := ""
	for _, f := range x.All(nsForm, "field") {
		if f.Attr("var") == "FORM_TYPE" {
			kind = f.Child(nsForm, "value").Text()
		}
	}
	sent, err := readForm(x, kind)
	if err != nil {
		return err
	}
	switch kind {
	case formRegister:
		return r.decideMember(ctx, e, sent)
	case formRequest:
		if s == nil {
			return stanza.NotAcceptable("you are not in this room")
		}
		if _, answered := sent["muc#request_allow"]; answered {
			return r.decideVoice(s, sent)
		}
		return r.askVoice(s, sent)
	}
	return stanza.BadRequest("the room does not know this form")
}

// decideMember makes who asked a member, if an admin says so.
func (r *Room) decideMember(ctx context.Context, e *feature.Envelope, sent map[string][]string) error {
	if r.affiliation(e.From) < Admin {
		return stanza.Forbidden("only admins and owners decide who belongs to the room")
	}
	who, err := jid.Parse(one(sent["muc#register_jid"]))
	if err != nil || who.Local() == "" {
		return stanza.JIDMalformed("the form names what is no address")
	}
	allow, ok := readBit(sent["muc#register_allow"])
	if !ok {
		return stanza.BadRequest("the form does not say whether to admit them")
	}
	if !allow || r.affiliation(who) >= Member {
		return nil
	}
	nick, err := r.readNick(one(sent["muc#register_roomnick"]))
	if err != nil {
		return err
	}
	if r.affiliation(who) == Outcast {
		return stanza.NotAllowed("they are banned from this room")
	}
	if _, taken := r.reservedBy(nick, who); taken {
		return stanza.Conflict("this nickname is another's here")
	}
	tell, err := r.affiliate(ctx, e.From, []grant{{user: who.Bare(), to: Member, nick: nick}})
	if err != nil {
		return err
	}
	tell()
	r.settle()
	return nil
}

// askVoice asks the moderators whether a visitor may speak.
func (r *Room) askVoice(s *seat, sent map[string][]string) error {
	o := s.occupant
	if want := one(sent["muc#role"]); want != "participant" {
		return stanza.BadRequest("a visitor asks to be a participant")
	}
	if o.role >= Participant {
		return nil
	}
	var b xml.Builder
	startForm(&b, "form", "Voice request", formRequest)
	b.Leaf("", "instructions", "To let this person speak, choose that and submit the form.")
	addField(&b, "muc#role", "list-single", "Requested role", [][2]string{{"Participant", "participant"}}, "participant")
	addField(&b, "muc#jid", "jid-single", "Address", nil, s.jid.String())
	addField(&b, "muc#roomnick", "text-single", "Nickname", nil, o.nick)
	addField(&b, "muc#request_allow", "boolean", "Let this person speak?", nil, "0")
	st := stanza.New(stanza.Message, stanza.Normal, r.jid, jid.JID{}, "", b.Bytes())
	for _, m := range r.order {
		if m.role == Moderator {
			for _, t := range m.seats {
				t.push(r, st.WithTo(t.jid))
			}
		}
	}
	return nil
}

// decideVoice gives a visitor voice, if a moderator says so.
func (r *Room) decideVoice(s *seat, sent map[string][]string) error {
	if s.occupant.role < Moderator {
		return stanza.Forbidden("only moderators give voice")
	}
	allow, ok := readBit(sent["muc#request_allow"])
	if !ok {
		return stanza.BadRequest("the form does not say whether they may speak")
	}
	o := r.occupantOf(one(sent["muc#roomnick"]))
	if o == nil {
		return stanza.ItemNotFound("nobody of that nickname is in the room")
	}
	if allow && o.role == Visitor {
		r.play([]turn{{o: o, to: Participant}}, s.jid)
	}
	return nil
}
