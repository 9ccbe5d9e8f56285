package stream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// RFC 6120 §4.7 and RFC 7395 §3.4: what is written is read by our own tokenizer as what it should be.
func TestRFC6120_4_7_Header(t *testing.T) {
	t.Parallel()
	for _, framed := range []bool{false, true} {
		d := xml.NewStream(xml.BeforeLogin())
		if framed {
			d = xml.NewFramed(xml.BeforeLogin())
		}
		o := Opening{From: "example.org", To: "a&b@example.org", ID: "'<", Lang: "de", Framed: framed}
		d.Feed(o.AppendTo(nil))
		ev, err := d.Next()
		if err != nil || ev.Kind != xml.Open {
			t.Fatalf("framed %v: %v %v", framed, ev, err)
		}
		h := &ev.Open
		if h.Attr("from") != "example.org" || h.Attr("to") != "a&b@example.org" || h.Attr("id") != "'<" || h.Attr("version") != "1.0" || h.Attr("xml:lang") != "de" {
			t.Errorf("framed %v: %+v", framed, h)
		}
	}
}

// RFC 6120 §4.9.2: the form of a stream error.
func TestRFC6120_4_9_2_Error(t *testing.T) {
	t.Parallel()
	e := Fail("policy-violation", "a < b")
	e.App = []byte("<stanza-too-big xmlns='urn:xmpp:errors'/>")
	got := string(e.AppendTo(nil, false))
	want := "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a &lt; b</text><stanza-too-big xmlns='urn:xmpp:errors'/></stream:error>"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(Fail("made-up", "").AppendTo(nil, true)); !strings.Contains(got, "undefined-condition") || !strings.Contains(got, "xmlns:stream") {
		t.Errorf("got %s", got)
	}
}

var client = jid.MustParse("b@x.example/phone")

func message(id string) *stanza.Stanza {
	return stanza.New(stanza.Message, stanza.Chat, jid.MustParse("a@x.example/r"), client, id, []byte("<body>x</body>"))
}

// XEP-0198 §4: the queue against a plain model, over the wrap of the counters.
func TestXEP0198_4_Queue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := &Outgoing{acked: rapid.SampledFrom([]uint32{0, 1<<32 - 3}).Draw(t, "start")}
		o.Manage()
		var queue []string // the model: everything not acknowledged
		sent := 0
		next := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				id := fmt.Sprint(next)
				next++
				o.Add(message(id), time.Now())
				queue = append(queue, id)
			case 5:
				id := fmt.Sprint(next)
				next++
				o.Share(message(id).WithTo(jid.JID{}).Shared(), time.Now())
				queue = append(queue, id)
			case 2:
				q, ok := o.Next()
				if ok == (sent == len(queue)) {
					t.Fatalf("Next gave %v with %d of %d sent", q, sent, len(queue))
				}
				if ok {
					if s := q.For(client); s.ID != queue[sent] || s.To != client {
						t.Fatalf("sent %s to %s, want %s", s.ID, s.To, queue[sent])
					}
					sent++
				}
			case 3:
				n := rapid.IntRange(0, sent+1).Draw(t, "acked")
				e := o.Ack(o.Acked() + uint32(n))
				if (e != nil) != (n > sent) {
					t.Fatalf("acknowledging %d of %d: %v", n, sent, e)
				}
				if e == nil {
					queue, sent = queue[n:], sent-n
				}
			case 4:
				o.Rewind()
				sent = 0
			}
			if o.Len() != len(queue) || o.Waiting() != len(queue)-sent || o.Unacked() != sent || (o.Len() == 0) != (o.Size() == 0) {
				t.Fatalf("holds %d, %d waiting, %d bytes; want %d, %d", o.Len(), o.Waiting(), o.Size(), len(queue), len(queue)-sent)
			}
		}
		for i, s := range o.Held(client) {
			if s.ID != queue[i] || s.To != client {
				t.Fatalf("holds %s to %s at %d, want %s", s.ID, s.To, i, queue[i])
			}
		}
		left := o.Drain(client)
		if len(left) != len(queue) || o.Len() != 0 {
			t.Fatalf("left %d, want %d", len(left), len(queue))
		}
		for i, s := range left {
			if s.Stanza.ID != queue[i] || s.Stanza.To != client || s.Shared {
				t.Fatalf("left %s at %d, want %s", s.Stanza.ID, i, queue[i])
			}
		}
	})
}

