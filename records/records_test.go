package records_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"writ/clock"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// TestDeclareStopsTheStart: a room that keeps what it does not declare does not start.
func TestDeclareStopsTheStart(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	fault := func(change func(*records.Datum), rooms ...records.Room) string {
		r, err := records.New(records.Deps{DB: db, Clock: clock.NewFake(start), Log: slog.New(slog.DiscardHandler), Config: records.Defaults(), Verifier: newKeys(), Standing: &paused{}})
		if err != nil {
			t.Fatal(err)
		}
		d := toy()
		change(&d)
		if err = r.Declare(append(rooms, records.Room{Name: "chat/toy", Tables: true, Data: []records.Datum{d}})...); err == nil {
			return ""
		}
		return err.Error()
	}
	same := func(*records.Datum) {}
	for want, got := range map[string]string{
		"room chat/hoard has tables and declares no data":            fault(same, records.Room{Name: "chat/hoard", Tables: true}),
		`names the table roster_item, which is not of room toy`:      fault(func(d *records.Datum) { d.Tables = []string{"roster_item"} }),
		`two data have the name "toys"`:                              fault(same, records.Room{Name: "toy", Data: []records.Datum{toy()}}),
		`no retention setting "a-while"`:                             fault(func(d *records.Datum) { d.Retention = "a-while" }),
		"have a term and nobody sweeps them":                         fault(func(d *records.Datum) { d.Sweep = nil }),
		"rows about an account need an Erase":                        fault(func(d *records.Datum) { d.Erase = nil }),
		"has an Export exactly if some process reaches it":           fault(func(d *records.Datum) { d.Export = nil }),
		"category ciphertext is never produced":                      fault(func(d *records.Datum) { d.Category = schedule.Ciphertext }),
		"unknown category":                                           fault(func(d *records.Datum) { d.Category = "contents" }),
		"unknown process":                                            fault(func(d *records.Datum) { d.Process = "whim" }),
		"purpose and retention must be said":                         fault(func(d *records.Datum) { d.Purpose = "" }),
		`the time field "when" is not among the fields`:              fault(func(d *records.Datum) { d.Time = "when" }),
		`rows kept for good or while the account lives are not swep`: fault(func(d *records.Datum) { d.Retention = schedule.Account }),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want it to say %q", got, want)
		}
	}
	if err := fault(same); err != "" {
		t.Errorf("a sound room: %s", err)
	}
}

// TestCheckStopsTheStart: the migrated database is what counts, whatever the rooms say.
func TestCheckStopsTheStart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		storetest.Migrate(t, db, toySchema)
		storetest.Migrate(t, db, records.Schemas()...)
		deps := records.Deps{DB: db, Clock: clock.NewFake(start), Log: slog.New(slog.DiscardHandler), Config: records.Defaults(), Verifier: newKeys(), Standing: &paused{}}
		r, err := records.New(deps)
		if err == nil {
			err = r.Declare()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "the table toy_note is declared by no datum") {
			t.Errorf("an undeclared table: %v", err)
		}
		if r, err = records.New(deps); err != nil {
			t.Fatal(err)
		}
		d := toy()
		d.Tables = append(d.Tables, "toy_gone")
		if err := r.Declare(records.Room{Name: "toy", Tables: true, Data: []records.Datum{d}}); err != nil {
			t.Fatal(err)
		}
		if err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "the declared table toy_gone does not exist") {
			t.Errorf("a declared table that does not exist: %v", err)
		}
	})
}

