package muc

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Namespaces of XEP-0433.
const (
	nsSearch       = "urn:xmpp:channel-search:0:search"
	nsSearchParams = "urn:xmpp:channel-search:0:search-params"
	nsSearchError  = "urn:xmpp:channel-search:0:error"
	byAddress      = "{urn:xmpp:channel-search:0:order}address"
	byUsers        = "{urn:xmpp:channel-search:0:order}nusers"
	nonAnonymous   = "{urn:xmpp:channel-search:0:anonymity}none"
	serviceType    = "xep-0045"
)

// Limits of a search: how many rooms are looked through, how many are on a page, how many searches one person makes in a minute.
const (
	maxSearched   = 10_000
	pageOfResults = 50
	searches      = 60
	minTerm       = 3 // bytes: three letters of ours, or one of Chinese
)

// search answers a search through the rooms of the public list, and nothing else (XEP-0433 §4.2). It keeps no state.
func (m *MUC) search(ctx context.Context, e *feature.Envelope, p *xml.Element) ([]byte, error) {
	if len(p.Children) == 0 {
		return searchForm(), nil
	}
	if !m.pace.search(e.From.Bare(), m.Clock.Now(), searches) {
		var b xml.Builder
		b.Empty(nsSearchError, "rate-limit", "retry-after", "60")
		return nil, stanza.ResourceConstraint("too many searches in a minute").WithAppXML(b.Bytes())
	}
	q, err := readSearch(p.Child(nsForm, "x"))
	if err != nil {
		return nil, err
	}
	var found []result
	if q.rooms {
		if found, err = m.look(ctx, q); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b result) int {
		if q.key == byUsers && a.users != b.users {
			return cmp.Compare(b.users, a.users)
		}
		return strings.Compare(a.address.String(), b.address.String())
	})
	return resultPage(found, p.Child(nsRSM, "set"))
}

// query is a search as its form has it.
type query struct {
	terms                      []string
	name, description, address bool // where the terms are looked for
	users                      int
	key                        string
	rooms                      bool // the types asked for include ours
}

// readSearch reads the submitted form. What is left out has the value of the form that this service gives (XEP-0433 §5).
func readSearch(x *xml.Element) (query, error) {
	q := query{name: true, description: true, address: true, key: byUsers, rooms: true}
	if x == nil {
		return q, stanza.BadRequest("a search is a data form")
	}
	sent, err := readForm(x, nsSearchParams)
	if err != nil {
		return q, err
	}
	all := false
	for name, to := range map[string]*bool{"all": &all, "sinname": &q.name, "sindescription": &q.description, "sinaddr": &q.address, "sinaddress": &q.address} {
		if v, ok := sent[name]; ok {
			if *to, ok = readBit(v); !ok {
				return q, stanza.BadRequest("the value of " + name + " cannot be")
			}
		}
	}
	if v, ok := sent["min_users"]; ok {
		if q.users, ok = count(one(v)); !ok {
			return q, stanza.BadRequest("the value of min_users is no number")
		}
	}
	if v, ok := sent["key"]; ok {
		q.key = one(v)
	}
	if v, ok := sent["types"]; ok {
		q.rooms = slices.Contains(v, serviceType)
	}
	_, asks := sent["q"]
	text := strings.TrimSpace(one(sent["q"]))
	switch {
	case q.key != byUsers && q.key != byAddress: // XEP-0433 §4.2.2.2
		return q, stanza.FeatureNotImplemented("rooms are sorted by address or by users").WithApp(nsSearchError, "invalid-sort-key").WithType("modify")
	case all && text != "": // XEP-0433 §4.2.2.6
		return q, conflicting("all rooms, or those that have the words: not both", "all", "q")
	case !all && !asks: // XEP-0433 §4.2.2.7
		return q, stanza.BadRequest("words to look for are missing").WithApp(nsSearchError, "no-search-conditions").WithType("cancel")
	case all:
		return q, nil
	case !q.name && !q.description && !q.address:
		return q, conflicting("words are looked for in name, description or address", "q", "sinname", "sindescription", "sinaddr")
	}
	for _, t := range strings.Fields(strings.ToLower(text)) {
		if len(t) >= minTerm {
			q.terms = append(q.terms, t)
		}
	}
	if len(q.terms) == 0 { // XEP-0433 §4.2.2.3
		return q, stanza.BadRequest("words must have at least three letters").WithApp(nsSearchError, "invalid-search-terms").WithType("modify")
	}
	return q, nil
}

func conflicting(text string, fields ...string) error {
	var b xml.Builder
	b.Start(nsSearchError, "conflicting-fields")
	for _, f := range fields {
		b.Leaf("", "var", f)
	}
	return stanza.BadRequest(text).WithAppXML(b.Bytes()).WithType("modify")
}

