package xml

// Decoder tokenizes one stream. It holds no buffer between elements.
type Decoder struct{}

// NewStream makes a decoder for a TCP stream: an open tag, elements, an end tag (RFC 6120 §4).
func NewStream(l Limits) *Decoder { return nil }

// NewFramed makes a decoder for WebSocket messages: each message is one element (RFC 7395 §3.3). Feed takes one whole message.
func NewFramed(l Limits) *Decoder { return nil }

// Feed gives the decoder the next bytes. Call Next until it returns Need: then p may be used again.
func (d *Decoder) Feed(p []byte) {}

// Next finds the next event. After an error (always an *Error) the decoder gives that error again.
func (d *Decoder) Next() (Event, error) { return Event{}, nil }

// SetLimits changes the limits from the next first-level element on.
func (d *Decoder) SetLimits(l Limits) {}

// Restart awaits a new stream header on the same connection (RFC 6120 §4.3.3). It reports the number of bytes that had
// been received behind the last element and are thrown away: after <starttls/> it must be 0, or someone injected them.
func (d *Decoder) Restart() (dropped int) { return 0 }

// Partial is the number of bytes held of an element that is not complete.
func (d *Decoder) Partial() int { return 0 }
