package feature

import (
	"sync/atomic"

	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// Session is a bound client session as the rooms see it. The fields marked atomic may be read from any goroutine;
// the others belong to the session's own goroutine. c2s makes it and gives it its Outlet.
type Session struct {
	JID    jid.JID // full JID; never changes after bind
	Device string  // what tells its device apart: the user-agent's id (XEP-0388 §2.3), or the resource that the client chose; empty: nothing does. Never changes

	Carbons   atomic.Bool                   // XEP-0280 enabled
	Inactive  atomic.Bool                   // XEP-0352 inactive
	Roster    atomic.Bool                   // has asked for the roster: gets roster pushes (RFC 6121 §2.1.6)
	Blocklist atomic.Bool                   // has asked for the block list: gets pushes (XEP-0191 §3.3)
	Presence  atomic.Pointer[stanza.Stanza] // last broadcast presence; nil = unavailable
	Priority  atomic.Int32                  // of that presence, -128 … 127
	Caps      atomic.Pointer[Caps]          // what entity capabilities say of this client (XEP-0115), once known
	Software  atomic.Pointer[string]        // what the client calls itself (the node of its XEP-0115), once told
	Since     atomic.Int64                  // when it last signed in, as store.Time: the key of its sign-in record; 0: none is kept

	Out Outlet
}

// Available reports whether the session has sent available presence.
func (s *Session) Available() bool { return s.Presence.Load() != nil }

// Caps is the part of a client's disco#info that rooms ask for.
type Caps struct {
	Ver    string
	Notify map[string]bool // PEP nodes with "+notify"
}

// Outlet is the way to the client. c2s implements it.
type Outlet interface {
	// Push queues a stanza for the client and never blocks. A full queue ends the connection; the session stays resumable.
	Push(s *stanza.Stanza)
	// Share is Push for a stanza that many get (stanza.Shared): it is written as one to the session's address. The write waits for the end of the
	// burst.
	Share(s *stanza.Stanza, b *Burst)
	// Hibernating reports a session whose connection is gone and that may yet be resumed.
	Hibernating() bool
	// Close ends the session with a stream error condition (RFC 6120 §4.9.3).
	Close(condition, text string)
}
