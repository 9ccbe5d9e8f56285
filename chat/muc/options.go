package muc

import (
	"slices"
	"strconv"
	"strings"

	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// Options is a room's configuration (XEP-0045 §16.5.3), as its owners set it.
type Options struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Lang        string `json:"lang,omitempty"`

	Persistent  bool   `json:"persistent"`
	Public      bool   `json:"public"` // in the list of rooms
	MembersOnly bool   `json:"members_only"`
	Moderated   bool   `json:"moderated"`
	Anonymous   bool   `json:"anonymous"` // real addresses for moderators alone
	Password    string `json:"password,omitempty"`
	MaxUsers    int    `json:"max_users,omitempty"` // 0: what the service allows

	ChangeSubject bool     `json:"change_subject"`       // by participants
	Invites       bool     `json:"invites"`              // by members, in a members-only room
	Private       string   `json:"private"`              // who may send private messages
	Broadcast     []string `json:"broadcast"`            // the roles whose presence is sent to all
	ListMembers   []string `json:"list_members"`         // the roles that may ask who is a member
	Register      bool     `json:"register"`             // people may ask to become members
	LockNicks     bool     `json:"lock_nicks,omitempty"` // who has a reserved nickname uses no other
	Archive       bool     `json:"archive"`
	History       int      `json:"history"` // messages sent at entering, at most
	Avatar        string   `json:"avatar,omitempty"`
}

// Who may send private messages.
const (
	pmAnyone       = "anyone"
	pmParticipants = "participants"
	pmModerators   = "moderators"
	pmNone         = "none"
)

var allRoles = []string{"moderator", "participant", "visitor"}

// instant is the configuration of a room whose maker sends none (XEP-0045 §10.1.2).
func (m *MUC) instant() Options {
	o := Options{Private: pmAnyone, Broadcast: allRoles, ListMembers: allRoles, Archive: true, Register: true, History: m.c.History,
		Persistent: true, MembersOnly: true, Invites: true}
	if m.c.Instant == Channel {
		o.Persistent, o.MembersOnly, o.Public, o.Anonymous, o.Invites = false, false, true, true, false
	}
	return o
}

// check says why a configuration cannot be.
func (m *MUC) check(o Options) error {
	switch {
	case !m.c.Channels && !o.MembersOnly:
		return stanza.NotAcceptable("this service has private groups alone: only members may enter")
	case !m.c.Channels && o.Public:
		return stanza.NotAcceptable("this service has private groups alone: they are not listed")
	case !m.c.Channels && o.Anonymous, o.MembersOnly && o.Anonymous && m.Encryption.Required():
		return stanza.NotAcceptable("a private group shows its members' addresses: encryption needs them")
	case o.MaxUsers > m.c.Occupants:
		return stanza.NotAcceptable("at most " + strconv.Itoa(m.c.Occupants) + " people fit into a room here")
	}
	return nil
}

// field is one field of the configuration form.
type field struct {
	name, kind, label string
	choices           [][2]string
	alias             bool // another name of the field before, taken from apps that know no better and not shown
	get               func(o *Options) []string
	set               func(o *Options, values []string) bool // false: not acceptable
}

const nsConfig = NS + "#roomconfig"

// fieldLock is a field of our own: the registry of XEP-0045 has none for nicknames that are locked (XEP-0068 says how such are named).
const fieldLock = "{urn:writ:muc}lock_nicknames"

func text(name, kind, label string, at func(*Options) *string, most int) field {
	return field{name: name, kind: kind, label: label,
		get: func(o *Options) []string { return some(*at(o)) },
		set: func(o *Options, v []string) bool {
			*at(o) = strings.TrimSpace(strings.Join(v, "\n"))
			return len(*at(o)) <= most
		}}
}

func truth(name, label string, at func(*Options) *bool) field {
	return field{name: name, kind: "boolean", label: label,
		get: func(o *Options) []string { return []string{bit(*at(o))} },
		set: func(o *Options, v []string) (ok bool) {
			*at(o), ok = readBit(v)
			return ok
		}}
}

// also is another name for a yes or no of the form.
func also(name string, at func(*Options) *bool) field {
	f := truth(name, "", at)
	f.alias = true
	return f
}

func rolesField(name, label string, at func(*Options) *[]string) field {
	return field{name: name, kind: "list-multi", label: label,
		choices: [][2]string{{"Moderator", "moderator"}, {"Participant", "participant"}, {"Visitor", "visitor"}},
		get:     func(o *Options) []string { return *at(o) },
		set: func(o *Options, v []string) bool {
			*at(o) = v
			return !slices.ContainsFunc(v, func(s string) bool { return !slices.Contains(allRoles, s) })
		}}
}

