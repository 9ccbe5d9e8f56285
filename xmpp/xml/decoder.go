package xml

import (
	"bytes"
	"strings"
)

// Decoder tokenizes one stream. Between elements it holds neither a buffer nor a scanner.
type Decoder struct {
	in    []byte // fed and not read
	owned bool   // in belongs to the decoder
	lim   Limits
	ctx   []binding // declared on the stream's open tag
	root  string    // name of the stream's open tag, as written
	s     *scanner  // of the element that is incomplete
	err   *Error

	framed, again bool
	state         state
}

type state uint8

const (
	prolog  state = iota // before the XML declaration
	header               // before the stream's open tag
	between              // before an element
	element              // inside one
	ended                // behind the stream's end tag
)

// NewStream makes a decoder for a TCP stream: an open tag, elements, an end tag (RFC 6120 §4).
func NewStream(l Limits) *Decoder { return &Decoder{lim: l.orDefault()} }

// NewFramed makes a decoder for WebSocket messages: each is one element (RFC 7395 §3.3). Feed takes one whole message, and
// Next gives one event for it before Need.
func NewFramed(l Limits) *Decoder {
	return &Decoder{lim: l.orDefault(), framed: true, state: between}
}

func (l Limits) orDefault() Limits {
	if l == (Limits{}) {
		return BeforeLogin()
	}
	return l
}

// Feed gives the decoder the next bytes. Call Next until it returns Need, or Keep: then p may be used again.
func (d *Decoder) Feed(p []byte) {
	switch {
	case len(d.in) == 0:
		d.in, d.owned = p, false
	case d.owned:
		d.in = append(d.in, p...)
	default:
		d.in, d.owned = append(append(make([]byte, 0, len(d.in)+len(p)), d.in...), p...), true
	}
}

// Keep copies what was fed and not yet read, so that the slice given to Feed may be used again although Next has not
// returned Need. A session that must answer before it reads on (a barrier) calls it.
func (d *Decoder) Keep() {
	if !d.owned && len(d.in) > 0 {
		d.in, d.owned = append([]byte(nil), d.in...), true
	}
}

// Pending is the number of bytes held: fed, and not yet part of an event.
func (d *Decoder) Pending() int { return len(d.in) }

// SetLimits changes the limits. An element that is incomplete keeps its own.
func (d *Decoder) SetLimits(l Limits) { d.lim = l.orDefault() }

// Restart awaits a new stream header on the same connection (RFC 6120 §4.3.3). Bytes that were fed behind the last
// element are read as part of the new stream: a client may send its header without waiting.
func (d *Decoder) Restart() {
	d.dropScanner()
	d.ctx, d.root, d.again, d.err = nil, "", true, nil
	if d.state = prolog; d.framed {
		d.state = between
	}
}

// Discard throws away what was fed behind the last event and says how many bytes that were. After <starttls/> it must be 0,
// or someone injected plaintext into the stream that TLS was to protect.
func (d *Decoder) Discard() int {
	n := len(d.in)
	d.in = nil
	return n
}

// Next finds the next event. After an error (always an *Error) the decoder gives that error again.
func (d *Decoder) Next() (Event, error) {
	if d.err != nil {
		return Event{}, d.err
	}
	ev, err := d.next()
	if err != nil {
		d.err = err
		d.in = nil
		d.dropScanner()
		return Event{}, err
	}
	if ev.Kind == Need {
		d.Keep()
	}
	return ev, nil
}

func (d *Decoder) next() (Event, *Error) {
	for len(d.in) > 0 {
		var ev Event
		var err *Error
		more := true // bytes are missing
		switch d.state {
		case prolog:
			more, err = d.prolog()
		case header:
			ev, err = d.header()
		case between:
			ev, more, err = d.between()
		case element:
			ev, err = d.element()
		default:
			err = malformed("something stands behind the stream's end")
		}
		if err != nil || ev.Kind != Need {
			return ev, err
		}
		if more {
			break
		}
	}
	if d.framed && len(d.in) > 0 {
		return Event{}, malformed("a message that holds no whole element")
	}
	return Event{}, nil
}

// take marks n bytes as read.
func (d *Decoder) take(n int) {
	if d.in = d.in[n:]; len(d.in) == 0 {
		d.in, d.owned = nil, false
	}
}

// prolog reads the XML declaration, if there is one (RFC 6120 §11.5).
func (d *Decoder) prolog() (more bool, err *Error) {
	b := d.in
	if d.again { // white space behind the last stream's last element belongs to it
		n := skipWhite(b, 0, len(b))
		d.take(n)
		if b = b[n:]; len(b) == 0 {
			return true, nil
		}
	}
	if b[0] >= 0xfe || b[0] == 0 || len(b) > 1 && b[1] == 0 {
		return false, &Error{Condition: "unsupported-encoding", Text: "the bytes are not UTF-8"}
	}
	const open = "<?xml"
	if !white(b[0]) && b[0] != '<' {
		return false, malformed("this is no XML stream")
	}
	if n := min(len(b), len(open)); open[:n] != string(b[:n]) {
		d.state = header
		return false, nil
	} else if len(b) <= len(open) {
		return true, nil
	}
	if !white(b[len(open)]) {
		return false, restricted("processing instructions are not allowed")
	}
	end := bytes.Index(b, []byte("?>"))
	if longest := 256; end > longest || end < 0 && len(b) > longest {
		return false, malformed("an XML declaration without an end")
	}
	if end < 0 {
		return true, nil
	}
	if err := xmlDecl(b[len(open):end]); err != nil {
		return false, err
	}
	d.take(end + 2)
	d.state = header
	return false, nil
}

