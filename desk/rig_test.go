package desk

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"writ/clock"
	"writ/config"
	"writ/desk/diligence"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/obs"
	"writ/passkey"
	"writ/passkey/softkey"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
	"writ/tlog"
)

// house is a desk with everything real beneath it: store, passkeys signed by a software authenticator, log, records. Only the chat
// is a table of three rows, and what people are told lands in a list.
type house struct {
	t     testing.TB
	db    *store.DB
	clock *clock.Fake
	desk  *Desk
	keys  *passkey.Passkeys
	soft  *softkey.Key
	recs  *records.Records
	log   *tlog.Log
	box   *mailbox
}

// mailbox is the messenger and the notifier of a test.
type mailbox struct {
	mu   sync.Mutex
	sent []string // "account: subject"
	body []string
	told []string // "jurisdiction: statement"
	seen map[string]bool
	fail error
}

func (b *mailbox) Send(_ context.Context, id, account, subject, body string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	if b.seen[id] {
		return nil
	}
	b.seen[id] = true
	b.sent, b.body = append(b.sent, account+": "+subject), append(b.body, body)
	return nil
}

func (b *mailbox) Announce(_ context.Context, id, jurisdiction, statement string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.seen[id] {
		b.seen[id] = true
		b.told = append(b.told, jurisdiction+": "+statement)
	}
	return nil
}

//go:embed testdata/chat
var chatSchema embed.FS

// chat is the room that the test's records stand in: when whose app signed in.
func chat() records.Room {
	return records.Room{Name: "sample", Tables: true, Data: []records.Datum{
		{Datum: schedule.Datum{Name: "users", Category: schedule.Subscriber, Tables: []string{"sample_user"}, Fields: []schedule.Field{{Name: "address", Meaning: "The address."}, {Name: "created", Meaning: "When it was made."}},
			Purpose: "To sign in.", Retention: schedule.Account, Process: schedule.Subpoena},
			Export: func(ctx context.Context, o *records.Opened, emit func(...any) error) error {
				rows, err := o.Query(ctx, `SELECT account, created FROM sample_user WHERE account = $1`, o.Account())
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					var a string
					var at int64
					if err := rows.Scan(&a, &at); err != nil {
						return err
					}
					if err := emit(a, store.FromTime(at)); err != nil {
						return err
					}
				}
				return rows.Err()
			},
			Erase: func(context.Context, *store.Tx, string) error { return nil }},
	}}
}

// people of the test: who holds which roles.
var staff = map[string][]Role{"ines": {registry.Intake}, "rita": {registry.Reviewer}, "abe": {registry.Approver}, "carl": {registry.Counsel},
	"hana": {registry.Rights}, "eve": {registry.Executive}, "adam": {registry.Admin}, "both": {registry.Reviewer, registry.Approver}}

const origin = "http://localhost"

func newHouse(t testing.TB, db *store.DB) *house {
	return newHouseAt(t, db, time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC))
}

func newHouseAt(t testing.TB, db *store.DB, at time.Time) *house {
	h := &house{t: t, db: db, clock: clock.NewFake(at), soft: softkey.New(), box: &mailbox{seen: map[string]bool{}}}
	schemas := append(Schemas(), records.Schemas()...)
	schemas = append(schemas, passkey.Schema(), tlog.Schema(), store.Schema{Room: "sample", FS: chatSchema})
	for i := range schemas {
		if schemas[i].Room == "sample" {
			schemas[i].FS = sub(t)
		}
	}
	storetest.Migrate(t, db, schemas...)
	h.build()
	ctx := t.Context()
	must(t, db.Write(ctx, func(tx *store.Tx) error {
		for _, a := range []string{"alice", "bob"} {
			if _, err := tx.Exec(ctx, `INSERT INTO sample_user (account, created) VALUES ($1, $2)`, a+"@chat.example", store.Time(at.AddDate(0, -6, 0))); err != nil {
				return err
			}
		}
		return nil
	}))
	for id, roles := range staff {
		_, err := h.desk.registry.AddStaff(ctx, registry.SystemPerson, registry.Person{ID: id, Name: strings.ToUpper(id), Roles: roles})
		must(t, err)
		h.enrol(id)
	}
	for _, x := range []struct{ id, j, domain string }{{"hkpf", "HK", "police.gov.hk"}, {"fbi", "US", "fbi.gov"}} {
		_, err := h.desk.registry.AddAgency(ctx, "ines", registry.Agency{ID: x.id, Name: "Agency " + x.id, Jurisdiction: x.j, Domains: []string{x.domain},
			Numbers: []registry.Number{{Phone: "+85228602000", Source: "the government's directory"}}})
		must(t, err)
		_, err = h.desk.registry.AddOfficer(ctx, "ines", registry.Person{ID: "of-" + x.id, Name: "Officer", Mail: "o@" + x.domain, Agency: x.id})
		must(t, err)
		_, err = h.desk.registry.RecordCallBack(ctx, "ines", registry.CallBack{Officer: "of-" + x.id, Number: "+852 2860 2000", SpokeTo: "duty officer", Result: registry.Confirmed})
		must(t, err)
	}
	return h
}

