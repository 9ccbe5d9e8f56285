package c2s

import (
	"time"

	"writ/xmpp/stream"
)

// writeTimeout is how long one write may take; a client that takes nothing for so long is gone.
const writeTimeout = 30 * time.Second

// batchSize is how much is gathered for one write: one TLS record.
const batchSize = bufferSize - 512

// kick makes sure that what waits is written, by another goroutine if nobody writes.
func (c *conn) kick() {
	c.mu.Lock()
	start := !c.writing
	c.writing = true
	c.mu.Unlock()
	switch {
	case start && c.park != nil:
		c.srv.writers.add(c)
	case start: // a pipe, or HTTP: the write may wait without saying so
		c.srv.crew.do(c, (*conn).drainAll)
	}
}

// kickInline is kick for the owner, who writes himself.
func (c *conn) kickInline() {
	c.mu.Lock()
	x := c.bound.Load()
	start := !c.writing && (len(c.ctl) > 0 || c.closing || x != nil && x.waits())
	if start {
		c.writing = true
	}
	c.mu.Unlock()
	if start {
		c.drainAll()
	}
}

// drainAll writes until nothing waits.
func (c *conn) drainAll() {
	for c.drain(turn) {
	}
}

// drain writes until nothing waits, at most so many batches. It reports whether the writer's place is still taken: who called must go on.
func (c *conn) drain(most int) (more bool) {
	buf := pool.get()
	defer pool.put(buf)
	for range most {
		b, cuts, last := c.gather((*buf)[:0])
		if len(b) > 0 {
			if err := c.write(b, cuts); err != nil {
				c.mu.Lock()
				if !c.closing {
					c.closing, c.keep = true, true
				}
				c.ctl, c.cuts = nil, nil
				c.mu.Unlock()
				c.nc.Close()
				c.lostSoon()
				return false // writing stays true: nothing is written any more
			}
		}
		if last {
			c.hangUp()
			return false
		}
		if len(b) == 0 {
			return false
		}
	}
	return true
}

// gather takes the next batch. With an empty batch the writer's place is free again; last says that the batch ends the stream.
func (c *conn) gather(b []byte) (out []byte, cuts []int, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != nil && c.ws.bosh != nil && !c.closing && !c.ws.bosh.ready() {
		c.writing = false // what waits stays where its limits hold
		return b, nil, false
	}
	b = append(b, c.ctl...)
	cuts = append(cuts, c.cuts...)
	c.ctl, c.cuts = nil, nil
	framed := c.ws != nil
	if s := c.bound.Load(); s != nil && (!c.closing || c.flush) {
		b, cuts = s.fill(c, b, cuts)
	}
	if c.closing {
		if c.flush && (len(b) < batchSize) {
			if b = append(b, c.farewell...); framed && len(c.farewell) > 0 {
				cuts = append(cuts, len(b))
			}
			b = stream.AppendClose(b, framed)
			if framed {
				cuts = append(cuts, len(b))
			}
			c.flush = false
		}
		return b, cuts, !c.flush
	}
	if len(b) == 0 {
		c.writing = false
	}
	return b, cuts, false
}

func (c *conn) write(b []byte, cuts []int) error {
	if c.ws != nil && c.ws.bosh != nil {
		return c.ws.bosh.send(b, cuts)
	}
	if c.ws != nil {
		from := 0
		for _, to := range cuts {
			if err := c.ws.send(b[from:to]); err != nil {
				return err
			}
			from = to
		}
		return nil
	}
	if !c.isClosing() {
		c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	var err error
	if c.tls != nil {
		_, err = c.tls.Write(b)
	} else {
		_, err = c.nc.Write(b)
	}
	return err
}

// hangUp ends the connection after the last write. The peer gets a moment to read: closing with its bytes unread would reset the
// connection and take our last words with it.
func (c *conn) hangUp() {
	go c.down()
	if c.ws != nil {
		c.ws.close()
		return
	}
	if c.tls != nil {
		c.tls.CloseWrite()
	}
	w, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || w.CloseWrite() != nil {
		c.nc.Close()
		return
	}
	go c.linger()
}

// linger throws away what the peer still sends, for two seconds at most.
func (c *conn) linger() {
	time.AfterFunc(2*time.Second, func() { c.nc.Close() })
}
