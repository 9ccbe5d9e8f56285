package records_test

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// The figure of performance: one account's 1,000,000 records among 10,000,000. The default is small, so that every run tests the
// benchmark; `go test ./records -run xxx -bench Extract -benchtime 1x -extract.own 1000000 -extract.all 10000000` gives the figure.
var (
	benchOwn = flag.Int("extract.own", 2_000, "records of the account that is extracted")
	benchAll = flag.Int("extract.all", 20_000, "records of all accounts")
)

// count is a Sink that counts.
type count int64

func (c *count) Begin(context.Context, string, schedule.Datum) error { return nil }
func (c *count) Row([]any) error                                     { *c++; return nil }
func (c *count) End(int64) error                                     { return nil }

func BenchmarkExtract(b *testing.B) {
	storetest.Bench(b, fmt.Sprintf("own=%d/all=%d", *benchOwn, *benchAll), benchExtract)
}

func benchExtract(b *testing.B, db *store.DB) {
	h := open(b, db, records.Defaults())
	step := *benchAll / *benchOwn
	for i := 0; i < *benchAll; {
		end := min(i+5000, *benchAll)
		h.must(h.write(func(tx *store.Tx) error {
			for n := i; n < end; n++ { // the account's rows are spread over the whole table, as they are in life
				who := alice
				if n%step != 0 {
					who = fmt.Sprintf("user%d@writ.example", n%997)
				}
				s := records.SignIn{Account: who, Time: start.Add(-20*day + time.Duration(n)*100*time.Millisecond), Client: "Conversations 2.18", Device: "phone",
					Addr: netip.MustParseAddrPort("192.0.2.1:40000"), TLS: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Mechanism: "SCRAM-SHA-256-PLUS"}
				if err := h.Recorder.SignIn(context.Background(), tx, s); err != nil {
					return err
				}
			}
			return nil
		}))
		i = end
	}
	g := h.grant()
	id := h.approved(g)
	for b.Loop() {
		var n count
		_, err := h.Gate.Extract(context.Background(), id, &n)
		h.must(err)
		if int(n) != *benchOwn {
			b.Fatalf("%d records, want %d", n, *benchOwn)
		}
	}
	b.ReportMetric(float64(*benchOwn)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkSignIn is what the ledger adds to a login: one insert and one upsert in the group commit.
func BenchmarkSignIn(b *testing.B) {
	h := open(b, storetest.SQLite(b), records.Defaults())
	s := records.SignIn{Account: alice, Time: start, Client: "Conversations 2.18", Device: "phone", Addr: netip.MustParseAddrPort("192.0.2.1:40000"),
		TLS: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Mechanism: "SCRAM-SHA-256-PLUS"}
	b.ReportAllocs()
	done := make(chan error, 1024)
	go func() {
		for range b.N {
			h.db.Enqueue(func(tx *store.Tx) error {
				if err := h.Recorder.SignIn(context.Background(), tx, s); err != nil {
					return err
				}
				return h.Recorder.Seen(context.Background(), tx, alice, start)
			}, func(err error) { done <- err })
		}
	}()
	for range b.N {
		h.must(<-done)
	}
}