// build makes the rooms on the database as it is: also after a crash.
func (h *house) build() {
	t := h.t
	var err error
	h.keys, err = passkey.Open(h.db, passkey.Config{RPID: "localhost", Name: "Writ", Origins: []string{origin}}, h.clock)
	must(t, err)
	h.recs, err = records.New(records.Deps{DB: h.db, Clock: h.clock, Log: obs.Discard(), Config: records.Defaults(), Verifier: h.keys, Standing: standing.Guard{Clock: h.clock}})
	must(t, err)
	must(t, h.recs.Declare(append(Rooms(), chat(), records.Room{Name: "passkey", Tables: true, Data: records.Words(passkey.Data()...)}, records.Room{Name: "tlog", Tables: true, Data: records.Words(tlog.Data()...)})...))
	dir := t.TempDir()
	c := tlog.Config{Origin: "log.example", Dir: filepath.Join(dir, "log"), Key: filepath.Join(dir, "key"), Cadence: config.Duration(time.Hour)}
	key, err := tlog.LoadKey(c.Key, c.Origin)
	must(t, err)
	m := obs.NewMetrics()
	h.log, err = tlog.New(h.db, h.clock, c, key, obs.Discard(), m)
	must(t, err)
	h.desk, err = New(Deps{DB: h.db.Scoped(Prefixes()...), Clock: h.clock, Log: obs.Discard(), Passkeys: h.keys, Tlog: h.log, Signer: key, VKey: key.VKey(), Gate: h.recs.Gate,
		Schedule: h.recs.Schedule, Messenger: h.box, Notifier: h.box, Config: Defaults(), HouseKey: [32]byte{1, 2, 3},
		Services: []Service{{ID: "chat", Name: "Chat", Domain: "chat.example", Connected: true}, {ID: "photos", Name: "Photos"}}})
	must(t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// enrol gives a person a passkey.
func (h *house) enrol(person string) {
	h.t.Helper()
	options, kept, err := h.keys.BeginRegister(h.t.Context(), person, person)
	must(h.t, err)
	answer, err := h.soft.Create(options, origin)
	must(h.t, err)
	must(h.t, h.db.Write(h.t.Context(), func(tx *store.Tx) error {
		_, err := h.keys.FinishRegister(h.t.Context(), tx, kept, answer, "test")
		return err
	}))
}

// sign makes a person's assertion over a hash.
func (h *house) sign(person string, hash [32]byte) []byte {
	h.t.Helper()
	options, err := h.keys.BeginSign(h.t.Context(), person, hash)
	must(h.t, err)
	a, err := h.soft.Get(options, origin, person)
	must(h.t, err)
	return a
}

func as(id string) Actor { return Actor{Person: id, Auth: ByPasskey} }

func pdf(s string) []byte { return []byte("%PDF-1.7\n" + s + "\nstartxref\n0\n%%EOF\n") }

func (h *house) filing() Filing {
	return Filing{Channel: intake.Portal, Service: "chat", Instrument: law.SearchWarrant, LegalBasis: "Cap. 1, section 2", Reference: "CN 1",
		Identifiers: []string{"alice@chat.example"}, Categories: []law.Category{schedule.Subscriber, schedule.CallLog},
		Documents: []intake.Document{{Name: "warrant.pdf", Body: pdf(fmt.Sprint(h.clock.Now()))}}}
}

func (h *house) file(officer string, edit ...func(*Filing)) string {
	h.t.Helper()
	f := h.filing()
	for _, e := range edit {
		e(&f)
	}
	r, err := h.desk.File(h.t.Context(), as(officer), f)
	must(h.t, err)
	return r.Case
}

// do runs a command that must succeed.
func (h *house) do(who, id string, c Command) Case {
	h.t.Helper()
	k, err := h.desk.Do(h.t.Context(), as(who), id, c)
	if err != nil {
		h.t.Fatalf("%s by %s: %v", c.Name(), who, err)
	}
	return k
}

// refused runs a command that must be refused with the code.
func (h *house) refused(code, who, id string, c Command) {
	h.t.Helper()
	_, err := h.desk.Do(h.t.Context(), as(who), id, c)
	if got := codeOf(err); got != code {
		h.t.Fatalf("%s by %s: %v; want %s", c.Name(), who, err, code)
	}
}

func codeOf(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	if err == nil {
		return "done"
	}
	return err.Error()
}

func (h *house) get(id string) Case {
	h.t.Helper()
	c, _, _, err := h.desk.load(h.t.Context(), h.db, id)
	must(h.t, err)
	return c
}

func (h *house) tick() {
	h.t.Helper()
	must(h.t, h.desk.Tick(h.t.Context()))
}

func (h *house) want(id string, s State) Case {
	h.t.Helper()
	c := h.get(id)
	if c.State != s {
		h.t.Fatalf("the case is %s; want %s", c.State, s)
	}
	return c
}

// toReview takes a case to the reviewer.
func (h *house) toReview(id string) {
	h.do("ines", id, Authenticate{})
	h.do("ines", id, Screen{})
	h.do("rita", id, BeginReview{})
}

// toApproved has the scope signed by two.
func (h *house) toApproved(id string) {
	h.do("rita", id, Propose{})
	p := h.get(id).Proposal
	h.do("rita", id, SignScope{Assertion: h.sign("rita", p.Hash)})
	h.do("abe", id, SignScope{Assertion: h.sign("abe", p.Hash)})
}

// toPackage has it extracted.
func (h *house) toPackage(id string) {
	h.do("rita", id, Extract{})
	h.tick()
}

// toDelivered waits the notice out and has the package signed by two.
func (h *house) toDelivered(id string) {
	h.clock.Advance(7*24*time.Hour + time.Minute)
	p := h.want(id, SecondApproval).Package
	h.do("abe", id, SignRelease{Assertion: h.sign("abe", p.Hash)})
	h.do("rita", id, SignRelease{Assertion: h.sign("rita", p.Hash)})
}

// pause puts a standing in force for Hong Kong.
func (h *house) pause(stage standing.Stage, edit ...func(*standing.Record)) standing.Record {
	h.t.Helper()
	r := standing.Record{Stage: stage, Scope: standing.Scope{Jurisdictions: []string{"HK"}}, Resume: []string{"Due diligence is complete."}, Statement: "We pause."}
	for _, e := range edit {
		e(&r)
	}
	r, err := h.desk.Standings().Draft(h.t.Context(), "carl", r)
	must(h.t, err)
	for _, x := range []struct {
		who  string
		role Role
	}{{"carl", registry.Counsel}, {"hana", registry.Rights}, {"eve", registry.Executive}} {
		if len(r.Needs) < 3 && x.role == registry.Executive {
			continue
		}
		r, err = h.desk.Standings().Sign(h.t.Context(), x.who, r.ID, x.role, h.sign(x.who, r.Hash))
		must(h.t, err)
	}
	if r.InForce.IsZero() {
		h.t.Fatal("the standing is not in force")
	}
	return r
}

func sub(t testing.TB) fs.FS {
	f, err := fs.Sub(chatSchema, "testdata/chat")
	must(t, err)
	return f
}

var gagged = intake.Gag{Issuer: "District Court", Until: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)}

func registryCallBack(officer, id string) registry.CallBack {
	return registry.CallBack{Officer: officer, Case: id, Number: "+85228602000", SpokeTo: "duty officer", Result: registry.Confirmed}
}

// assessment writes and signs one.
func (h *house) assessment() string {
	h.t.Helper()
	b := h.desk.Assessments()
	a, err := b.Write(h.t.Context(), "hana", "", diligence.Content{Trigger: "The law came into force.", TriggerDate: h.clock.Now(), Scope: diligence.Scope{Jurisdictions: []string{"HK"}},
		Facts: []diligence.Fact{{Text: "Article 43 fines and jails.", Source: "the gazette"}}, Rights: []string{"expression"}, Risks: []diligence.Risk{{Text: "arrest", Scale: 5, Scope: 3, Remediability: 5, Likelihood: 3}},
		Options: []diligence.Option{{Text: "pause"}}, StaffSafety: "No staff there.", Decision: "resume", Interim: "acknowledge", Resume: []string{"reviewed"}, Publication: "We assessed."})
	must(h.t, err)
	for who, role := range map[string]Role{"carl": registry.Counsel, "hana": registry.Rights, "eve": registry.Executive} {
		_, err = b.Sign(h.t.Context(), who, a.ID, 1, role, h.sign(who, a.Hash))
		must(h.t, err)
	}
	return a.ID
}
