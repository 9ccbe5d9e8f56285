package passkey_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"writ/clock"
	"writ/passkey"
	"writ/passkey/softkey"
	"writ/store"
	"writ/store/storetest"
)

const origin = "http://localhost:8080"

var ctx = context.Background()

type bench struct {
	*passkey.Passkeys
	t     *testing.T
	db    *store.DB
	clock *clock.Fake
}

func open(t *testing.T, db *store.DB) bench {
	t.Helper()
	storetest.Migrate(t, db, passkey.Schema())
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	p, err := passkey.Open(db, passkey.Config{RPID: "localhost", Origins: []string{origin}}, c)
	if err != nil {
		t.Fatal(err)
	}
	return bench{p, t, db, c}
}

// write runs f in a transaction.
func (b bench) write(f func(tx *store.Tx) error) error { return b.db.Write(ctx, f) }

// register gives a person a passkey held by key.
func (b bench) register(key *softkey.Key, person string) {
	b.t.Helper()
	options, kept, err := b.BeginRegister(ctx, person, "Name of "+person)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := key.Create(options, origin)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.write(func(tx *store.Tx) error {
		_, err := b.FinishRegister(ctx, tx, kept, answer, "a key")
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
}

// sign has the person sign a hash and gives the assertion.
func (b bench) sign(key *softkey.Key, person string, hash [32]byte) []byte {
	b.t.Helper()
	options, err := b.BeginSign(ctx, person, hash)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := key.Get(options, origin, person)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

func (b bench) verify(person string, hash [32]byte, assertion []byte) error {
	return b.write(func(tx *store.Tx) error { return b.Verify(ctx, tx, person, hash, assertion) })
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b, key := open(t, db), softkey.New()
		b.register(key, "ada")
		b.register(key, "ben")
		login := func(user, from string, k *softkey.Key) (person string, err error) {
			options, kept, err := b.BeginLogin()
			if err != nil {
				t.Fatal(err)
			}
			answer, err := k.Get(options, from, user)
			if err != nil {
				t.Fatal(err)
			}
			err = b.write(func(tx *store.Tx) error {
				person, err = b.FinishLogin(ctx, tx, kept, answer)
				return err
			})
			return person, err
		}
		for _, who := range []string{"ben", "ada", "ben"} {
			if person, err := login(who, origin, key); person != who || err != nil {
				t.Errorf("%s signed in as %q, %v", who, person, err)
			}
		}
		if _, err := login("ada", "https://evil.example", key); !errors.Is(err, passkey.ErrAssertion) {
			t.Errorf("an assertion made for another page: %v", err)
		}
		all, err := b.Credentials(ctx, "ben")
		if err != nil || len(all) != 1 || all[0].Count != 2 || all[0].Used.IsZero() || all[0].Label != "a key" {
			t.Errorf("%+v %v", all, err)
		}
		if err := b.write(func(tx *store.Tx) error { return b.Remove(ctx, tx, "ada", all[0].ID) }); !errors.Is(err, passkey.ErrUnknown) {
			t.Errorf("ada removed ben's passkey: %v", err)
		}
		if err := b.write(func(tx *store.Tx) error { return b.Remove(ctx, tx, "ben", all[0].ID) }); err != nil {
			t.Fatal(err)
		}
		if _, err := login("ben", origin, key); !errors.Is(err, passkey.ErrAssertion) {
			t.Errorf("a removed passkey signs in: %v", err)
		}
	})
}

func TestCeremonyEnds(t *testing.T) {
	t.Parallel()
	b, key := open(t, storetest.SQLite(t)), softkey.New()
	b.register(key, "ada")
	options, kept, _ := b.BeginLogin()
	answer, _ := key.Get(options, origin, "ada")
	b.clock.Advance(5 * time.Minute)
	for what, k := range map[string][]byte{"late": kept, "none": nil} {
		if err := b.write(func(tx *store.Tx) error { _, err := b.FinishLogin(ctx, tx, k, answer); return err }); !errors.Is(err, passkey.ErrAssertion) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// An answer to one ceremony is none to another.
	_, other, _ := b.BeginLogin()
	if err := b.write(func(tx *store.Tx) error { _, err := b.FinishLogin(ctx, tx, other, answer); return err }); !errors.Is(err, passkey.ErrAssertion) {
		t.Errorf("replayed: %v", err)
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b, key := open(t, db), softkey.New()
		b.register(key, "ada")
		b.register(key, "ben")
		scope, other := sha256.Sum256([]byte("this scope")), sha256.Sum256([]byte("another scope"))
		a := b.sign(key, "ada", scope)
		if err := b.verify("ada", scope, a); err != nil {
			t.Fatal(err)
		}
		if err := b.verify("ada", scope, a); !errors.Is(err, passkey.ErrCloned) {
			t.Errorf("the same assertion twice: %v", err)
		}
		if err := b.write(func(tx *store.Tx) error { return b.Check(ctx, tx, "ada", scope, a) }); err != nil {
			t.Errorf("a stored signature checked later: %v", err)
		}
		for what, err := range map[string]error{
			"another hash":     b.verify("ada", other, a),
			"another person":   b.verify("ben", scope, a),
			"nobody":           b.verify("", scope, a),
			"a stranger":       b.verify("zoe", scope, a),
			"empty":            b.verify("ada", scope, nil),
			"no JSON":          b.verify("ada", scope, []byte("{")),
			"altered":          b.verify("ada", scope, alter(t, b.sign(key, "ada", scope), "signature")),
			"no user verified": b.verify("ada", scope, alter(t, b.sign(key, "ada", scope), "authenticatorData")),
		} {
			if !errors.Is(err, passkey.ErrAssertion) {
				t.Errorf("%s: %v, want ErrAssertion", what, err)
			}
		}
		if _, err := b.BeginSign(ctx, "zoe", scope); !errors.Is(err, passkey.ErrUnknown) {
			t.Errorf("a stranger is asked to sign: %v", err)
		}
		ids, _ := b.Credentials(ctx, "ada")
		if err := b.write(func(tx *store.Tx) error { return b.Remove(ctx, tx, "ada", ids[0].ID) }); err != nil {
			t.Fatal(err)
		}
		if err := b.write(func(tx *store.Tx) error { return b.Check(ctx, tx, "ada", scope, a) }); !errors.Is(err, passkey.ErrAssertion) {
			t.Errorf("a signature of a removed passkey counts: %v", err)
		}
	})
}

// alter flips the last byte of a member of the response; in authenticator data it clears the flag "user verified".
func alter(t *testing.T, answer []byte, member string) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(answer, &m); err != nil {
		t.Fatal(err)
	}
	r := m["response"].(map[string]any)
	raw, err := base64.RawURLEncoding.DecodeString(r[member].(string))
	if err != nil {
		t.Fatal(err)
	}
	if member == "authenticatorData" {
		raw[32] &^= 0x04
	} else {
		raw[len(raw)-1] ^= 1
	}
	r[member] = base64.RawURLEncoding.EncodeToString(raw)
	out, _ := json.Marshal(m)
	return out
}

