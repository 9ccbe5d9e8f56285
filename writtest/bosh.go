package writtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"writ/xmpp/xml"
)

// httpBind is the namespace of XEP-0124.
const httpBind = "http://jabber.org/protocol/httpbind"

// boshWire makes requests of what is written and frames of what is answered, so that a client of BOSH is driven like one of a WebSocket:
// <open/> begins the session or restarts the stream (XEP-0206 §5), <close/> ends it (XEP-0124 §13).
type boshWire struct {
	house *House
	http  *http.Client
	ctx   context.Context
	stop  context.CancelFunc
	slots chan struct{} // one for each request under way
	in    chan []byte   // frames; closed at the end

	mu      sync.Mutex
	sid     string
	rid     int64
	done    int64            // the last request whose answer was looked at
	answers map[int64][]byte // out of order
	opening bool             // the next answer brings a stream
	over    bool
}

func (h *House) dialBOSH() *boshWire {
	w := &boshWire{house: h, rid: 1 << 40, done: 1 << 40, answers: map[int64][]byte{}, slots: make(chan struct{}, 2), in: make(chan []byte, 1<<12)}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.http = &http.Client{Transport: &http.Transport{TLSClientConfig: h.tls("http/1.1")}}
	return w
}

// write sends frames.
func (w *boshWire) write(s string) {
	var b xml.Builder
	b.Start(httpBind, "body")
	payload := ""
	switch {
	case strings.HasPrefix(s, "<open "):
		e, err := xml.Parse([]byte(s), "")
		if err != nil {
			return
		}
		w.mu.Lock()
		w.opening = true
		b.Attr("to", e.Attr("to")).Attr("xmlns:xmpp", "urn:xmpp:xbosh")
		if w.sid == "" {
			b.Attr("wait", "20").Attr("hold", "1").Attr("ver", "1.11").Attr("xmpp:version", e.Attr("version"))
		} else {
			b.Attr("xmpp:restart", "true")
		}
		w.mu.Unlock()
	case strings.HasPrefix(s, "<close "):
		b.Attr("type", "terminate")
	default:
		payload = s
	}
	w.request(&b, payload)
}

// request sends a body whose attributes are begun; the answer is taken in order.
func (w *boshWire) request(b *xml.Builder, payload string) {
	select {
	case w.slots <- struct{}{}:
	case <-w.ctx.Done():
		return
	}
	w.mu.Lock()
	w.rid++
	rid := w.rid
	b.Attr("rid", strconv.FormatInt(rid, 10))
	if w.sid != "" {
		b.Attr("sid", w.sid)
	}
	body := b.Raw([]byte(payload)).Bytes()
	first := w.sid == ""
	w.mu.Unlock()
	send := func() {
		answer, err := w.post(body)
		<-w.slots
		w.take(rid, answer, err)
	}
	if first {
		send() // nothing more can be asked before there is a sid
		return
	}
	go send()
}

func (w *boshWire) post(body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, "https://"+w.house.At.HTTPS[0].String()+"/http-bind", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Host = w.house.Domain.ASCII()
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	a, err := w.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err == nil && a.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", a.StatusCode, text)
	}
	return text, err
}

// take looks at the answers in the order of their requests.
func (w *boshWire) take(rid int64, text []byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.end()
		return
	}
	w.answers[rid] = text
	for !w.over {
		text, ok := w.answers[w.done+1]
		if !ok {
			break
		}
		w.done++
		delete(w.answers, w.done)
		w.frames(text)
	}
	if !w.over && w.done == w.rid && w.sid != "" { // one request is always there for the server to answer
		go func() {
			var b xml.Builder
			w.request(b.Start(httpBind, "body"), "")
		}()
	}
}

// frames gives what an answer brings. mu is held.
func (w *boshWire) frames(text []byte) {
	body, err := xml.Index(text, "")
	if err != nil {
		w.end()
		return
	}
	if sid := body.Attr("sid"); sid != "" {
		w.sid = sid
	}
	if w.opening && (len(body.Children) > 0 || body.Attr("type") == "terminate") {
		w.opening = false
		var b xml.Builder
		w.in <- b.Start(xml.Framing, "open").Attr("from", w.house.Domain.String()).Attr("version", "1.0").Bytes()
	}
	for _, c := range body.Children {
		w.in <- body.Bytes[c.Start:c.End]
	}
	if body.Attr("type") == "terminate" {
		var b xml.Builder
		w.in <- b.Empty(xml.Framing, "close").Bytes()
		w.end()
	}
}

func (w *boshWire) end() {
	if !w.over {
		w.over = true
		close(w.in)
		w.stop()
	}
}

func (w *boshWire) read() ([]byte, error) {
	select {
	case f, ok := <-w.in:
		if !ok {
			return nil, io.EOF
		}
		return f, nil
	case <-time.After(Patience):
		return nil, timeout{}
	}
}

// drop goes silent. The server can notice only by its patience, which a client may shorten (XEP-0124 §10).
func (w *boshWire) drop() {
	w.mu.Lock()
	gone := w.over || w.sid == ""
	w.over = true
	w.rid++
	var b xml.Builder
	b.Start(httpBind, "body").Attr("sid", w.sid).Attr("rid", strconv.FormatInt(w.rid, 10)).Attr("pause", "0")
	w.mu.Unlock()
	if !gone {
		if _, err := w.post(b.Bytes()); err != nil && !errors.Is(err, context.Canceled) {
			w.stop()
			return
		}
	}
	w.stop()
}