// XEP-0198 §4: a count of what was never sent names both numbers.
func TestXEP0198_4_CountTooHigh(t *testing.T) {
	t.Parallel()
	var o Outgoing
	o.Manage()
	o.Add(message("1"), time.Now())
	o.Next()
	e := o.Ack(2)
	if e == nil || string(e.App) != "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='2' send-count='1'/>" {
		t.Errorf("got %+v", e)
	}
	if e := o.Ack(1); e != nil || o.queue != nil {
		t.Errorf("an empty queue holds memory, %v", e)
	}
}

// XEP-0352 §3: what can wait, and what replaces what.
func TestXEP0352_3_Held(t *testing.T) {
	t.Parallel()
	from := jid.MustParse("a@x.example/r")
	pres := func(from jid.JID, typ stanza.Type, children ...string) *stanza.Stanza {
		var c [][]byte
		for _, x := range children {
			c = append(c, []byte(x))
		}
		return stanza.New(stanza.Presence, typ, from, jid.JID{}, "", c...)
	}
	state := func(name string, more ...[]byte) *stanza.Stanza {
		c := append([][]byte{[]byte("<" + name + " xmlns='http://jabber.org/protocol/chatstates'/>")}, more...)
		return stanza.New(stanza.Message, stanza.Chat, from, jid.JID{}, "", c...)
	}
	for _, c := range []struct {
		name string
		s    *stanza.Stanza
		want bool
	}{
		{"presence", pres(from, stanza.Available), true},
		{"unavailable", pres(from, stanza.Unavailable), true},
		{"subscription", pres(from, stanza.Subscribe), false},
		{"of a room", pres(from, stanza.Available, "<x xmlns='http://jabber.org/protocol/muc#user'/>"), false},
		{"chat state", state("composing"), true},
		{"chat state with hint", state("composing", []byte("<no-store xmlns='urn:xmpp:hints'/>")), true},
		{"chat state with text", state("active", []byte("<body>x</body>")), false},
		{"message", message("1"), false},
		{"empty message", stanza.New(stanza.Message, stanza.Chat, from, jid.JID{}, ""), false},
	} {
		var h Held
		if got := h.Hold(c.s); got != c.want {
			t.Errorf("%s: held %v", c.name, got)
		}
	}
	var h Held
	other := jid.MustParse("b@x.example/r")
	h.Hold(pres(from, stanza.Available))
	h.Hold(pres(other, stanza.Available))
	h.Hold(pres(from, stanza.Unavailable))
	h.Hold(state("composing"))
	h.Hold(state("paused"))
	l := h.Take()
	if len(l) != 3 || l[0].From != other || l[1].Type != stanza.Unavailable || !l[2].Has("http://jabber.org/protocol/chatstates", "paused") || h.Len() != 0 {
		t.Errorf("held %v", l)
	}
	for i := range maxHeld + 1 {
		f := jid.MustParse(fmt.Sprintf("p%d@x.example", i))
		if got := h.Hold(pres(f, stanza.Available)); got != (i < maxHeld) {
			t.Fatalf("the %dth: held %v", i, got)
		}
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	now := time.Date(2020, 7, 1, 0, 0, 0, 0, time.UTC)
	b := Bucket{Rate: 100, Burst: 200}
	for _, c := range []struct {
		after time.Duration
		n     int
		want  time.Duration
	}{
		{0, 200, 0},
		{0, 100, time.Second},
		{time.Second, 0, 0},
		{time.Hour, 200, 0},
		{0, 50, 500 * time.Millisecond},
	} {
		now = now.Add(c.after)
		if got := b.Spend(c.n, now); got.Round(time.Millisecond) != c.want {
			t.Errorf("after %v, %d: pause %v, want %v", c.after, c.n, got, c.want)
		}
	}
	var free Bucket
	if free.Spend(1<<30, now) != 0 {
		t.Error("the zero bucket has a limit")
	}
}