// Two copies of one key: the one whose counter is behind is refused.
func TestCopiedKey(t *testing.T) {
	t.Parallel()
	b := open(t, storetest.SQLite(t))
	path := filepath.Join(t.TempDir(), "key.json")
	key, err := softkey.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b.register(key, "ada")
	thief, err := softkey.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte("x"))
	for range 2 {
		if err := b.verify("ada", hash, b.sign(key, "ada", hash)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.verify("ada", hash, b.sign(thief, "ada", hash)); !errors.Is(err, passkey.ErrCloned) {
		t.Errorf("the copy's signature: %v", err)
	}
	again, err := softkey.Open(path)
	if err != nil || !again.Has("ada") || again.Has("ben") {
		t.Errorf("the key read again: %v", err)
	}
}

func TestEnrolment(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := open(t, db)
		enrol := func() (token string) {
			t.Helper()
			if err := b.write(func(tx *store.Tx) (err error) { token, err = b.Enrol(ctx, tx, "ada", "Ada"); return err }); err != nil {
				t.Fatal(err)
			}
			return token
		}
		first := enrol()
		token := enrol()
		if _, _, err := b.Enrolment(ctx, first); !errors.Is(err, passkey.ErrEnrolment) {
			t.Errorf("an enrolment that was replaced: %v", err)
		}
		if person, name, err := b.Enrolment(ctx, token); person != "ada" || name != "Ada" || err != nil {
			t.Errorf("%q %q %v", person, name, err)
		}
		spend := func() error { return b.write(func(tx *store.Tx) error { return b.Spend(ctx, tx, token) }) }
		if err := spend(); err != nil {
			t.Fatal(err)
		}
		if err := spend(); !errors.Is(err, passkey.ErrEnrolment) {
			t.Errorf("spent twice: %v", err)
		}
		token = enrol()
		b.clock.Advance(passkey.EnrolmentLife)
		if _, _, err := b.Enrolment(ctx, token); !errors.Is(err, passkey.ErrEnrolment) {
			t.Errorf("expired: %v", err)
		}
	})
}

