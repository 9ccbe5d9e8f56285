package s2s

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// returnFor is how long a message that could not be delivered waits for its sender.
const returnFor = 7 * 24 * time.Hour

// lasts reports a message that waits for a server which cannot be reached: one to a person, that is not of the moment and may be kept.
func (s *Server) lasts(e *feature.Envelope) bool {
	st := e.Stanza
	return st.Kind == stanza.Message && (st.Type == stanza.Normal || st.Type == stanza.Chat) && !e.Mute &&
		!s.ours(e.To.Domain()) && !st.Has("urn:xmpp:hints", "no-store") // XEP-0334 §4.2
}

// screen refuses a message before anything is written about it: to a server that is not talked to, or for which too much waits.
func (s *Server) screen(_ context.Context, e *feature.Envelope) error {
	if e.To.IsZero() || e.Session == nil || s.ours(e.To.Domain()) {
		return nil
	}
	if err := s.allowed(e.Stanza.WithHead(e.From, e.To, "", e.Stanza.Type)); err != nil {
		return err
	}
	if e.Stanza.Kind != stanza.Message {
		return nil
	}
	if p := s.known(pair{e.From.Domain(), e.To.Domain()}); p != nil && p.full() || s.waiting.Load() >= int64(s.c.MaxWaiting) {
		return full()
	}
	return nil
}

func (s *Server) wants(e *feature.Envelope) bool { return s.lasts(e) }

// persist writes a message down, so that it survives a restart until the other server has it.
func (s *Server) persist(ctx context.Context, tx *store.Tx, e *feature.Envelope) error {
	st := e.Stanza
	err := tx.QueryRow(ctx, `INSERT INTO s2s_message (account, peer, at, until, size, kind, fault, stanza) VALUES ($1, $2, $3, $4, $5, $6, '', $7) RETURNING id`,
		e.From.Bare().String(), e.To.Bare().String(), store.Time(e.Time), store.Time(e.Time.Add(s.c.Keep.Std()+returnFor)), int64(st.Size()), e.Kind,
		st.AppendTo(nil, xml.Client)).Scan(&e.Queued)
	if err != nil {
		return fmt.Errorf("s2s: writing down a message: %w", err)
	}
	return nil
}