// xmlDecl checks version, encoding and standalone (XML 1.0 §2.8).
func xmlDecl(b []byte) *Error {
	s := scanner{b: b, lim: unlimited}
	if err := s.readAttrs(0, len(b)); err != nil {
		return err
	}
	step := 0
	for _, a := range s.attrs {
		v := string(b[a.vlo:a.vhi])
		switch k := string(b[a.lo:a.hi]); {
		case k == "version" && step == 0 && v == "1.0":
			step = 1
		case k == "encoding" && step == 1:
			if !strings.EqualFold(v, "utf-8") {
				return &Error{Condition: "unsupported-encoding", Text: "only UTF-8 is spoken here"}
			}
			step = 2
		case k == "standalone" && step > 0 && step < 3 && (v == "yes" || v == "no"):
			step = 3
		default:
			return malformed("an XML declaration that is none")
		}
	}
	if step == 0 {
		return malformed("an XML declaration without a version")
	}
	return nil
}

// header reads the stream's open tag (RFC 6120 §4.7).
func (d *Decoder) header() (Event, *Error) {
	if d.s == nil {
		n := skipWhite(d.in, 0, len(d.in))
		if d.take(n); len(d.in) == 0 {
			return Event{}, nil
		}
		if d.in[0] != '<' {
			return Event{}, malformed("this is no XML stream")
		}
		d.s = borrow()
		d.s.lim, d.s.raw, d.s.once = d.lim, &Raw{}, true
	}
	s := d.s
	s.b = d.in
	done, err := s.run()
	if err != nil || !done {
		return Event{}, err
	}
	n := s.raw.Name
	switch {
	case s.depth == 0:
		return Event{}, &Error{Condition: "bad-format", Text: "the stream's open tag is closed at once"}
	case n.Space != Stream:
		return Event{}, &Error{Condition: "invalid-namespace", Text: "the first element is not in the namespace of streams"}
	case n.Local != "stream":
		return Event{}, &Error{Condition: "bad-format", Text: "the first element is not a stream"}
	}
	h := Header{Name: n, Attrs: s.raw.Attrs}
	for i := len(s.binds) - 1; i >= 0; i-- {
		d.ctx = append(d.ctx, s.binds[i].binding)
		if s.binds[i].prefix == "" {
			h.Content = s.binds[i].space
		}
	}
	d.root = string(s.b[s.stack[0].lo:s.stack[0].hi])
	d.take(s.pos)
	d.dropScanner()
	d.state = between
	return Event{Kind: Open, Open: h}, nil
}

// between reads what may stand between elements: white space, or the stream's end tag.
func (d *Decoder) between() (ev Event, more bool, err *Error) {
	b := d.in
	if n := skipWhite(b, 0, len(b)); n > 0 {
		if d.framed && n < len(b) {
			return Event{}, false, &Error{Condition: "bad-format", Text: "a message begins with '<'"}
		}
		d.take(n)
		return Event{Kind: Space}, false, nil
	}
	if b[0] != '<' {
		switch class[b[0]] {
		case cBad:
			return Event{}, false, malformed("a control character")
		case cMulti:
			if n, err := (&scanner{b: b}).special(0, len(b)); err != nil || n == 0 {
				return Event{}, true, err
			}
		}
		return Event{}, false, &Error{Condition: "bad-format", Text: "text between elements"}
	}
	if len(b) == 1 {
		return Event{}, true, nil
	}
	if b[1] != '/' || d.framed {
		d.state = element
		return Event{}, false, nil
	}
	end := bytes.IndexByte(b, '>')
	if longest := len(d.root) + 64; end > longest || end < 0 && len(b) > longest {
		return Event{}, false, malformed("an end tag of another name")
	} else if end < 0 {
		return Event{}, true, nil
	}
	if string(bytes.TrimRight(b[2:end], " \t\r\n")) != d.root {
		return Event{}, false, malformed("an end tag of another name")
	}
	d.take(end + 1)
	d.state = ended
	return Event{Kind: Close}, false, nil
}

// element reads a first-level element.
func (d *Decoder) element() (Event, *Error) {
	if d.s == nil {
		d.s = borrow()
		d.s.lim, d.s.outer, d.s.raw = d.lim, d.ctx, &Raw{outer: d.ctx}
		d.s.stream = true
	}
	s := d.s
	s.b = d.in
	done, err := s.run()
	if err != nil || !done {
		return Event{}, err
	}
	r, e := s.finish(append(make([]byte, 0, s.pos), s.b[:s.pos]...))
	if e != nil {
		return Event{}, e.(*Error)
	}
	d.take(s.pos)
	d.dropScanner()
	d.state = between
	if d.framed {
		return d.frame(r)
	}
	return Event{Kind: Item, Item: r}, nil
}

// frame tells <open/> and <close/> from other elements (RFC 7395 §3.4, §3.6).
func (d *Decoder) frame(r *Raw) (Event, *Error) {
	if n := skipWhite(d.in, 0, len(d.in)); n == len(d.in) {
		d.take(n)
	} else {
		return Event{}, &Error{Condition: "bad-format", Text: "a message holds one element"}
	}
	if r.Name.Space == Framing {
		switch r.Name.Local {
		case "open":
			return Event{Kind: Open, Open: Header{Name: r.Name, Content: Client, Attrs: r.Attrs}}, nil
		case "close":
			d.state = ended
			return Event{Kind: Close, Item: r}, nil
		}
	}
	return Event{Kind: Item, Item: r}, nil
}

func (d *Decoder) dropScanner() {
	if d.s != nil {
		d.s.release()
		d.s = nil
	}
}
