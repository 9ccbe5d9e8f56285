package writtest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"writ/server"
	"writ/xmpp/jid"
	"writ/xmpp/xml"
)

// Namespaces of the stream negotiation.
const (
	nsTLS  = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSM   = "urn:xmpp:sm:3"
)

// Client is one connection to a house. It is driven by one goroutine.
type Client struct {
	JID jid.JID // bound

	house *House
	as    *stranger // it is another server, not a client
	via   Via
	conn  net.Conn
	ws    *websocket.Conn
	bosh  *boshWire
	dec   *xml.Decoder
	buf   [16 << 10]byte
	ended error
	cause error // of the end, as the transport tells it
}

// Elsewhere connects without TLS to a server that is no house.
func Elsewhere(t testing.TB, address, domain string) *Client {
	t.Helper()
	c := &Client{house: &House{House: &server.House{Domain: jid.MustParse(domain)}}}
	var err error
	if c.conn, err = net.DialTimeout("tcp", address, Patience); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Drop)
	c.Restart()
	return c
}

// Register makes an account with Password in-band (XEP-0077 §3.1) on a stream that is open.
func (c *Client) Register(local string) error {
	var b xml.Builder
	b.Start(xml.Client, "iq", "type", "set", "id", "register").Start("jabber:iq:register", "query").Leaf("", "username", local).Leaf("", "password", Password)
	c.Write(string(b.Bytes()))
	e, err := c.Next()
	if err == nil && e.Attr("type") != "result" {
		err = fmt.Errorf("registering: %s", e.AppendTo(nil, ""))
	}
	return err
}

func (c *Client) dialWebSocket() error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	address := c.house.At.HTTPS[0].String()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c.house.tls("http/1.1")}}
	ws, _, err := websocket.Dial(ctx, "wss://"+address+"/xmpp-websocket", &websocket.DialOptions{
		HTTPClient: client, Subprotocols: []string{"xmpp"}, Host: c.house.Domain.ASCII(),
	})
	if err != nil {
		return err
	}
	ws.SetReadLimit(1 << 20)
	c.ws = ws
	return nil
}

// Restart makes the client await a new stream header.
func (c *Client) Restart() {
	l := xml.AfterLogin(1 << 20)
	if c.framed() {
		c.dec = xml.NewFramed(l)
	} else {
		c.dec = xml.NewStream(l)
	}
}

// framed reports a transport whose messages are one element each.
func (c *Client) framed() bool { return c.via == WebSocket || c.via == BOSH }

// Write sends bytes as they are: on a WebSocket as one text message. An error shows at the next read.
func (c *Client) Write(s string) {
	if c.bosh != nil {
		c.bosh.write(s)
		return
	}
	if c.ws != nil {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		c.ws.Write(ctx, websocket.MessageText, []byte(s))
		return
	}
	c.conn.SetWriteDeadline(time.Now().Add(Patience))
	io.WriteString(c.conn, s)
}

// WriteAll sends elements without waiting for anything between them: over TCP as one write.
func (c *Client) WriteAll(parts ...string) {
	if !c.framed() {
		c.Write(strings.Join(parts, ""))
		return
	}
	for _, p := range parts {
		c.Write(p)
	}
}

// Send sends an element that was written for a stream: on a WebSocket its namespace is added.
func (c *Client) Send(e *xml.Element) {
	space := xml.Client
	if c.framed() || e.Name.Space != xml.Client {
		space = ""
	}
	c.Write(string(e.AppendTo(nil, space)))
}

// SendText parses and sends an element whose default namespace is jabber:client.
func (c *Client) SendText(s string) error {
	e, err := xml.Parse([]byte(s), xml.Client)
	if err == nil {
		c.Send(e)
	}
	return err
}

// Event gives the next thing that the server sends; io.EOF when the connection has ended.
func (c *Client) Event() (xml.Event, error) {
	for {
		ev, err := c.dec.Next()
		if err != nil || ev.Kind != xml.Need {
			return ev, err
		}
		if c.ended != nil {
			return ev, c.ended
		}
		b, err := c.read()
		if len(b) > 0 {
			c.dec.Feed(b)
		}
		if err != nil {
			c.ended, c.cause = err, err
			if ne := net.Error(nil); !errors.As(err, &ne) || !ne.Timeout() {
				c.ended = io.EOF
			}
		}
	}
}

func (c *Client) read() ([]byte, error) {
	if c.bosh != nil {
		return c.bosh.read()
	}
	if c.ws != nil {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		_, b, err := c.ws.Read(ctx)
		if ctx.Err() != nil {
			err = timeout{}
		}
		return b, err
	}
	c.conn.SetReadDeadline(time.Now().Add(Patience))
	n, err := c.conn.Read(c.buf[:])
	return c.buf[:n], err
}

type timeout struct{}

