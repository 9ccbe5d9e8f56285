package muc

import (
	"bytes"

	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// change is why a presence is sent: what stands in its <x/> beside the item's fixed parts.
type change struct {
	codes     []string
	nick      string // the new one (XEP-0045 §7.6)
	actor     string // the nickname of who did it
	actorJID  string // or the address, where it may be shown
	reason    string
	destroyed []byte // a <destroy/>
	gone      bool   // the role is none now
	outside   bool   // and the affiliation too (XEP-0045 §10.9)
}

// extend writes the <x/> of muc#user. open: with the real address.
func (r *Room) extend(o *Occupant, at *seat, c *change, open, self bool) []byte {
	var b xml.Builder
	affiliation, role := r.affiliation(o.user), o.role
	if c != nil && c.gone {
		role = NoRole
	}
	if c != nil && c.outside {
		affiliation = None
	}
	b.Start(NSUser, "x").Start("", "item", "affiliation", affiliation.String())
	if open {
		b.Attr("jid", at.jid.String())
	}
	if c != nil {
		if c.nick != "" {
			b.Attr("nick", c.nick)
		}
		b.Attr("role", role.String())
		if c.actor != "" || c.actorJID != "" && open {
			b.Start("", "actor", "nick", c.actor)
			if open && c.actorJID != "" {
				b.Attr("jid", c.actorJID)
			}
			b.End()
		}
		if c.reason != "" {
			b.Leaf("", "reason", c.reason)
		}
	} else {
		b.Attr("role", role.String())
	}
	b.End()
	if c != nil && c.destroyed != nil {
		b.Raw(c.destroyed)
	}
	if c != nil {
		for _, code := range c.codes {
			b.Empty("", "status", "code", code)
		}
	}
	if self {
		b.Empty("", "status", "code", codeSelf)
	}
	return b.Bytes()
}

// show is the presence of an occupant as others see it, without 'to'.
func (r *Room) show(o *Occupant, open bool) *stanza.Stanza {
	i := 0
	if open {
		i = 1
	}
	if o.shown[i] == nil {
		m := o.main()
		o.shown[i] = m.presence.WithHead(o.jid, jid.JID{}, "", stanza.Available).With(o.id, r.extend(o, m, nil, open, false)).Shared()
	}
	return o.shown[i]
}

// broadcasts reports whether the presence of an occupant of this role is sent to others (muc#roomconfig_presencebroadcast).
func (r *Room) broadcasts(role Role) bool {
	for _, name := range r.options.Broadcast {
		if name == role.String() {
			return true
		}
	}
	return false
}

// maySee reports whether the one is shown the presence of the other.
func (r *Room) maySee(viewer, o *Occupant) bool {
	return viewer == o || viewer.user == o.user || viewer.role == Moderator || r.broadcasts(o.role)
}

// spread sends an occupant's present presence to all others, and to its own sessions with the codes for them. id goes back to the session
// that caused it, so that it knows its own (XEP-0045 §7.2.2).
func (r *Room) spread(o *Occupant, c *change, cause *seat, id string) {
	o.forget()
	var changed [2]*stanza.Stanza // with the reason, for others
	for _, other := range r.order {
		if other == o || !r.maySee(other, o) {
			continue
		}
		open := r.sees(other.role)
		st := r.show(o, open)
		if c != nil {
			i := 0
			if open {
				i = 1
			}
			if changed[i] == nil {
				m := o.main()
				changed[i] = m.presence.WithHead(o.jid, jid.JID{}, "", stanza.Available).With(o.id, r.extend(o, m, c.public(), open, false)).Shared()
			}
			st = changed[i]
		}
		for _, s := range other.seats {
			s.share(r, &r.moves, st)
		}
	}
	for _, s := range o.seats {
		r.showSelf(o, s, c, map[bool]string{true: id}[s == cause])
	}
}

// public is the change without the codes that only the occupant itself is told (XEP-0045 §7.2.3, §7.2.12, §10.1.1). A nickname that the
// room has changed is told to all (XEP-0045 §7.10).
func (c *change) public() *change {
	p := *c
	p.codes = nil
	for _, code := range c.codes {
		switch code {
		case codeNonAnonymous, codeLogged, codeCreated:
		default:
			p.codes = append(p.codes, code)
		}
	}
	return &p
}

// showSelf sends a session its own occupant's presence.
func (r *Room) showSelf(o *Occupant, s *seat, c *change, id string) {
	m := o.main()
	st := m.presence.WithHead(o.jid, s.jid, id, stanza.Available).With(o.id, r.extend(o, m, c, r.sees(o.role), true))
	s.push(r, st)
}

// hide sends the unavailable presence of an occupant that leaves to all others; its own sessions have been told (part). status is what the
// client said at leaving.
func (r *Room) hide(o *Occupant, at *seat, status *stanza.Stanza, c *change) {
	var made [2]*stanza.Stanza
	for _, other := range r.order {
		if other == o || !r.maySee(other, o) {
			continue
		}
		open := r.sees(other.role)
		i := 0
		if open {
			i = 1
		}
		if made[i] == nil {
			made[i] = status.WithHead(o.jid, jid.JID{}, "", stanza.Unavailable).With(o.id, r.extend(o, at, c, open, false)).Shared()
		}
		for _, s := range other.seats {
			s.share(r, &r.moves, made[i])
		}
	}
}

// part sends a session that leaves its own unavailable presence.
func (r *Room) part(o *Occupant, s *seat, status *stanza.Stanza, c *change) {
	st := status.WithHead(o.jid, s.jid, status.ID, stanza.Unavailable).With(o.id, r.extend(o, s, c, r.sees(o.role), true))
	s.push(r, st)
}

// goodbye is an unavailable presence without words.
func (r *Room) goodbye() *stanza.Stanza {
	return stanza.New(stanza.Presence, stanza.Unavailable, r.jid, jid.JID{}, "")
}

// clean strips what only the room may say from a client's presence (XEP-0045 §17.3).
func clean(s *stanza.Stanza) *stanza.Stanza {
	return s.Without(func(c stanza.Child) bool {
		return c.Space == NS || c.Space == NSUser || c.Space == nsOccupant || c.Space == nsDelay
	})
}

// same reports whether two presences of clients say the same.
func same(a, b *stanza.Stanza) bool {
	plain := func(s *stanza.Stanza) []byte { return s.WithHead(jid.JID{}, jid.JID{}, "", s.Type).AppendTo(nil, "") }
	return bytes.Equal(plain(a), plain(b))
}