// result is a room that was found.
type result struct {
	address jid.JID
	options Options
	users   int
}

// look finds the rooms of the public list that a query means.
func (m *MUC) look(ctx context.Context, q query) ([]result, error) {
	listed, err := store.List(ctx, m.DB, "muc: searching rooms", func(row store.Scanner) (f result, err error) {
		var name, options string
		if err = row.Scan(&name, &options); err != nil {
			return f, err
		}
		f.address = m.room(name)
		f.options, err = readOptions(options)
		return f, err
	}, `SELECT room, options FROM muc_room WHERE listed ORDER BY room LIMIT $1`, maxSearched)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	for i := range listed {
		if r := m.rooms[listed[i].address.Local()]; r != nil {
			listed[i].users = int(r.crowd.Load())
		}
	}
	m.mu.Unlock()
	return slices.DeleteFunc(listed, func(f result) bool { return f.users < q.users || !q.fits(f) }), nil
}

// fits reports whether each of the terms is in one of the places where it is looked for.
func (q query) fits(f result) bool {
	var in []string
	for _, place := range []struct {
		wanted bool
		text   string
	}{{q.name, f.options.Name}, {q.description, f.options.Description}, {q.address, f.address.String()}} {
		if place.wanted {
			in = append(in, strings.ToLower(place.text))
		}
	}
	for _, t := range q.terms {
		if !slices.ContainsFunc(in, func(text string) bool { return strings.Contains(text, t) }) {
			return false
		}
	}
	return true
}

// resultPage is a page of what was found (XEP-0433 §4.2.2.1, XEP-0059 §2): the address is the id of an item.
func resultPage(found []result, set *xml.Element) ([]byte, error) {
	n := pageOfResults
	if k, ok := count(set.Child(nsRSM, "max").Text()); ok {
		n = min(n, k)
	}
	from, to := 0, len(found)
	at := func(id string) (int, error) {
		i := slices.IndexFunc(found, func(f result) bool { return f.address.String() == id })
		if i < 0 {
			return 0, stanza.ItemNotFound("the page begins at a room that is not among the results")
		}
		return i, nil
	}
	after, before := set.Child(nsRSM, "after"), set.Child(nsRSM, "before")
	var err error
	if id := after.Text(); id != "" {
		if from, err = at(id); err != nil {
			return nil, err
		}
		from++
	}
	if id := before.Text(); id != "" {
		if to, err = at(id); err != nil {
			return nil, err
		}
	}
	if before != nil {
		from = max(from, to-n)
	} else {
		to = min(to, from+n)
	}
	var b xml.Builder
	b.Start(nsSearch, "result")
	for _, f := range found[from:max(from, to)] {
		f.write(&b)
	}
	b.Start(nsRSM, "set")
	if from < to {
		b.Leaf("", "first", found[from].address.String(), "index", strconv.Itoa(from)).Leaf("", "last", found[to-1].address.String())
	}
	b.Leaf("", "count", strconv.Itoa(len(found)))
	return b.Bytes(), nil
}

// write is the result as an item (XEP-0433 §6.2).
func (f result) write(b *xml.Builder) {
	o := f.options
	name := o.Name
	if name == "" {
		name = f.address.Local()
	}
	b.Start("", "item", "address", f.address.String()).Leaf("", "name", name)
	if o.Description != "" {
		b.Leaf("", "description", o.Description)
	}
	if o.Lang != "" {
		b.Leaf("", "language", o.Lang)
	}
	b.Leaf("", "nusers", strconv.Itoa(f.users)).Leaf("", "service-type", serviceType)
	b.Leaf("", "is-open", strconv.FormatBool(!o.MembersOnly && o.Password == ""))
	mode := nonAnonymous
	if o.Anonymous {
		mode = "muc_semianonymous"
	}
	b.Leaf("", "anonymity-mode", mode).End()
}

// searchForm is the form with what a field has that is left out (XEP-0433 §4.2.1).
func searchForm() []byte {
	var b xml.Builder
	b.Start(nsSearch, "search")
	startForm(&b, "form", "", nsSearchParams)
	addField(&b, "q", "text-single", "Search for", nil)
	addField(&b, "all", "boolean", "Return all rooms (without words)", nil)
	addField(&b, "sinname", "boolean", "Search in name", nil, "true")
	addField(&b, "sindescription", "boolean", "Search in description", nil, "true")
	addField(&b, "sinaddr", "boolean", "Search in address", nil, "true")
	addField(&b, "min_users", "text-single", "Minimum number of users", nil, "0")
	addField(&b, "types", "list-multi", "Service types", [][2]string{{"Rooms (XEP-0045)", serviceType}}, serviceType)
	addField(&b, "key", "list-single", "Sort results by", [][2]string{{"Number of online users", byUsers}, {"Address", byAddress}}, byUsers)
	return b.Bytes()
}
