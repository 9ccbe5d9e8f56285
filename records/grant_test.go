package records_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// TestGrantCanonical pins the bytes that people sign: a change would void every grant that is open.
func TestGrantCanonical(t *testing.T) {
	t.Parallel()
	g := records.Grant{Case: "2019-0001", Proposer: "rita", Targets: []string{bob, alice, bob}, Categories: []schedule.Category{schedule.SignIn, schedule.CallLog}, Process: schedule.CourtOrder,
		From: start, To: start.Add(time.Hour), Expires: start.Add(2 * time.Hour).In(time.FixedZone("HKT", 8*3600)), Jurisdiction: "HK", Service: "chat",
		Agency: "hkpf", Instrument: "foreign_order", Received: start, Schedule: "0123456789abcdef"}
	const want = `{"type":"writ extraction grant 1","case":"2019-0001","proposer":"rita","targets":["alice@writ.example","bob@writ.example"],` +
		`"categories":["call-log","sign-in"],"from":"2019-07-01T09:00:00Z","to":"2019-07-01T10:00:00Z","expires":"2019-07-01T11:00:00Z",` +
		`"jurisdiction":"HK","service":"chat","agency":"hkpf","instrument":"foreign_order","process":"court-order","received":"2019-07-01T09:00:00Z",` +
		`"emergency":false,"verifier":"","schedule":"0123456789abcdef"}`
	if got := string(g.Canonical()); got != want {
		t.Errorf("canonical form:\n%s\nwant\n%s", got, want)
	}
	hash := g.Hash()
	if got, want := hex.EncodeToString(hash[:]), "aada3f619afd8067"; !strings.HasPrefix(got, want) {
		t.Errorf("hash %s, want %s…", got, want)
	}
}

func TestProposeRefusesWhatNobodyShouldSign(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), records.Defaults())
	for name, spoil := range map[string]func(*records.Grant){
		"no case":                    func(g *records.Grant) { g.Case = "" },
		"no proposer":                func(g *records.Grant) { g.Proposer = "" },
		"no targets":                 func(g *records.Grant) { g.Targets = nil },
		"too many targets":           func(g *records.Grant) { g.Targets = make([]string, records.MaxTargets+1) },
		"a whole domain":             func(g *records.Grant) { g.Targets = []string{"writ.example"} },
		"a full address":             func(g *records.Grant) { g.Targets = []string{alice + "/phone"} },
		"an address not normalised":  func(g *records.Grant) { g.Targets = []string{"Alice@writ.example"} },
		"a pattern":                  func(g *records.Grant) { g.Targets = []string{"%"} },
		"no categories":              func(g *records.Grant) { g.Categories = nil },
		"credentials":                func(g *records.Grant) { g.Categories = append(g.Categories, schedule.Credentials) },
		"ciphertext":                 func(g *records.Grant) { g.Categories = append(g.Categories, schedule.Ciphertext) },
		"an unknown category":        func(g *records.Grant) { g.Categories = append(g.Categories, "contents") },
		"no window":                  func(g *records.Grant) { g.From, g.To = time.Time{}, time.Time{} },
		"a window the wrong way":     func(g *records.Grant) { g.From, g.To = g.To, g.From },
		"expired":                    func(g *records.Grant) { g.Expires = start },
		"an expiry far off":          func(g *records.Grant) { g.Expires = start.Add(records.MaxGrant + time.Second) },
		"received in the future":     func(g *records.Grant) { g.Received = start.Add(time.Hour) },
		"no agency":                  func(g *records.Grant) { g.Agency = "" },
		"emergency without verifier": func(g *records.Grant) { g.Emergency = true },
	} {
		g := h.grant()
		spoil(&g)
		err := h.write(func(tx *store.Tx) error { _, _, err := h.Gate.Propose(context.Background(), tx, g); return err })
		if !errors.Is(err, records.ErrGrant) {
			t.Errorf("%s: %v, want ErrGrant", name, err)
		}
	}
}

// TestSignHoldsTheTwoPersonRule goes through who may not sign, each with the refusal that says why.
func TestSignHoldsTheTwoPersonRule(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		try := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		id, hash := h.propose(h.grant())
		try("the proposer approves", h.sign(id, hash, rita, records.Approver), records.ErrSelfApproval)
		try("a role that is none", h.sign(id, hash, anna, "executive"), records.ErrSignature)
		try("a signature over something else", h.sign(id, [32]byte{1}, rita, records.Reviewer), records.ErrSignature)
		try("a grant that is none", h.sign("nothing", hash, rita, records.Reviewer), records.ErrUnknown)
		try("another's key", h.write(func(tx *store.Tx) error {
			return h.Gate.Sign(context.Background(), tx, id, anna, records.Approver, h.keys.sign(rita, hash))
		}), records.ErrSignature)
		try("the reviewer signs", h.sign(id, hash, rita, records.Reviewer), nil)
		try("the reviewer signs again, as approver after a change of role", h.sign(id, hash, rita, records.Approver), records.ErrSamePerson)
		try("a second reviewer", h.sign(id, hash, victor, records.Reviewer), records.ErrSignature)
		try("the approver signs", h.sign(id, hash, anna, records.Approver), nil)
		h.must(h.write(func(tx *store.Tx) error { return h.Gate.Close(context.Background(), tx, id, "sent back") }))
		try("a closed grant", h.sign(id, hash, victor, records.Approver), records.ErrClosed)

		g := h.grant()
		g.Emergency, g.Verifier = true, victor
		id, hash = h.propose(g)
		try("the verifier of an emergency reviews", h.sign(id, hash, victor, records.Reviewer), records.ErrVerifier)
		try("the verifier of an emergency approves", h.sign(id, hash, victor, records.Approver), records.ErrVerifier)
		h.clock.Advance(8 * 24 * time.Hour)
		try("an expired grant", h.sign(id, hash, rita, records.Reviewer), records.ErrExpired)
	})
}
