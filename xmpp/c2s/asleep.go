package c2s

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// tokenKey is what is kept of the token by which a session is resumed.
type tokenKey [sha256.Size]byte

func keyOf(token string) tokenKey { return sha256.Sum256([]byte(token)) }

// forgetAfter is how long the rows of a session are kept behind its end, for a server that is not started.
const forgetAfter = 24 * time.Hour

// saved is a session as it stands in its row.
type saved struct {
	JID       string            `json:"jid"`
	Handled   uint32            `json:"h"`     // what the server has handled of the client's stanzas
	Acked     uint32            `json:"acked"` // what the client has acknowledged
	Sent      int               `json:"sent"`  // how many of what waits were written
	Keep      time.Duration     `json:"keep"`
	Until     int64             `json:"until"` // store.Time
	Device    string            `json:"device,omitempty"`
	Carbons   bool              `json:"carbons,omitempty"`
	Roster    bool              `json:"roster,omitempty"`
	Blocklist bool              `json:"blocklist,omitempty"`
	Priority  int32             `json:"priority,omitempty"`
	Presence  []byte            `json:"presence,omitempty"`
	Caps      *feature.Caps     `json:"caps,omitempty"`
	Software  *string           `json:"software,omitempty"`
	Since     int64             `json:"since,omitempty"`
	Notes     map[string][]byte `json:"notes,omitempty"`
}

// laid is a session that is taken out of the house to be written down.
type laid struct {
	key   tokenKey
	jid   jid.JID
	state saved
	queue []stream.Queued
}

// lay takes a sleeping session out of the house for the next process. ok is false for one that is over or awake.
func (s *session) lay() (l laid, ok bool) {
	s.own.Lock()
	defer s.own.Unlock()
	s.way.Drain()
	s.mu.Lock()
	ready := s.conn == nil && !s.ended && s.keep > 0
	s.mu.Unlock()
	if !ready {
		return l, false
	}
	notes := s.srv.p.Router.Lay(&s.Session) // first: what is delivered from here on waits for the account
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.unhold()
	l = laid{key: s.token, jid: s.JID, state: saved{
		JID: s.JID.String(), Handled: s.done, Acked: s.out.Acked(), Sent: s.out.Unacked(), Keep: s.keep, Until: store.Time(s.until), Device: s.Device,
		Carbons: s.Carbons.Load(), Roster: s.Roster.Load(), Blocklist: s.Blocklist.Load(), Priority: s.Priority.Load(),
		Caps: s.Caps.Load(), Software: s.Software.Load(), Since: s.Since.Load(), Notes: notes,
	}}
	if p := s.Presence.Load(); p != nil {
		l.state.Presence = p.AppendTo(nil, xml.Client)
	}
	l.queue = s.out.Drain(s.JID)
	return l, true
}

// layPiece is how many sessions are written in one transaction.
const layPiece = 200

// layAll writes down the sessions that may be resumed. What cannot be written finds another way, as when a session ends.
func (s *Server) layAll(ctx context.Context) error {
	s.mu.Lock()
	list := make([]*session, 0, len(s.tokens))
	for _, x := range s.tokens {
		list = append(list, x)
	}
	clear(s.tokens)
	s.mu.Unlock()
	var errs []error
	for len(list) > 0 {
		n := min(layPiece, len(list))
		var piece []laid
		for _, x := range list[:n] {
			if l, ok := x.lay(); ok {
				piece = append(piece, l)
			}
		}
		list = list[n:]
		if err := s.write(ctx, piece); err != nil {
			errs = append(errs, err)
			for _, l := range piece {
				s.again(l.jid, l.queue)
			}
		}
	}
	return errors.Join(errs...)
}

// again gives what a session leaves another way.
func (s *Server) again(to jid.JID, left []stream.Queued) {
	for _, q := range left {
		s.p.Router.Again(q.Stanza, to, time.Unix(0, q.At).UTC())
	}
}

