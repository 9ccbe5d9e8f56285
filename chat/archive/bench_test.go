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

// filled is an archive of n messages between 1,000 accounts.
func filled(b *testing.B, n int) *Archive {
	b.Helper()
	a := start(b, storetest.SQLite(b))
	fill(b, a, n)
	return a
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
		from, to := account(i), account(i*7+1)
		e := &feature.Envelope{Stanza: omemo(from, to), From: from, To: to, Time: begin.Add(time.Duration(i) * time.Second)}
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
			a := filled(b, size)
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
		a := filled(b, size)
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
