package records_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"writ/clock"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// keys is a Verifier over Ed25519: the people's public keys, and signatures over the hash itself. The passkeys of the house are
// tested where both meet (desk); here the gate is tested against a signature scheme that cannot be fooled either.
type keys struct {
	mu      sync.Mutex
	private map[string]ed25519.PrivateKey
}

func newKeys(people ...string) *keys {
	k := &keys{private: map[string]ed25519.PrivateKey{}}
	for _, p := range people {
		_, k.private[p], _ = ed25519.GenerateKey(rand.Reader)
	}
	return k
}

// renew gives everyone a new key in the same Verifier, so that a key withdrawn by one test is there again in the next.
func renew(k *keys) *keys {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range []string{rita, anna, victor} {
		_, k.private[p], _ = ed25519.GenerateKey(rand.Reader)
	}
	return k
}

func sha(s string) [32]byte { return sha256.Sum256([]byte(s)) }

func (k *keys) sign(person string, hash [32]byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return ed25519.Sign(k.private[person], hash[:])
}

func (k *keys) revoke(person string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.private, person)
}

func (k *keys) check(person string, hash [32]byte, assertion []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	private, ok := k.private[person]
	if !ok || !ed25519.Verify(private.Public().(ed25519.PublicKey), hash[:], assertion) {
		return errors.New("no such signature by a registered key")
	}
	return nil
}

func (k *keys) Verify(_ context.Context, _ *store.Tx, person string, hash [32]byte, assertion []byte) error {
	return k.check(person, hash, assertion)
}

func (k *keys) Check(_ context.Context, _ *store.Tx, person string, hash [32]byte, assertion []byte) error {
	return k.check(person, hash, assertion)
}

// paused is a Standing that forbids production for the jurisdictions in it.
type paused struct {
	mu sync.Mutex
	in map[string]bool
}

func (p *paused) Allows(_ context.Context, _ store.Reader, g records.Grant) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.in[g.Jurisdiction] {
		return fmt.Errorf("review of %s is paused", g.Jurisdiction)
	}
	return nil
}

func (p *paused) set(jurisdiction string, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.in[jurisdiction] = on
}

// start is the first moment of the tests: the first half-year of the story.
var start = time.Date(2019, 7, 1, 9, 0, 0, 0, time.UTC)

const (
	alice    = "alice@writ.example"
	bob      = "bob@writ.example"
	carol    = "carol@writ.example"
	nobody   = "nobody@writ.example"
	rita     = "rita"   // reviewer
	anna     = "anna"   // approver
	victor   = "victor" // makes the call-back
	hongKong = "HK"
)

type house struct {
	*records.Records
	t     testing.TB
	db    *store.DB
	clock *clock.Fake
	keys  *keys
	pause *paused
}

// open makes a house of the ledger and the given rooms, whose schemas are migrated.
func open(t testing.TB, db *store.DB, c records.Config, rooms ...records.Room) *house {
	t.Helper()
	h := &house{t: t, db: db, clock: clock.NewFake(start), keys: newKeys(rita, anna, victor), pause: &paused{in: map[string]bool{}}}
	storetest.Migrate(t, db, records.Schemas()...)
	var err error
	h.Records, err = records.New(records.Deps{DB: db, Clock: h.clock, Log: slog.New(slog.DiscardHandler), Config: c, Verifier: h.keys, Standing: h.pause})
	h.must(err)
	h.must(h.Declare(rooms...))
	h.must(h.Check(context.Background()))
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) write(f func(tx *store.Tx) error) error {
	return h.db.Write(context.Background(), f)
}

func (h *house) signIn(account, ip, client string) {
	h.t.Helper()
	h.must(h.write(func(tx *store.Tx) error {
		return h.Recorder.SignIn(context.Background(), tx, records.SignIn{Account: account, Time: h.clock.Now(), Addr: netip.AddrPortFrom(netip.MustParseAddr(ip), 40000),
			Client: client, Device: "phone", TLS: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Mechanism: "SCRAM-SHA-256-PLUS"})
	}))
}

func (h *house) signal(s records.CallSignal) {
	h.t.Helper()
	if s.Time.IsZero() {
		s.Time = h.clock.Now()
	}
	h.must(h.write(func(tx *store.Tx) error { return h.Recorder.Call(context.Background(), tx, s) }))
}

// grant is a well-formed one for Alice's sign-ins and calls in the month before and after now.
func (h *house) grant() records.Grant {
	now := h.clock.Now()
	return records.Grant{Case: "2019-0001", Proposer: rita, Targets: []string{alice}, Categories: []schedule.Category{schedule.SignIn, schedule.CallLog}, Process: schedule.CourtOrder,
		From: now.AddDate(0, -1, 0), To: now.AddDate(0, 1, 0), Expires: now.Add(7 * 24 * time.Hour), Jurisdiction: hongKong, Service: "chat",
		Agency: "hkpf", Instrument: "foreign_order", Received: now}
}

func (h *house) propose(g records.Grant) (id string, hash [32]byte) {
	h.t.Helper()
	h.must(h.write(func(tx *store.Tx) (err error) {
		id, hash, err = h.Gate.Propose(context.Background(), tx, g)
		return err
	}))
	return id, hash
}

func (h *house) sign(id string, hash [32]byte, person string, role records.Role) error {
	return h.write(func(tx *store.Tx) error {
		return h.Gate.Sign(context.Background(), tx, id, person, role, h.keys.sign(person, hash))
	})
}

// approved proposes a grant and has both people sign it.
func (h *house) approved(g records.Grant) string {
	h.t.Helper()
	id, hash := h.propose(g)
	h.must(h.sign(id, hash, rita, records.Reviewer))
	h.must(h.sign(id, hash, anna, records.Approver))
	return id
}

func (h *house) exec(text string, args ...any) {
	h.t.Helper()
	h.must(h.write(func(tx *store.Tx) error { _, err := tx.Exec(context.Background(), text, args...); return err }))
}

func (h *house) count(text string, args ...any) (n int64) {
	h.t.Helper()
	h.must(h.db.QueryRow(context.Background(), text, args...).Scan(&n))
	return n
}

// found is a Sink that keeps everything, one line a row: ACCOUNT DATUM: VALUES, or "none".
type found struct {
	lines  []string
	prefix string
}

func (f *found) Begin(_ context.Context, account string, d schedule.Datum) error {
	f.prefix = account + " " + d.Name + ": "
	return nil
}

func (f *found) Row(values []any) error {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString(" ")
		}
		switch v := v.(type) {
		case nil:
			b.WriteString("-")
		case time.Time:
			b.WriteString(v.Format("2006-01-02T15:04:05Z"))
		default:
			fmt.Fprint(&b, v)
		}
	}
	f.lines = append(f.lines, f.prefix+b.String())
	return nil
}

func (f *found) End(rows int64) error {
	if rows == 0 {
		f.lines = append(f.lines, f.prefix+"none")
	}
	return nil
}

func (f *found) String() string { return strings.Join(f.lines, "\n") }

func (h *house) own(account string) string {
	h.t.Helper()
	var f found
	h.must(h.Keeper.Own(context.Background(), account, &f))
	return f.String()
}
