package administration

import (
	"context"
	"fmt"
	"strings"
	"time"

	"writ/chat/adhoc"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// The names of texts.
const (
	motd    = "motd"
	welcome = "welcome"
)

const (
	maxText = 10_000              // bytes
	motdFor = 30 * 24 * time.Hour // a message of the day ends by itself: the note that it was sent lasts as long
	newFor  = 7 * 24 * time.Hour  // an account is new
)

// text is what people are sent.
type text struct {
	body string
	at   time.Time
}

// id is the text as the bulletin knows it: an edited one is another.
func (t text) id(name string) string {
	return fmt.Sprintf("administration-%s-%d", name, store.Time(t.at))
}

// textCommands are XEP-0133 §4.23 to §4.28.
func (r *Room) textCommands() []adhoc.Command {
	ask := func(name, label string, filled bool) func(context.Context) ([]adhoc.Field, error) {
		return func(context.Context) ([]adhoc.Field, error) {
			f := adhoc.Field{Var: name, Type: "text-multi", Label: label, Required: true}
			if t, ok := r.text(name); ok && filled {
				f.Values = strings.Split(t.body, "\n")
			}
			return []adhoc.Field{f}, nil
		}
	}
	return []adhoc.Command{
		r.command("announce", "Send Announcement to Online Users", fields(adhoc.Field{Var: "announcement", Type: "text-multi", Label: "Announcement", Required: true}), r.announce),
		r.command("set-motd", "Set Message of the Day", ask(motd, "Message of the day", false), r.set(motd)),
		r.command("edit-motd", "Edit Message of the Day", ask(motd, "Message of the day", true), r.set(motd)),
		r.command("delete-motd", "Delete Message of the Day", nil, r.unset(motd)),
		r.command("set-welcome", "Set Welcome Message", ask(welcome, "Welcome message", true), r.set(welcome)),
		r.command("delete-welcome", "Delete Welcome Message", nil, r.unset(welcome)),
	}
}

// text is the text of a name that is in force.
func (r *Room) text(name string) (text, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t, ok := r.texts[name]
	return t, ok && !(name == motd && r.Clock.Now().Sub(t.at) >= motdFor)
}

// lines is what was written into the field of a form, as one text.
func lines(c *adhoc.Call, field string) (string, error) {
	body := strings.TrimSpace(strings.Join(c.Fields[field], "\n"))
	if body == "" || len(body) > maxText {
		return "", adhoc.BadPayload(fmt.Sprintf("a text is needed, of at most %d bytes", maxText))
	}
	return body, nil
}

// announce is XEP-0133 §4.23: to those who are there, now, and kept for nobody.
func (r *Room) announce(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	body, err := lines(c, "announcement")
	if err != nil {
		return adhoc.Stage{}, err
	}
	var b xml.Builder
	child := b.Leaf("", "body", body).Bytes()
	return adhoc.Stage{Then: func() {
		r.Router.Each(func(account jid.JID, _ []*feature.Session) bool {
			r.Router.Deliver(ctx, account, stanza.New(stanza.Message, stanza.Headline, r.Router.Domain(), account, "", child))
			return true
		})
	}}, nil
}

func (r *Room) set(name string) func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	return func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
		body, err := lines(c, name)
		if err != nil {
			return adhoc.Stage{}, err
		}
		t := text{body, r.Clock.Now()}
		err = r.DB.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO administration_text (name, body, at) VALUES ($1, $2, $3)
				ON CONFLICT (name) DO UPDATE SET body = excluded.body, at = excluded.at`, name, t.body, store.Time(t.at))
			return err
		})
		if err != nil {
			return adhoc.Stage{}, fmt.Errorf("administration: keeping a text: %w", err)
		}
		r.mu.Lock()
		r.texts[name] = t
		r.mu.Unlock()
		if name != motd {
			return adhoc.Stage{}, nil
		}
		return adhoc.Stage{Then: func() { go r.tellAll(context.WithoutCancel(ctx), t) }}, nil // XEP-0133 §4.24: at once to those who are there
	}
}

// unset deletes a text; that there is none is no error.
func (r *Room) unset(name string) func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	return func(ctx context.Context, _ *adhoc.Call) (adhoc.Stage, error) {
		err := r.DB.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM administration_text WHERE name = $1`, name)
			return err
		})
		if err != nil {
			return adhoc.Stage{}, fmt.Errorf("administration: deleting a text: %w", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.texts, name)
		return adhoc.Stage{}, nil
	}
}

func (r *Room) loadTexts(ctx context.Context) error {
	return store.Each(ctx, r.DB, "administration: reading texts", func(row store.Scanner) error {
		var name, body string
		var at int64
		err := row.Scan(&name, &body, &at)
		r.texts[name] = text{body, store.FromTime(at)}
		return err
	}, `SELECT name, body, at FROM administration_text`)
}

// after sends what waits for somebody who has become available. It runs beside the session: a message is kept before it is sent.
func (r *Room) after(ctx context.Context, e *feature.Envelope) {
	if e.Session == nil || !e.Initial {
		return
	}
	day, ok := r.text(motd)
	hello, both := r.text(welcome)
	if !ok && !both {
		return
	}
	who := e.Session.JID.Bare()
	ctx = context.WithoutCancel(ctx)
	go func() {
		if both {
			u, err := r.Register.Get(ctx, who)
			if err == nil && !u.Created.Before(hello.at) && r.Clock.Now().Sub(u.Created) < newFor {
				r.tell(ctx, welcome, hello, who)
			}
		}
		if ok {
			r.tell(ctx, motd, day, who)
		}
	}()
}

func (r *Room) tell(ctx context.Context, name string, t text, who jid.JID) {
	id := t.id(name)
	if name == welcome {
		id = "administration-welcome" // once for an account, whatever becomes of the text
	}
	if err := r.Voice.Send(ctx, id, who.String(), "", t.body); err != nil {
		r.log.Error("a text was not sent", "text", name, "err", err)
	}
}

func (r *Room) tellAll(ctx context.Context, t text) {
	r.Router.Each(func(account jid.JID, sessions []*feature.Session) bool {
		for _, s := range sessions {
			if s.Available() {
				r.tell(ctx, motd, t, account)
				break
			}
		}
		return true
	})
}