// TestScheduleVersion: what was held at a time can be said later.
func TestScheduleVersion(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), records.Defaults())
	first := h.Schedule().Version()
	h.must(h.Check(t.Context()))
	if n := h.count(`SELECT count(*) FROM records_schedule`); n != 1 {
		t.Errorf("%d versions after two starts with one schedule", n)
	}
	c := records.Defaults()
	c.SignIns /= 2
	r, err := records.New(records.Deps{DB: h.db, Clock: h.clock, Log: slog.New(slog.DiscardHandler), Config: c, Verifier: h.keys, Standing: h.pause})
	h.must(err)
	h.must(r.Declare())
	h.must(r.Check(t.Context()))
	if n := h.count(`SELECT count(*) FROM records_schedule`); n != 2 || r.Schedule().Version() == first {
		t.Errorf("%d versions after a changed setting", n)
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	if err := records.Defaults().Check(); err != nil {
		t.Error(err)
	}
	for key, spoil := range map[string]func(*records.Config){
		"calls": func(c *records.Config) { c.Calls = -1 },
		"cases": func(c *records.Config) { c.Cases = 1 },
		"sweep": func(c *records.Config) { c.Sweep *= 10 },
		"scrub": func(c *records.Config) { c.Scrub = c.Scrub * 12 / 10 },
	} {
		c := records.Defaults()
		spoil(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestRecorderCleansWhatAppsTell: an app can say anything of itself; it is stored bounded, printable and valid.
func TestRecorderCleansWhatAppsTell(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		h.must(h.write(func(tx *store.Tx) error {
			return h.Recorder.SignIn(context.Background(), tx, records.SignIn{Account: alice, Time: start, Addr: netip.MustParseAddrPort("[::ffff:192.0.2.9]:1"),
				Client: "a\x00b\nc\xff" + strings.Repeat("香", 100), Device: strings.Repeat("d", 300)})
		}))
		var ip, client, device string
		h.must(db.QueryRow(t.Context(), `SELECT ip, client, device FROM records_signin`).Scan(&ip, &client, &device))
		if ip != "192.0.2.9" || client != "abc"+strings.Repeat("香", 65) || device != strings.Repeat("d", 200) {
			t.Errorf("stored %q %q %q", ip, client, device)
		}
	})
}

func TestSeenNeverMovesBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		for _, at := range []time.Time{start, start.Add(time.Hour), start.Add(time.Minute)} {
			h.must(h.write(func(tx *store.Tx) error { return h.Recorder.Seen(context.Background(), tx, alice, at) }))
		}
		if own := h.own(alice); !strings.Contains(own, "last-seen: 2019-07-01T10:00:00Z") {
			t.Error(own)
		}
	})
}

// TestLocation: a place is looked up in the operator's file when it is asked for, and says that it is derived.
func TestLocation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "places.mmdb")
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Places", BuildEpoch: start.Unix(), RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	_, network, _ := net.ParseCIDR("203.0.113.0/24")
	if err := tree.Insert(network, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("HK")},
		"city": mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Kowloon")}}}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	file.Close()

	c := records.Defaults()
	c.Location = path
	h := open(t, storetest.SQLite(t), c)
	h.signIn(alice, "203.0.113.5", "Dino")
	h.clock.Advance(time.Second)
	h.signIn(alice, "10.0.0.1", "Dino") // the file does not know it
	want := "alice@writ.example locations: 2019-07-01T09:00:00Z 203.0.113.5 HK  Kowloon 2019-07-01T09:00:00Z"
	if own := h.own(alice); !strings.Contains(own, want) || strings.Count(own, "locations:") != 1 {
		t.Errorf("own records:\n%s\nwant one line\n%s", own, want)
	}
	for _, d := range h.Schedule().Of(schedule.Location) {
		for _, f := range d.Fields[2:] {
			if !f.Derived {
				t.Errorf("field %s is not marked as derived", f.Name)
			}
		}
	}
	for jurisdiction, want := range map[string]bool{"HK": false, "US": true, "HK-X": false} { // Bob has no sign-in: nothing is known of him
		for who, want := range map[string]bool{alice: want, bob: false} {
			h.exec(`DELETE FROM records_signin WHERE ip = '10.0.0.1'`)
			if got, err := h.Keeper.Elsewhere(t.Context(), who, jurisdiction); err != nil || got != want {
				t.Errorf("%s is outside %s: %v %v, want %v", who, jurisdiction, got, err, want)
			}
		}
	}
	c.Location = filepath.Join(t.TempDir(), "none.mmdb")
	if _, err := records.New(records.Deps{DB: h.db, Clock: h.clock, Log: slog.New(slog.DiscardHandler), Config: c, Verifier: h.keys, Standing: h.pause}); err == nil {
		t.Error("a location file that is missing must stop the start")
	}
}

// TestNothingIsRecordedOfTheGone: a session's end comes after its account's erasure, and must not write the account down again.
func TestNothingIsRecordedOfTheGone(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	storetest.Migrate(t, db, records.Schemas()...)
	gone := func(_ context.Context, _ store.Reader, account string) (bool, error) { return account != alice, nil }
	r, err := records.New(records.Deps{DB: db, Clock: clock.NewFake(start), Log: slog.New(slog.DiscardHandler), Config: records.Defaults(), Verifier: newKeys(), Standing: &paused{}, Living: gone})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		for _, who := range []string{alice, bob} {
			if err := r.Recorder.SignIn(t.Context(), tx, records.SignIn{Account: who, Time: start}); err != nil {
				return err
			}
			if err := r.Recorder.Seen(t.Context(), tx, who, start); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var who string
	var n int
	if err := db.QueryRow(t.Context(), `SELECT count(*), max(account) FROM (SELECT account FROM records_signin UNION ALL SELECT account FROM records_seen) AS rows`).Scan(&n, &who); err != nil || n != 2 || who != bob {
		t.Errorf("%d rows, of %s: %v; want 2, of %s", n, who, err, bob)
	}
}
