package archive

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// filled is an archive of n messages between 1,000 accounts, older ones written in one go.
func filled(b testing.TB, db *store.DB, n int) *Archive {
	b.Helper()
	a := start(b, db)
	body := omemo(account(1), account(8)).AppendTo(nil, xml.Client)
	for from := 0; from < n; from += 50_000 {
		err := a.DB.Write(b.Context(), func(tx *store.Tx) error {
			for _, text := range []string{
				`WITH RECURSIVE n(i) AS (SELECT CAST($1 AS BIGINT) + 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
				INSERT INTO archive_stanza (id, at, sender, recipient, kind, size, holds, stanza)
				SELECT i, CAST($3 AS BIGINT) + i * 1000000, 'user' || (i % 1000) || '@writ.example', 'user' || ((i * 7 + 1) % 1000) || '@writ.example', 'encrypted', 600, 3, $4 FROM n`,
			} {
				if _, err := tx.Exec(b.Context(), text, from, min(from+50_000, n), store.Time(begin), body); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := a.load(b.Context()); err != nil {
		b.Fatal(err)
	}
	packAll(b, a)
	return a
}

// packAll writes down every bucket that is full, and waits for it.
func packAll(t testing.TB, a *Archive) {
	t.Helper()
	var bucket int64
	func() {
		a.tail.mu.Lock()
		defer a.tail.mu.Unlock()
		bucket, a.tail.packing = a.tail.first, a.tail.newest > a.tail.first
	}()
	a.pack(bucket)
	for packing := true; packing; {
		if err := a.DB.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil { // behind the next piece
			t.Fatal(err)
		}
		a.tail.mu.RLock()
		packing = a.tail.packing
		a.tail.mu.RUnlock()
	}
}

func account(i int) jid.JID { return jid.MustParse(fmt.Sprintf("user%d@writ.example", i%1000)) }

// omemo is about what an encrypted message has.
func omemo(from, to jid.JID) *stanza.Stanza {
	var b xml.Builder
	payload := make([]byte, 500)
	for i := range payload {
		payload[i] = 'A'
	}
	b.Start("eu.siacs.conversations.axolotl", "encrypted").Leaf("", "payload", string(payload))
	return stanza.New(stanza.Message, stanza.Chat, from, to, "id", b.Bytes())
}

func fill(b *testing.B, a *Archive, n int) {
	b.Helper()
	var wait sync.WaitGroup
	wait.Add(n)
	for i := range n {
		from, to := account(i*31), account(i*77+1)
		e := &feature.Envelope{Stanza: omemo(from, to), From: from, To: to, Time: begin.Add(1000 * time.Hour)}
		a.DB.Enqueue(func(tx *store.Tx) error { return a.persist(b.Context(), tx, e) }, func(err error) {
			if err != nil {
				b.Error(err)
			}
			wait.Done()
		})
	}
	wait.Wait()
}

// An insert must cost the same in a large archive.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{0, 20_000, 200_000} {
		b.Run(fmt.Sprintf("after %d", size), func(b *testing.B) {
			a := filled(b, storetest.SQLite(b), size)
			b.ResetTimer()
			b.ReportAllocs()
			before := cpu()
			fill(b, a, b.N)
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// cpu is what the process has used: wall time on a busy machine says little.
func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// So must a page.
func BenchmarkPage(b *testing.B) {
	for _, size := range []int{20_000, 200_000} {
		a := filled(b, storetest.SQLite(b), size)
		for _, c := range []struct {
			name string
			q    Query
		}{
			{"last 100", Query{Backwards: true}},
			{"last 100 with", Query{Backwards: true, With: account(8)}},
			{"by time", Query{Start: begin.Add(time.Duration(size/2) * time.Second)}},
		} {
			b.Run(fmt.Sprintf("%s of %d", c.name, size), func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					p, err := a.Page(b.Context(), account(1), c.q)
					if err != nil {
						b.Fatal(err)
					}
					n = len(p.Items)
				}
				b.ReportMetric(float64(n), "messages/op")
			})
		}
	}
}