// A key that is registered is not registered again, for nobody.
func TestRegisteredOnce(t *testing.T) {
	t.Parallel()
	b, key := open(t, storetest.SQLite(t)), softkey.New()
	options, kept, err := b.BeginRegister(ctx, "ada", "Ada")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := key.Create(options, origin)
	if err != nil {
		t.Fatal(err)
	}
	finish := func(k []byte) error {
		return b.write(func(tx *store.Tx) error { _, err := b.FinishRegister(ctx, tx, k, answer, "a\x00\nb"); return err })
	}
	if err := finish(kept); err != nil {
		t.Fatal(err)
	}
	if err := finish(kept); !errors.Is(err, passkey.ErrRegistered) {
		t.Errorf("twice: %v", err)
	}
	options, kept, _ = b.BeginRegister(ctx, "ada", "Ada")
	if _, err := key.Create(options, origin); err == nil {
		t.Error("the authenticator was not told that it is registered")
	}
	if err := finish(kept); !errors.Is(err, passkey.ErrAssertion) {
		t.Errorf("an answer to another registration: %v", err)
	}
	if all, _ := b.Credentials(ctx, "ada"); len(all) != 1 || all[0].Label != "ab" {
		t.Errorf("%+v", all)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, bad := range []passkey.Config{{RPID: "not a domain", Origins: []string{origin}}, {RPID: "localhost"}, {Origins: []string{origin}}} {
		if bad.Check() == nil {
			t.Errorf("%+v is allowed", bad)
		}
	}
	if err := (passkey.Config{}).Check(); err != nil {
		t.Error(err)
	}
}

// No bytes are a signature.
func FuzzVerify(f *testing.F) {
	db := storetest.SQLite(f)
	storetest.Migrate(f, db, passkey.Schema())
	p, err := passkey.Open(db, passkey.Config{RPID: "localhost", Origins: []string{origin}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	key := softkey.New()
	options, kept, _ := p.BeginRegister(ctx, "ada", "Ada")
	answer, _ := key.Create(options, origin)
	if err := db.Write(ctx, func(tx *store.Tx) error { _, err := p.FinishRegister(ctx, tx, kept, answer, ""); return err }); err != nil {
		f.Fatal(err)
	}
	hash := sha256.Sum256([]byte("scope"))
	options, _ = p.BeginSign(ctx, "ada", hash)
	good, _ := key.Get(options, origin, "ada")
	f.Add(good)
	f.Add([]byte(`{"id":"","rawId":"","type":"public-key","response":{}}`))
	f.Fuzz(func(t *testing.T, assertion []byte) {
		if bytes.Contains(assertion, good[:20]) {
			return // it may be the good one
		}
		if err := db.Write(ctx, func(tx *store.Tx) error { return p.Verify(ctx, tx, "ada", hash, assertion) }); !errors.Is(err, passkey.ErrAssertion) {
			t.Fatalf("%q: %v", assertion, err)
		}
	})
}