func (s *Server) write(ctx context.Context, piece []laid) error {
	if len(piece) == 0 {
		return nil
	}
	if s.p.DB == nil {
		return errors.New("c2s: no store to keep sessions in")
	}
	err := s.p.DB.Write(ctx, func(tx *store.Tx) error {
		for _, l := range piece {
			if err := l.insert(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("c2s: keeping sessions: %w", err)
	}
	return nil
}

func (l laid) insert(ctx context.Context, tx *store.Tx) error {
	state, err := json.Marshal(l.state)
	if err != nil {
		return err
	}
	account := l.jid.Bare().String()
	forgot := l.state.Until + forgetAfter.Microseconds()
	if _, err := tx.Exec(ctx, `INSERT INTO c2s_session (token, account, state, forgot) VALUES ($1, $2, $3, $4)`,
		l.key[:], account, string(state), forgot); err != nil {
		return err
	}
	for i, q := range l.queue {
		if _, err := tx.Exec(ctx, `INSERT INTO c2s_waiting (token, place, account, sender, at, stanza, forgot) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			l.key[:], i, account, q.Stanza.From.Bare().String(), q.At/1000, q.Stanza.AppendTo(nil, xml.Client), forgot); err != nil {
			return err
		}
	}
	return nil
}

// Start takes up the sessions that the last process has laid (XEP-0198 §5). Call it before anything listens, when the rooms work. Those whose
// time is over end now, and those whose account may not be signed in any more.
func (s *Server) Start(ctx context.Context) error {
	if s.p.DB == nil {
		return nil
	}
	var list []laid
	err := s.p.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if list, err = s.taken(ctx, tx); err != nil {
			return err
		}
		for _, table := range []string{"c2s_waiting", "c2s_session"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("c2s: taking sessions up: %w", err)
	}
	for _, l := range list {
		s.rise(ctx, l)
	}
	if len(list) > 0 {
		s.log.Info("sessions were taken up", "count", len(list))
	}
	s.takeEnded()
	s.bar()
	s.expire(s.p.Clock.Now())
	return nil
}

// taken reads the rows. One that cannot be read is passed over: it costs a session, not the start.
func (s *Server) taken(ctx context.Context, r store.Reader) (list []laid, err error) {
	at := map[tokenKey]int{}
	err = store.Each(ctx, r, "reading sessions", func(row store.Scanner) error {
		var key []byte
		var state string
		if err := row.Scan(&key, &state); err != nil {
			return err
		}
		l := laid{key: tokenKey(key)}
		err := json.Unmarshal([]byte(state), &l.state)
		if err == nil {
			l.jid, err = jid.Parse(l.state.JID)
		}
		if err != nil {
			s.log.Error("a session that was kept cannot be read", "err", err)
			return nil
		}
		at[l.key] = len(list)
		list = append(list, l)
		return nil
	}, `SELECT token, state FROM c2s_session ORDER BY forgot, token`)
	if err != nil {
		return nil, err
	}
	return list, store.Each(ctx, r, "reading what waits for sessions", func(row store.Scanner) error {
		var key, b []byte
		var when int64
		if err := row.Scan(&key, &when, &b); err != nil {
			return err
		}
		st, err := stanza.Decode(b)
		if err != nil {
			s.log.Error("a stanza that was kept cannot be read", "err", err)
			return nil
		}
		if i, ok := at[tokenKey(key)]; ok {
			list[i].queue = append(list[i].queue, stream.Queued{Stanza: st, At: when * 1000})
		}
		return nil
	}, `SELECT token, at, stanza FROM c2s_waiting ORDER BY token, place`)
}

// rise makes the session again, asleep.
func (s *Server) rise(ctx context.Context, l laid) {
	x := &session{srv: s, token: l.key, keep: l.state.Keep, until: store.FromTime(l.state.Until), in: l.state.Handled, done: l.state.Handled}
	x.Device = l.state.Device
	x.JID, x.Out, x.way.Session = l.jid, x, &x.Session
	x.Carbons.Store(l.state.Carbons)
	x.Roster.Store(l.state.Roster)
	x.Blocklist.Store(l.state.Blocklist)
	x.Priority.Store(l.state.Priority)
	x.Caps.Store(l.state.Caps)
	x.Software.Store(l.state.Software)
	x.Since.Store(l.state.Since)
	if st, err := stanza.Decode(l.state.Presence); err == nil {
		x.Presence.Store(st)
	}
	x.out.Restore(l.state.Acked, l.state.Sent, l.queue)
	if l.jid.Domain() != s.p.Router.Domain() {
		return // the server serves another domain now
	}
	if e := s.p.Router.Rise(ctx, &x.Session, l.state.Notes); e != nil {
		s.again(l.jid, l.queue)
		return
	}
	s.remember(x)
}

// late marks messages that come again, or that came while nobody was there, with the time at which they were to be delivered (XEP-0203 §2): an
// app that returns after hours must not show them as new.
func (s *Server) late(q stream.Queued) *stanza.Stanza {
	const space = "urn:xmpp:delay"
	st := q.Stanza
	if st.Kind != stanza.Message || st.Type == stanza.TypeError {
		return st
	}
	from := s.p.Router.Domain().String()
	if el := st.Find(space, "delay"); el != nil && el.Attr("from") == from {
		return st
	}
	var b xml.Builder
	return st.With(b.Empty(space, "delay", "from", from, "stamp", time.Unix(0, q.At).UTC().Format("2006-01-02T15:04:05.000Z")).Bytes())
}

// over is a session that ended while its client was away: a late <resume/> is told how much the server had handled (XEP-0198 §5).
type over struct {
	account jid.JID
	handled uint32
}

// maxOver is how many ends are remembered.
const maxOver = 10_000

// overs remembers ended sessions, the oldest first out. It belongs to Server.mu.
type overs struct {
	of    map[tokenKey]over
	order []tokenKey
	next  int
}

func (e *overs) add(k tokenKey, o over) {
	if e.of == nil {
		e.of = map[tokenKey]over{}
	}
	if len(e.order) < maxOver {
		e.order = append(e.order, k)
	} else {
		delete(e.of, e.order[e.next])
		e.order[e.next] = k
		e.next = (e.next + 1) % maxOver
	}
	e.of[k] = o
}