// drop deletes rows: the other server has the messages, or their sender has them back.
func (s *Server) drop(rows ...int64) {
	if len(rows) == 0 || len(rows) == 1 && rows[0] == 0 {
		return
	}
	s.p.DB.Enqueue(func(tx *store.Tx) error {
		for _, id := range rows {
			if _, err := tx.Exec(s.life(), `DELETE FROM s2s_message WHERE id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	}, s.logged("deleting what was delivered"))
}

// leaveFor makes a row wait for its sender, who is not here, with what became of the message.
func (s *Server) leaveFor(row int64, fault *stanza.Error) {
	s.p.DB.Enqueue(func(tx *store.Tx) error {
		_, err := tx.Exec(s.life(), `UPDATE s2s_message SET fault = $2 WHERE id = $1`, row, string(fault.Condition))
		return err
	}, s.logged("noting what was returned"))
}

// life is the context of what must be done also while the room closes.
func (s *Server) life() context.Context { return context.WithoutCancel(s.ctx) }

func (s *Server) logged(doing string) func(error) {
	return func(err error) {
		if err != nil {
			s.log.Error("a write failed", "doing", doing, "err", err)
		}
	}
}

type row struct {
	id, at int64
	fault  string
	stanza []byte
}

// rows reads what waits.
func rows(ctx context.Context, q store.Reader, where string, args ...any) (out []row, err error) {
	r, err := q.Query(ctx, `SELECT id, at, fault, stanza FROM s2s_message WHERE `+where+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("s2s: reading what waits: %w", err)
	}
	defer r.Close()
	for r.Next() {
		var x row
		if err := r.Scan(&x.id, &x.at, &x.fault, &x.stanza); err != nil {
			return nil, fmt.Errorf("s2s: reading what waits: %w", err)
		}
		out = append(out, x)
	}
	return out, r.Err()
}

// load takes up what waited when the last process ended, in the order in which it was written down.
func (s *Server) load(ctx context.Context) error {
	list, err := rows(ctx, s.p.DB, `fault = ''`)
	if err != nil {
		return err
	}
	for _, x := range list {
		st, err := stanza.Decode(x.stanza)
		if err != nil {
			s.log.Error("a message that waits cannot be read", "err", err)
			s.drop(x.id)
			continue
		}
		i := item{s: st, row: x.id, at: store.FromTime(x.at)}
		if err := s.allowed(st); err != nil { // the configuration has changed
			s.giveBack(i, refused())
			continue
		}
		p, err := s.peer(pair{st.From.Domain(), st.To.Domain()})
		if err == nil {
			err = p.add(i)
		}
		if err != nil {
			return fmt.Errorf("s2s: taking up what waits: %w", err)
		}
	}
	return nil
}

// after gives people who have come back what could not be delivered while they were away.
func (s *Server) after(ctx context.Context, e *feature.Envelope) {
	if !e.Initial || e.Session == nil {
		return
	}
	account := e.Session.JID.Bare()
	var one int
	err := s.p.DB.QueryRow(ctx, `SELECT 1 FROM s2s_message WHERE account = $1 AND fault <> '' LIMIT 1`, account.String()).Scan(&one)
	if errors.Is(err, store.ErrNoRows) {
		return
	}
	var list []row
	err = s.p.DB.Write(ctx, func(tx *store.Tx) (err error) { // each row goes to one session
		if list, err = rows(ctx, tx, `account = $1 AND fault <> ''`, account.String()); err != nil || len(list) == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM s2s_message WHERE account = $1 AND fault <> ''`, account.String())
		return err
	})
	if err != nil {
		s.log.Error("reading what was returned", "err", err)
		return
	}
	for _, x := range list {
		st, err := stanza.Decode(x.stanza)
		if err != nil {
			s.log.Error("a returned message cannot be read", "err", err)
			continue
		}
		if reply := stanza.ErrorReply(st, stanza.NewError(stanza.Condition(x.fault), "the server could not be reached")); reply != nil {
			e.Session.Out.Push(reply.WithTo(e.Session.JID))
		}
	}
}

// Waiting is what waits on disk for one domain, also for a server that is down.
type Waiting struct {
	Domain   string
	Messages int
	Oldest   time.Time
}

// Waiting lists what waits on disk, by domain. A command beside a running server may ask.
func (s *Server) Waiting(ctx context.Context) ([]Waiting, error) {
	r, err := s.p.DB.Query(ctx, `SELECT peer, at FROM s2s_message WHERE fault = '' ORDER BY at`)
	if err != nil {
		return nil, fmt.Errorf("s2s: reading what waits: %w", err)
	}
	defer r.Close()
	at := map[string]int{}
	var out []Waiting
	for r.Next() {
		var peer string
		var t int64
		if err := r.Scan(&peer, &t); err != nil {
			return nil, fmt.Errorf("s2s: reading what waits: %w", err)
		}
		domain := peer[strings.IndexByte(peer, '@')+1:]
		i, ok := at[domain]
		if !ok {
			i = len(out)
			at[domain] = i
			out = append(out, Waiting{Domain: domain, Oldest: store.FromTime(t)})
		}
		out[i].Messages++
	}
	return out, r.Err()
}

// waitingLog is what the queue says of a message.
func waitingLog() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "messages-to-other-servers",
			Category: schedule.MessageLog,
			Tables:   []string{"s2s_message"},
			Fields: []schedule.Field{
				{Name: "time", Meaning: "When the server took the message."},
				{Name: "to", Meaning: "The account on another server that it is for."},
				{Name: "size", Meaning: "The bytes of its content, encrypted or not."},
				{Name: "kind", Meaning: "What it is for, as in the message log."},
			},
			Time: "time",
			Purpose: "A message waits until the other server has it: most often for a second, at most as long as federation.keep says (1 hour unless the operator has changed it); " +
				"one that could not be delivered waits up to 7 days more for its sender.",
			Retention: schedule.Expiry,
			Process:   schedule.CourtOrder,
		},
		Export: records.ExportRows(`SELECT at, peer, size, kind FROM s2s_message WHERE account = $1 AND at >= $2 AND at < $3 ORDER BY id`,
			records.Time, records.Text, records.Number, records.Text),
		Erase: records.EraseRows(schedule.MessageLog, "s2s_message", "account"),
		Sweep: records.SweepRows(schedule.MessageLog, "s2s_message", "until", "account"),
	}
}

// waitingStanzas is what stands in the same rows and is never produced.
func waitingStanzas() records.Datum {
	return records.Datum{Datum: schedule.Datum{
		Name:      "stanzas-to-other-servers",
		Category:  schedule.Ciphertext,
		Fields:    []schedule.Field{{Name: "stanza", Meaning: "The message that waits: ciphertext, and what the app added to it in clear."}},
		Purpose:   "A message waits until the other server has it, as long as its row does.",
		Retention: schedule.Expiry,
		Process:   schedule.Never,
		Never:     "The server cannot read it. It is given to the other server alone.",
	}}
}
