package mam

import (
	"context"
	"fmt"

	"writ/chat/archive"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// maxPrefs bounds each of the two lists.
const maxPrefs = 500

func (m *MAM) getPrefs(_ context.Context, r *feature.Request) (feature.Reply, error) {
	return feature.Reply{Payload: prefsXML(m.archive.Prefs(r.From))}, nil
}

// setPrefs stores the preferences and answers with what applies now (XEP-0441 §2.1).
func (m *MAM) setPrefs(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	p := archive.Prefs{Default: r.Payload.Attr("default")}
	switch p.Default {
	case archive.Always, archive.Never, archive.RosterOnly:
	default:
		return feature.Reply{}, stanza.BadRequest("the default is one of always, never and roster")
	}
	var err error
	if p.Always, err = addresses(r.Payload.Child(Space, "always")); err != nil {
		return feature.Reply{}, err
	}
	if p.Never, err = addresses(r.Payload.Child(Space, "never")); err != nil {
		return feature.Reply{}, err
	}
	if err := m.archive.SetPrefs(ctx, r.From, p); err != nil {
		return feature.Reply{}, err
	}
	return feature.Reply{Payload: prefsXML(p)}, nil
}

func addresses(list *xml.Element) (l []jid.JID, err error) {
	all := list.All(Space, "jid")
	if len(all) > maxPrefs {
		return nil, stanza.NotAcceptable(fmt.Sprintf("a list has %d addresses, at most %d are allowed", len(all), maxPrefs))
	}
	for _, e := range all {
		j, err := jid.Parse(e.Text())
		if err != nil {
			return nil, stanza.JIDMalformed("a list holds what is no address")
		}
		l = append(l, j)
	}
	return l, nil
}

func prefsXML(p archive.Prefs) []byte {
	var b xml.Builder
	b.Start(Space, "prefs", "default", p.Default)
	for _, list := range []struct {
		name string
		jids []jid.JID
	}{{"always", p.Always}, {"never", p.Never}} {
		b.Start("", list.name)
		for _, j := range list.jids {
			b.Leaf("", "jid", j.String())
		}
		b.End()
	}
	return b.Bytes()
}