// fields are what an owner can set, in the order of the form. Two names may set the same: apps send the one they know; the form shows one.
func (m *MUC) fields() []field {
	return []field{
		text("muc#roomconfig_roomname", "text-single", "Name of the room", func(o *Options) *string { return &o.Name }, 256),
		text("muc#roomconfig_roomdesc", "text-single", "What the room is about", func(o *Options) *string { return &o.Description }, 2048),
		text("muc#roomconfig_lang", "text-single", "Language of the room", func(o *Options) *string { return &o.Lang }, 35),
		truth("muc#roomconfig_persistentroom", "The room stays when everyone has left", func(o *Options) *bool { return &o.Persistent }),
		truth("muc#roomconfig_publicroom", "The room is in the list of rooms", func(o *Options) *bool { return &o.Public }),
		truth("muc#roomconfig_membersonly", "Only members enter", func(o *Options) *bool { return &o.MembersOnly }),
		truth("muc#roomconfig_moderatedroom", "Who is no member needs voice to speak", func(o *Options) *bool { return &o.Moderated }),
		{name: "muc#roomconfig_whois", kind: "list-single", label: "Who sees real addresses",
			choices: [][2]string{{"Moderators only", "moderators"}, {"Anyone", "anyone"}},
			get: func(o *Options) []string {
				if o.Anonymous {
					return []string{"moderators"}
				}
				return []string{"anyone"}
			},
			set: func(o *Options, v []string) bool {
				o.Anonymous = one(v) == "moderators"
				return o.Anonymous || one(v) == "anyone"
			}},
		truth("muc#roomconfig_changesubject", "Participants change the subject", func(o *Options) *bool { return &o.ChangeSubject }),
		truth("muc#roomconfig_allowinvites", "Members invite others", func(o *Options) *bool { return &o.Invites }),
		{name: "muc#roomconfig_allowpm", kind: "list-single", label: "Who sends private messages",
			choices: [][2]string{{"Anyone", pmAnyone}, {"Who has voice", pmParticipants}, {"Moderators", pmModerators}, {"Nobody", pmNone}},
			get:     func(o *Options) []string { return []string{o.Private} },
			set: func(o *Options, v []string) bool {
				o.Private = one(v)
				return slices.Contains([]string{pmAnyone, pmParticipants, pmModerators, pmNone}, o.Private)
			}},
		{name: "muc#roomconfig_passwordprotectedroom", kind: "boolean", label: "A password is needed to enter",
			get: func(o *Options) []string { return []string{bit(o.Password != "")} },
			set: func(*Options, []string) bool { return true }}, // with the password itself (apply)
		text("muc#roomconfig_roomsecret", "text-private", "The password", func(o *Options) *string { return &o.Password }, 256),
		{name: "muc#roomconfig_maxusers", kind: "list-single", label: "The most people at a time",
			choices: m.sizes(),
			get: func(o *Options) []string {
				if o.MaxUsers == 0 {
					return []string{strconv.Itoa(m.c.Occupants)}
				}
				return []string{strconv.Itoa(o.MaxUsers)}
			},
			set: func(o *Options, v []string) bool {
				n, ok := count(one(v))
				if one(v) == "none" || one(v) == "" {
					n, ok = 0, true
				}
				o.MaxUsers = n
				return ok
			}},
		rolesField("muc#roomconfig_presencebroadcast", "Whose presence all see", func(o *Options) *[]string { return &o.Broadcast }),
		rolesField("muc#roomconfig_getmemberlist", "Who may ask for the list of members", func(o *Options) *[]string { return &o.ListMembers }),
		truth("muc#roomconfig_allowregister", "People may ask to become members", func(o *Options) *bool { return &o.Register }),
		truth(fieldLock, "Who has a nickname of their own here uses no other", func(o *Options) *bool { return &o.LockNicks }),
		truth("muc#roomconfig_enablearchiving", "Messages are kept in the room's archive", func(o *Options) *bool { return &o.Archive }),
		also("mam", func(o *Options) *bool { return &o.Archive }),
		also("muc#roomconfig_enablelogging", func(o *Options) *bool { return &o.Archive }),
		{name: "muc#roomconfig_historylength", kind: "text-single", label: "Messages sent at entering",
			get: func(o *Options) []string { return []string{strconv.Itoa(o.History)} },
			set: func(o *Options, v []string) bool {
				n, ok := count(one(v))
				o.History = min(n, m.c.History)
				return ok
			}},
	}
}

// sizes are the choices for the most people at a time.
func (m *MUC) sizes() (l [][2]string) {
	for _, n := range []int{10, 20, 50, 100, 200, 500} {
		if n < m.c.Occupants {
			l = append(l, [2]string{strconv.Itoa(n), strconv.Itoa(n)})
		}
	}
	return append(l, [2]string{strconv.Itoa(m.c.Occupants), strconv.Itoa(m.c.Occupants)})
}

// apply reads a submitted form into a copy of the options. Fields that it does not know are left alone (XEP-0045 §10.1.3), and so is what is not sent.
func (m *MUC) apply(o Options, sent map[string][]string) (Options, error) {
	before := o
	for _, f := range m.fields() {
		v, ok := sent[f.name]
		if !ok {
			continue
		}
		was := bit(o.Archive)
		if !f.set(&o, v) {
			return o, stanza.NotAcceptable("the value of " + f.name + " cannot be")
		}
		if f.alias && one(v) == bit(before.Archive) && was != bit(before.Archive) {
			o.Archive = was == "1" // three names for one thing: what differs from before is what was meant
		}
	}
	if v, ok := sent["muc#roomconfig_passwordprotectedroom"]; ok {
		needed, ok := readBit(v)
		switch {
		case !ok:
			return o, stanza.NotAcceptable("the value of muc#roomconfig_passwordprotectedroom cannot be")
		case !needed:
			o.Password = ""
		case o.Password == "":
			return o, stanza.NotAcceptable("a password is needed, and there is none")
		}
	}
	return o, m.check(o)
}

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func one(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// readBit reads a boolean of a form (XEP-0004 §3.3).
func readBit(v []string) (value, ok bool) {
	switch one(v) {
	case "1", "true":
		return true, true
	case "0", "false":
		return false, true
	}
	return false, false
}

// addresses reads a field of addresses: bare ones and domains.
func addresses(v []string) (l []jid.JID, err error) {
	for _, s := range v {
		j, err := jid.Parse(strings.TrimSpace(s))
		if err != nil {
			return nil, stanza.JIDMalformed("the form holds what is no address")
		}
		l = append(l, j.Bare())
	}
	return l, nil
}
