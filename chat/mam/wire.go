package mam

import (
	"fmt"
	"strings"
	"time"

	"writ/chat/archive"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// query is what a client asks.
type query struct {
	archive.Query
	id    string // queryid, given back on each result
	flip  bool   // newest first within the page (XEP-0313 §4.3.4)
	count bool   // the number alone (XEP-0059 §2.7)
	empty bool   // nothing can match: the end is before the start
}

func (m *MAM) parse(r *feature.Request, owner jid.JID) (query, error) {
	p := r.Payload
	q := query{id: p.Attr("queryid"), flip: p.Child(Space, "flip-page") != nil}
	if p.Attr("node") != "" {
		return q, stanza.ItemNotFound("this archive has no nodes")
	}
	if x := p.Child(form, "x"); x != nil {
		if err := m.parseForm(owner, x, &q); err != nil {
			return q, err
		}
	}
	if set := p.Child(rsm, "set"); set != nil {
		if err := m.parseSet(owner, set, &q); err != nil {
			return q, err
		}
	}
	q.empty = !q.Start.IsZero() && !q.End.IsZero() && q.End.Before(q.Start)
	return q, nil
}

// parseForm reads the filters (XEP-0313 §4.1). A field that is not known is refused: a filter left out would give more than was asked.
func (m *MAM) parseForm(account jid.JID, x *xml.Element, q *query) error {
	if x.Attr("type") != "submit" {
		return stanza.BadRequest("the form is not of type submit")
	}
	for _, f := range x.All(form, "field") {
		name, value := f.Attr("var"), f.Child(form, "value").Text()
		var err error
		switch name {
		case "FORM_TYPE":
			if value != Space {
				err = stanza.BadRequest("the form's FORM_TYPE is not " + Space)
			}
		case "with":
			if q.With, err = jid.Parse(value); err != nil {
				err = stanza.JIDMalformed("the value of 'with' is no address")
			}
		case "start":
			q.Start, err = parseTime(name, value)
		case "end":
			q.End, err = parseTime(name, value)
		case "after-id":
			q.After, err = m.position(account, value, q, q.After, true)
		case "before-id":
			q.Before, err = m.position(account, value, q, q.Before, false)
		case "ids":
			err = m.parseIDs(account, f, q)
		case "include-groupchat": // nothing of that type is archived here (XEP-0313 §4.1.4)
		default:
			err = stanza.FeatureNotImplemented(fmt.Sprintf("the archive does not know the field %q", clip(name)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *MAM) parseIDs(account jid.JID, f *xml.Element, q *query) error {
	values := f.All(form, "value")
	if len(values) == 0 {
		return stanza.BadRequest("the field 'ids' has no value")
	}
	if len(values) > archive.MaxPage {
		return stanza.NotAcceptable(fmt.Sprintf("%d ids were asked for, at most %d are allowed", len(values), archive.MaxPage))
	}
	for _, v := range values {
		n, ok := m.archive.Position(account, v.Text())
		if !ok {
			return mapped(archive.ErrNotFound)
		}
		q.IDs = append(q.IDs, n)
	}
	return nil
}

// position reads an id, notes that it must exist, and gives the narrower of it and an earlier bound.
func (m *MAM) position(account jid.JID, id string, q *query, old int64, after bool) (int64, error) {
	n, ok := m.archive.Position(account, id)
	if !ok {
		return 0, mapped(archive.ErrNotFound)
	}
	q.Must = append(q.Must, n)
	switch {
	case old == 0:
		return n, nil
	case after:
		return max(old, n), nil
	}
	return min(old, n), nil
}

// parseSet reads what page is wanted (XEP-0059 §2).
func (m *MAM) parseSet(account jid.JID, set *xml.Element, q *query) error {
	if e := set.Child(rsm, "max"); e != nil {
		n, err := parseMax(e.Text())
		if err != nil {
			return err
		}
		q.Max, q.count = n, n == 0
	}
	if set.Child(rsm, "index") != nil {
		return stanza.FeatureNotImplemented("pages by index are not offered")
	}
	after, before := set.Child(rsm, "after"), set.Child(rsm, "before")
	if after != nil && before != nil {
		return stanza.BadRequest("a page is either after or before an id; for a range use after-id and before-id")
	}
	var err error
	if after != nil && after.Text() != "" {
		q.After, err = m.position(account, after.Text(), q, q.After, true)
	}
	if before != nil {
		q.Backwards = true
		if before.Text() != "" {
			q.Before, err = m.position(account, before.Text(), q, q.Before, false)
		}
	}
	return err
}

// parseMax reads the size of a page. A larger number than any page is no error: the page is then as large as pages are.
func parseMax(s string) (int, error) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, stanza.BadRequest("max is a number that is not negative")
	}
	s = strings.TrimLeft(s, "0")
	if len(s) > 3 {
		return archive.MaxPage, nil
	}
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return min(n, archive.MaxPage), nil
}

// parseTime reads a DateTime (XEP-0082 §2).
func parseTime(name, s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, stanza.BadRequest("the value of '" + name + "' is no time like 2020-07-06T12:00:00Z")
	}
	return t.UTC(), nil
}

// stamp writes a DateTime in microseconds: a client that asks from there on must not get the message again, nor miss the next.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// clip keeps an error text short. The name came from outside and is quoted by the caller.
func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}
