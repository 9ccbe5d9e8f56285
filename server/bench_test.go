package server_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"writ/server"
	"writ/store"
	"writ/store/storetest"
)

// The figure of performance: the time to start with 1,000,000 accounts. The default is small, so that every run tests the benchmark;
// `go test ./server -run xxx -bench Start -benchtime 5x -timeout 1h -start.accounts 1000000` gives the figure.
var benchAccounts = flag.Int("start.accounts", 2_000, "accounts of the house that BenchmarkStart starts")

// BenchmarkStart is from composing the house to serving: what `writ serve` does between its call and “ready”. Each account has its
// verifiers, a device, two contacts, a time when it was last seen and a sign-in.
func BenchmarkStart(b *testing.B) {
	storetest.Bench(b, fmt.Sprintf("accounts=%d", *benchAccounts), benchStart)
}

func benchStart(b *testing.B, db *store.DB) {
	h := house(b, db)
	populate(b, db, *benchAccounts)
	var ready time.Duration
	for b.Loop() {
		ctx, stop := context.WithCancel(b.Context())
		began := time.Now()
		next, err := server.Build(ctx, server.Options{Config: h.Config, DB: db, Dev: true})
		if err != nil {
			b.Fatal(err)
		}
		at, over := make(chan server.Addresses, 1), make(chan error, 1)
		go func() { over <- next.Run(ctx, func(a server.Addresses) { at <- a }) }()
		select {
		case <-at:
			ready = max(ready, time.Since(began))
		case err := <-over:
			b.Fatal(err)
		}
		b.StopTimer()
		stop()
		if err := <-over; err != nil {
			b.Fatal(err)
		}
		if err := next.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(ready.Milliseconds()), "ms/slowest")
}

// populate writes the rows that n accounts have, by the engine itself.
func populate(b *testing.B, db *store.DB, n int) {
	b.Helper()
	now := store.Time(time.Now().Add(-time.Hour))
	each := func(sql string, args ...any) {
		b.Helper()
		err := db.Write(context.Background(), func(tx *store.Tx) error {
			_, err := tx.Exec(context.Background(), fmt.Sprintf(sql, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d)`, n)), args...)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	each(`INSERT INTO account_user (account, name, created, invited_by) %s SELECT 'user' || i || '@localhost', '', $1, '' FROM n`, now)
	for _, hash := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		each(`INSERT INTO account_credential (account, hash, salt, iterations, stored_key, server_key) %s SELECT 'user' || i || '@localhost', '`+hash+`', $1, 10000, $2, $2 FROM n`,
			make([]byte, 16), make([]byte, 32))
	}
	each(`INSERT INTO account_device (account, id, software, model, first_seen, last_seen) %s SELECT 'user' || i || '@localhost', 'd1', 'Conversations', 'phone', $1, $1 FROM n`, now)
	each(`INSERT INTO records_seen (account, at) %s SELECT 'user' || i || '@localhost', $1 FROM n`, now)
	each(`INSERT INTO records_signin (account, at, ip, port, client, device, tls, cipher, mechanism) %s SELECT 'user' || i || '@localhost', $1, '192.0.2.1', 40000, 'Conversations', 'phone', 'TLS 1.3', '', 'SCRAM-SHA-256-PLUS' FROM n`, now)
	each(`INSERT INTO roster_version (account, ver, removed) %s SELECT 'user' || i || '@localhost', 2, 0 FROM n`)
	each(`INSERT INTO roster_item (account, contact, state, listed, ver, name, groups, asked) %s SELECT 'user' || i || '@localhost', 'user' || ((i * 7 + k) %% ` + fmt.Sprint(n) + ` + 1) || '@localhost', 3, TRUE, k, '', '[]', 0
		FROM n CROSS JOIN (SELECT 1 AS k UNION ALL SELECT 2) c`)
}
