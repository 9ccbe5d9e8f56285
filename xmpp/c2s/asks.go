package c2s

import (
	"time"

	"writ/xmpp/stream"
)

const askAck = "<r xmlns='" + stream.Managed + "'/>"

// How often a client is asked for an acknowledgement (XEP-0198 §4 leaves it to who sends): askBurst times at once, then once in askEvery; sooner
// when so many stanzas or bytes were written since it was asked. What is left is asked for by the sweep. To ask after every stanza would have
// every occupant of a busy room answer every message, which costs the server as much as sending it, and wakes phones.
const (
	askEvery   = time.Second
	askBurst   = 4
	askStanzas = 64
	askBytes   = 64 << 10
)

// asks is when a client may be asked.
type asks struct {
	spent   int64 // unix nanoseconds: what was asked is paid for by then
	stanzas int32 // written since
	bytes   int32
}

// wrote counts what is written.
func (a *asks) wrote(stanzas, bytes int) {
	a.stanzas += int32(stanzas)
	a.bytes += int32(bytes)
}

// may reports whether the client may be asked now. If so it counts as asked.
func (a *asks) may(now time.Time) bool {
	t := now.UnixNano()
	if a.stanzas < askStanzas && a.bytes < askBytes && a.spent > t+int64((askBurst-1)*askEvery) {
		return false
	}
	*a = asks{spent: min(max(a.spent, t)+int64(askEvery), t+int64(askBurst*askEvery))}
	return true
}

// remind asks a client that has not been asked for what was written last.
func (s *session) remind(c *conn) {
	s.mu.Lock()
	ask := s.conn == c && s.out.Managed() && s.out.Unacked() > 0 && !s.asked
	if ask {
		s.asked, s.asks = true, asks{spent: s.asks.spent}
	}
	s.mu.Unlock()
	if ask {
		c.tell([]byte(askAck))
		c.kick()
	}
}
