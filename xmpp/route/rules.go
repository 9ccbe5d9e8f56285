package route

import (
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// verdict is what becomes of a stanza for an address of the served domain.
type verdict uint8

const (
	ignore verdict = iota // silently
	refuse                // service-unavailable
	keep                  // offline storage; refused if no room keeps it
	all                   // every session with a priority that is not negative
	match                 // the one session of the full JID
	avail                 // every available session
)

// place is the kind of address, for an account.
type place uint8

const (
	bare   place = iota
	full         // and there is such a session
	absent       // full, and there is no such session
)

// presentness is what sessions an account has.
type presentness uint8

const (
	nobody   presentness = iota // none that is available
	negative                    // available ones, all with a negative priority
	some1                       // at least one that gets messages for the bare JID
)

// rule is a row: what becomes of a stanza at each state of the account.
type rule [3]verdict // nobody, negative, some1

// messages is RFC 6121 §8.5.2 and §8.5.3, as summed up in §8.5.4. Where the RFC leaves a choice between silence and an error for
// a message that a person wrote, it is the error: nothing that was accepted vanishes.
var messages = map[stanza.Type][3]rule{
	//                  bare                      full, matching          full, no match
	stanza.Normal:    {{keep, keep, all}, {match, match, match}, {refuse, refuse, refuse}},
	stanza.Chat:      {{keep, keep, all}, {match, match, match}, {keep, keep, all}},
	stanza.Groupchat: {{refuse, refuse, refuse}, {match, match, match}, {refuse, refuse, refuse}},
	stanza.Headline:  {{ignore, ignore, all}, {match, match, match}, {ignore, ignore, ignore}},
	stanza.TypeError: {{ignore, ignore, ignore}, {match, match, match}, {ignore, ignore, ignore}},
}

// presences is RFC 6121 §8.5.2.1.2 and §8.5.3.1 for what the presence room left: directed presence. Subscriptions and probes
// without a room that handles them are ignored.
var presences = map[stanza.Type][3]rule{
	stanza.Available:    {{ignore, avail, avail}, {match, match, match}, {ignore, ignore, ignore}},
	stanza.Unavailable:  {{ignore, avail, avail}, {match, match, match}, {ignore, ignore, ignore}},
	stanza.TypeError:    {{ignore, avail, avail}, {match, match, match}, {ignore, ignore, ignore}},
	stanza.Subscribe:    {{ignore, avail, avail}, {ignore, ignore, ignore}, {ignore, ignore, ignore}},
	stanza.Subscribed:   {{ignore, avail, avail}, {ignore, ignore, ignore}, {ignore, ignore, ignore}},
	stanza.Unsubscribe:  {{ignore, avail, avail}, {ignore, ignore, ignore}, {ignore, ignore, ignore}},
	stanza.Unsubscribed: {{ignore, avail, avail}, {ignore, ignore, ignore}, {ignore, ignore, ignore}},
}

// iqs is RFC 6121 §8.5.3: what is not for the server itself goes to the session of the full JID or is refused. An account that does
// not exist is answered alike (§8.5.1).
var iqs = map[stanza.Type][3]rule{
	stanza.Get:       {{refuse, refuse, refuse}, {match, match, match}, {refuse, refuse, refuse}},
	stanza.Set:       {{refuse, refuse, refuse}, {match, match, match}, {refuse, refuse, refuse}},
	stanza.Result:    {{ignore, ignore, ignore}, {match, match, match}, {ignore, ignore, ignore}},
	stanza.TypeError: {{ignore, ignore, ignore}, {match, match, match}, {ignore, ignore, ignore}},
}

// judge finds the verdict for an account's address, with the sessions and the matching one.
func (r *Router) judge(to jid.JID, s *stanza.Stanza) (v verdict, sessions []*feature.Session, one *feature.Session) {
	sessions = r.Sessions(to)
	state, at := nobody, bare
	if !to.IsBare() {
		at = absent
	}
	for _, o := range sessions {
		if at == absent && o.JID == to {
			at, one = full, o
		}
		if !o.Available() {
			continue
		}
		if o.Priority.Load() >= 0 {
			state = some1
		} else if state == nobody {
			state = negative
		}
	}
	switch s.Kind {
	case stanza.Message:
		typ := s.Type
		if typ == stanza.Groupchat && at == bare && r.Hosted(s.From) {
			typ = stanza.Chat // a room's message to a member who is not in it: he asked for it
		}
		v = messages[typ][at][state]
	case stanza.Presence:
		v = presences[s.Type][at][state]
	default:
		v = iqs[s.Type][at][state]
	}
	return v, sessions, one
}

// hand gives the stanza to the sessions that the verdict names and reports how many.
func hand(v verdict, sessions []*feature.Session, one *feature.Session, s *stanza.Stanza) (n int) {
	switch v {
	case match:
		one.Out.Push(s)
		return 1
	case all, avail:
		for _, o := range sessions {
			if o.Available() && (v == avail || o.Priority.Load() >= 0) {
				o.Out.Push(s)
				n++
			}
		}
	}
	return n
}
