package muc

import (
	"context"
	"strconv"
	"strings"

	"writ/chat/archive"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// atHost answers what is addressed to the host itself (XEP-0045 §6).
func (m *MUC) atHost(ctx context.Context, e *feature.Envelope) {
	s := e.Stanza
	if s.Kind != stanza.IQ || s.Type != stanza.Get && s.Type != stanza.Set {
		if s.Kind == stanza.Message && s.Type != stanza.TypeError {
			m.back(e, stanza.ErrorReply(s, stanza.ServiceUnavailable("this is a service of rooms; write to a room")))
		}
		return
	}
	p := s.Tree(s.Children()[0])
	var payload []byte
	var err error
	switch {
	case s.Type == stanza.Get && p.Is(nsInfo, "query") && p.Attr("node") == "":
		payload = m.hostInfo()
	case s.Type == stanza.Get && p.Is(nsItems, "query") && p.Attr("node") == "":
		payload, err = m.hostItems(ctx, p)
	case s.Type == stanza.Get && p.Is(nsSearch, "search") && m.c.Channels:
		payload, err = m.search(ctx, e, p)
	case p.Is(nsInfo, "query"), p.Is(nsItems, "query"):
		err = stanza.ItemNotFound("there is no such node")
	case s.Type == stanza.Get && p.Is(nsPing, "ping"):
	default:
		err = stanza.ServiceUnavailable("")
	}
	switch {
	case err != nil:
		if _, ok := err.(*stanza.Error); !ok {
			m.Log.Error("a request to the rooms' host failed", "err", err)
		}
		m.back(e, stanza.ErrorReply(s, err))
	case payload == nil:
		m.back(e, stanza.Reply(s))
	default:
		m.back(e, stanza.Reply(s, payload))
	}
}

func (m *MUC) back(e *feature.Envelope, s *stanza.Stanza) {
	switch {
	case s == nil:
	case e.Session != nil:
		e.Session.Out.Push(s)
	default:
		m.send(context.Background(), s)
	}
}

// hostInfo says what the service is (XEP-0045 §6.2).
func (m *MUC) hostInfo() []byte {
	var b xml.Builder
	b.Start(nsInfo, "query").Empty("", "identity", "category", "conference", "type", "text", "name", "Rooms")
	for _, f := range []string{nsInfo, nsItems, NS, nsRSM, nsStable, nsSelfPing, nsOccupant, nsPing, archive.SID, nsCard, nsModerate, nsRetract} {
		b.Empty("", "feature", "var", f)
	}
	if m.c.Channels { // without channels there is nothing to be found
		b.Empty("", "feature", "var", nsSearch)
	}
	return b.Bytes()
}

// pageOfRooms is how many rooms one answer lists.
const pageOfRooms = 100

// Listing is a room of the public list.
type Listing struct {
	Room jid.JID
	Name string
}

// Listed gives the rooms of the public list whose name (the part before the @) stands after another, in order, at most n. It is also what a
// search (XEP-0433) looks through.
func (m *MUC) Listed(ctx context.Context, after string, n int) ([]Listing, error) {
	return store.List(ctx, m.DB, "muc: listing rooms", func(row store.Scanner) (l Listing, err error) {
		var name, options string
		if err = row.Scan(&name, &options); err != nil {
			return l, err
		}
		o, err := readOptions(options)
		if err != nil {
			return l, err
		}
		l.Room, l.Name = m.room(name), o.Name
		if l.Name == "" {
			l.Name = name
		}
		return l, nil
	}, `SELECT room, options FROM muc_room WHERE listed AND room > $1 ORDER BY room LIMIT $2`, after, n)
}

// hostItems lists the public rooms, a page at a time (XEP-0045 §6.3, XEP-0059 §2.2).
func (m *MUC) hostItems(ctx context.Context, p *xml.Element) ([]byte, error) {
	set := p.Child(nsRSM, "set")
	n := pageOfRooms
	if k, ok := count(set.Child(nsRSM, "max").Text()); ok {
		n = min(n, k)
	}
	after := set.Child(nsRSM, "after").Text()
	if after != "" {
		j, err := jid.Parse(after)
		if err != nil || !m.Router.Hosted(j) {
			return nil, stanza.ItemNotFound("there is no such room")
		}
		after = j.Local()
	}
	rooms, err := m.Listed(ctx, after, n+1)
	if err != nil {
		return nil, err
	}
	more := len(rooms) > n
	if more {
		rooms = rooms[:n]
	}
	var b xml.Builder
	b.Start(nsItems, "query")
	for _, l := range rooms {
		b.Empty("", "item", "jid", l.Room.String(), "name", l.Name)
	}
	if set != nil || more {
		b.Start(nsRSM, "set")
		if len(rooms) > 0 {
			b.Leaf("", "first", rooms[0].Room.String())
		}
		if len(rooms) > 0 {
			b.Leaf("", "last", rooms[len(rooms)-1].Room.String())
		}
		total, err := m.countListed(ctx)
		if err != nil {
			return nil, err
		}
		b.Leaf("", "count", strconv.Itoa(total))
	}
	return b.Bytes(), nil
}

// info says what a room is (XEP-0045 §6.4), and the asker's reserved nickname (XEP-0045 §7.12).
func (r *Room) info(_ context.Context, c *call) ([]byte, func(), error) {
	var b xml.Builder
	switch node := c.payload.Attr("node"); node {
	case "":
	case "x-roomuser-item":
		b.Start(nsInfo, "query", "node", node)
		if u := r.users[c.from.Bare()]; u.nick != "" {
			b.Empty("", "identity", "category", "conference", "type", "text", "name", u.nick)
		}
		return b.Bytes(), nil, nil
	case "http://jabber.org/protocol/muc#traffic": // an empty list would say that nothing may be sent (XEP-0045 §18.1.1)
		return nil, nil, stanza.FeatureNotImplemented("everything may be sent")
	default:
		return nil, nil, stanza.ItemNotFound("there is no such node")
	}
	o := r.options
	name := o.Name
	if name == "" {
		name = r.name
	}
	b.Start(nsInfo, "query").Empty("", "identity", "category", "conference", "type", "text", "name", name)
	for _, f := range r.features() {
		b.Empty("", "feature", "var", f)
	}
	r.roomInfo(&b, c)
	return b.Bytes(), nil, nil
}

// features are those of XEP-0045 §16.3 that fit the configuration, and those of every room.
func (r *Room) features() []string {
	o := r.options
	pick := func(yes bool, a, b string) string { return map[bool]string{true: a, false: b}[yes] }
	l := []string{nsInfo, nsItems, NS, nsStable, nsSelfPing, nsOccupant, nsPing, nsRegister, archive.SID, nsAbsent, NS + "#request", nsCard, nsModerate, nsRetract,
		pick(o.MembersOnly, "muc_membersonly", "muc_open"), pick(o.Moderated, "muc_moderated", "muc_unmoderated"),
		pick(o.Anonymous, "muc_semianonymous", "muc_nonanonymous"), pick(o.Password != "", "muc_passwordprotected", "muc_unsecured"),
		pick(o.Persistent, "muc_persistent", "muc_temporary"), pick(o.Public, "muc_public", "muc_hidden")}
	if o.Archive && r.m.Keep > 0 {
		l = append(l, nsMAM, nsMAM+"#extended", nsRetract+"#tombstone")
	}
	return l
}

// roomInfo is the form of XEP-0045 §16.5.4. What is said and who is there is for those who belong to the room, or for all if it is listed.
func (r *Room) roomInfo(b *xml.Builder, c *call) {
	o := r.options
	startForm(b, "result", "", NS+"#roominfo")
	addField(b, "muc#roominfo_description", "text-single", "Description", nil, o.Description)
	addField(b, "muc#roominfo_lang", "text-single", "Language", nil, some(o.Lang)...)
	addField(b, "muc#roominfo_changesubject", "boolean", "Participants change the subject", nil, bit(o.ChangeSubject))
	addField(b, "muc#roomconfig_allowinvites", "boolean", "Members invite others", nil, bit(o.Invites))
	addField(b, "muc#roomconfig_roomname", "text-single", "Name", nil, o.Name)
	addField(b, "muc#roomconfig_changesubject", "boolean", "Participants change the subject", nil, bit(o.ChangeSubject))
	addField(b, "muc#roomconfig_allowpm", "list-single", "Who sends private messages", nil, o.Private)
	addField(b, "muc#maxhistoryfetch", "text-single", "Messages sent at entering, at most", nil, strconv.Itoa(min(o.History, r.m.c.History)))
	if o.Avatar != "" && r.shows(c) {
		addField(b, "muc#roominfo_avatarhash", "text-multi", "Hash of the picture", nil, strings.Fields(o.Avatar)...) // XEP-0486 §3.3
	}
	if o.Public && !o.MembersOnly || r.affiliation(c.from) >= Member || r.roleHere(c.from) > NoRole {
		addField(b, "muc#roominfo_subject", "text-single", "Subject", nil, r.subject.text)
		addField(b, "muc#roominfo_occupants", "text-single", "People in the room", nil, strconv.Itoa(len(r.order)))
	}
	b.End()
}

// items lists the occupants (XEP-0045 §6.5): of a listed room that anyone may enter to all, else to who is in it.
func (r *Room) items(_ context.Context, c *call) ([]byte, func(), error) {
	if node := c.payload.Attr("node"); node != "" {
		return nil, nil, stanza.ItemNotFound("there is no such node")
	}
	var b xml.Builder
	b.Start(nsItems, "query")
	if c.seat != nil || r.options.Public && !r.options.MembersOnly {
		for _, o := range r.order {
			b.Empty("", "item", "jid", o.jid.String())
		}
	}
	return b.Bytes(), nil, nil
}