func (timeout) Error() string   { return "nothing came in time" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// errClosed says that the server ended the stream in order.
var errClosed = errors.New("the stream was closed")

// Next gives the next element; white space is passed over.
func (c *Client) Next() (*xml.Element, error) {
	for {
		ev, err := c.Event()
		if err != nil {
			return nil, err
		}
		switch ev.Kind {
		case xml.Item:
			return ev.Item.Tree(), nil
		case xml.Close:
			return nil, errClosed
		case xml.Open:
			return nil, errors.New("a stream header where an element was awaited")
		}
	}
}

// Open sends a stream header, and reads the server's and the features.
func (c *Client) Open() (*xml.Element, error) {
	c.Write(c.Header())
	return c.Opened()
}

// Header is a stream header to the house's domain.
func (c *Client) Header() string {
	var b xml.Builder
	if c.framed() {
		b.Empty(xml.Framing, "open", "to", c.house.Domain.String(), "version", "1.0")
		return string(b.Bytes())
	}
	if c.as != nil {
		return c.as.header(c.house.Domain.String())
	}
	return "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" + xml.Stream + "' version='1.0'" +
		string(xml.AppendAttr(nil, "to", c.house.Domain.String())) + ">"
}

// Opened reads the server's header and the features.
func (c *Client) Opened() (*xml.Element, error) {
	ev, err := c.Event()
	if err != nil {
		return nil, err
	}
	if ev.Kind != xml.Open {
		return nil, errors.New("no stream header")
	}
	f, err := c.Next()
	if err == nil && !f.Is(xml.Stream, "features") {
		err = fmt.Errorf("%s instead of stream features", f.AppendTo(nil, ""))
	}
	return f, err
}

// Secure opens the stream and, over TCP, upgrades it to TLS (RFC 6120 §5) and opens it again.
func (c *Client) Secure() (*xml.Element, error) {
	if err := c.tls(); err != nil {
		return nil, err
	}
	return c.Open()
}

// tls brings the connection to where a stream can be opened with TLS around it.
func (c *Client) tls() error {
	if c.via != TCP {
		return nil
	}
	f, err := c.Open()
	if err != nil {
		return err
	}
	if f.Child(nsTLS, "starttls") == nil {
		return errors.New("STARTTLS is not offered")
	}
	c.Write("<starttls xmlns='" + nsTLS + "'/>")
	e, err := c.Next()
	if err != nil {
		return err
	}
	if !e.Is(nsTLS, "proceed") {
		return fmt.Errorf("%s instead of proceed", e.AppendTo(nil, ""))
	}
	return c.Upgrade()
}

// Upgrade does the TLS handshake.
func (c *Client) Upgrade() error {
	config := c.house.tls("xmpp-client")
	if c.as != nil {
		config.NextProtos, config.Certificates = nil, c.as.certificates
	}
	t := tls.Client(c.conn, config)
	c.conn.SetDeadline(time.Now().Add(Patience))
	if err := t.Handshake(); err != nil {
		return err
	}
	c.conn.SetDeadline(time.Time{})
	c.conn = t
	c.Restart()
	return nil
}

// Authenticate signs in with PLAIN (RFC 4616) and opens the stream again.
func (c *Client) Authenticate(local string) (*xml.Element, error) {
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + local + "\x00" + Password))
	c.Write("<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>" + secret + "</auth>")
	e, err := c.Next()
	if err != nil {
		return nil, err
	}
	if !e.Is(nsSASL, "success") {
		return nil, fmt.Errorf("%s instead of success", e.AppendTo(nil, ""))
	}
	c.Restart()
	return c.Open()
}

// Bind binds a resource (RFC 6120 §7).
func (c *Client) Bind(resource string) error {
	var b xml.Builder
	b.Start(xml.Client, "iq", "type", "set", "id", "bind").Start(nsBind, "bind")
	if resource != "" {
		b.Leaf("", "resource", resource)
	}
	c.Write(string(b.Bytes()))
	e, err := c.Next()
	if err != nil {
		return err
	}
	if c.JID, err = jid.Parse(e.Child(nsBind, "bind").Child(nsBind, "jid").Text()); err != nil {
		return fmt.Errorf("binding: %s", e.AppendTo(nil, ""))
	}
	return nil
}

// Login does all that is needed to be an online client without presence.
func (c *Client) Login(local, resource string) error {
	if _, err := c.Secure(); err != nil {
		return err
	}
	if _, err := c.Authenticate(local); err != nil {
		return err
	}
	return c.Bind(resource)
}

// End closes the stream and waits for the server's end of it.
func (c *Client) End() error {
	c.Write(c.Footer())
	for {
		if _, err := c.Next(); errors.Is(err, errClosed) || errors.Is(err, io.EOF) {
			c.Drop()
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Footer is what ends a stream.
func (c *Client) Footer() string {
	if c.framed() {
		return "<close xmlns='" + xml.Framing + "'/>"
	}
	return "</stream:stream>"
}

// Drop cuts the connection without a word. It may be called twice.
func (c *Client) Drop() {
	if c.bosh != nil {
		c.bosh.drop()
	}
	if c.ws != nil {
		c.ws.CloseNow()
	}
	if c.conn != nil {
		if t, ok := c.conn.(*tls.Conn); ok {
			t.NetConn().Close()
		}
		c.conn.Close()
	}
}
