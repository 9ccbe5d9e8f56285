package schedule_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"writ/schedule"
)

func sample() []schedule.Datum {
	return []schedule.Datum{
		{Name: "calls", Category: schedule.CallLog, Tables: []string{"records_call"}, Time: "started", Fields: []schedule.Field{{Name: "started", Meaning: "When."}},
			Purpose: "To show calls.", Retention: "calls", Process: schedule.CourtOrder},
		{Name: "places", Category: schedule.Location, Fields: []schedule.Field{{Name: "country", Meaning: "Where.", Derived: true}},
			Purpose: "Nothing is kept.", Retention: "sign-ins", Process: schedule.Subpoena},
		{Name: "archive", Category: schedule.Ciphertext, Tables: []string{"archive_stanza"}, Fields: []schedule.Field{{Name: "stanza", Meaning: "Bytes."}},
			Purpose: "To bring messages.", Retention: schedule.Account, Process: schedule.Never, Never: "There is no key."},
		{Name: "devices", Category: schedule.Device, Tables: []string{"account_device"}, Fields: []schedule.Field{{Name: "device", Meaning: "Which."}},
			Purpose: "To show devices.", Retention: schedule.Account, Process: schedule.Warrant},
	}
}

var terms = schedule.Terms{"calls": 90 * 24 * time.Hour, "sign-ins": 0, "unused": time.Hour}

func collect(t *testing.T, data []schedule.Datum, terms schedule.Terms) schedule.Schedule {
	t.Helper()
	s, err := schedule.Collect(data, terms)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestVersion: the same schedule has the same version on every machine and in whatever order the rooms declare; any change of a
// word or a term that is used makes another.
func TestVersion(t *testing.T) {
	t.Parallel()
	s := collect(t, sample(), terms)
	reversed := sample()
	slices.Reverse(reversed)
	if other := collect(t, reversed, schedule.Terms{"calls": 90 * 24 * time.Hour, "sign-ins": 0}); other.Version() != s.Version() {
		t.Errorf("order or a term that nobody uses changed the version: %s, %s", s.Version(), other.Version())
	}
	longer := schedule.Terms{"calls": 91 * 24 * time.Hour, "sign-ins": 0}
	if collect(t, sample(), longer).Version() == s.Version() {
		t.Error("another term, the same version")
	}
	data := sample()
	data[0].Purpose += "!"
	if collect(t, data, terms).Version() == s.Version() {
		t.Error("another purpose, the same version")
	}
	for _, line := range bytes.Split(bytes.TrimSpace(s.Canonical()), []byte("\n")) {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// TestText is what a person at a terminal reads.
func TestText(t *testing.T) {
	t.Parallel()
	s := collect(t, sample(), terms)
	var b strings.Builder
	if err := s.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := "Record schedule, version " + s.Version() + `

LOCATION DERIVED FROM IP ADDRESSES
A rough place looked up from the IP address of a sign-in in a database that the operator supplies. It is a guess, no measurement: apps send no position to this server.

  places
    why      Nothing is kept.
    kept     not recorded
    reached  by a subpoena or more
      country        Where. (derived)

DEVICES
The apps that are signed in to the account: the name each gave, and when it was first and last used.

  devices
    why      To show devices.
    kept     as long as the account exists, or until the person removes it
    reached  by a search warrant or more
    tables   account_device
      device         Which.

CALL LOG
Calls that the account's apps signalled: the two parties, audio or video, when it started, was answered and ended, and how it ended.

  calls
    why      To show calls.
    kept     90 days
    reached  by a court order or more
    tables   records_call
      started        When.

CIPHERTEXT
Encrypted messages on their way or in the archive, encrypted files, and the public keys of devices.
Never produced. It is what people say, in a form that the server has no key to. An order that names these bytes goes to counsel.

  archive
    why      To bring messages.
    kept     as long as the account exists, or until the person removes it
    reached  by no process: There is no key.
    tables   archive_stanza
      stanza         Bytes.
`
	if b.String() != want {
		t.Errorf("text:\n%s\nwant\n%s", b.String(), want)
	}
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	order := []schedule.Process{schedule.Subpoena, schedule.CourtOrder, schedule.Warrant}
	for i, p := range order {
		for j, least := range order {
			if got := p.Reaches(least); got != (i >= j) {
				t.Errorf("a %s reaches what needs a %s: %v", p, least, got)
			}
		}
		if p.Reaches(schedule.Never) || schedule.Never.Reaches(p) || p.Reaches("whim") || schedule.Process("whim").Reaches(p) {
			t.Errorf("%s: never and the unknown reach nothing and are reached by nothing", p)
		}
	}
	s := collect(t, sample(), terms)
	for c, want := range map[schedule.Category]schedule.Process{schedule.Device: schedule.Warrant, schedule.CallLog: schedule.CourtOrder, schedule.Ciphertext: schedule.Never, schedule.Blocks: schedule.CourtOrder} {
		if got := s.Floor(c); got != want {
			t.Errorf("the floor of %s is %s, want %s", c, got, want)
		}
	}
}

// TestCategories: each has its words, and what must never leave cannot.
func TestCategories(t *testing.T) {
	t.Parallel()
	for _, c := range schedule.Categories() {
		if c.Title == "" || c.Text == "" || !c.Process.Valid() || (c.Never != "") != (c.Process == schedule.Never) {
			t.Errorf("category %q is not described: %+v", c.Category, c)
		}
	}
	for _, c := range []schedule.Category{schedule.Ciphertext, schedule.Credentials, schedule.CaseFiles, schedule.StaffActions, schedule.Impersonal, "contents", ""} {
		if c.Producible() {
			t.Errorf("%q can be produced", c)
		}
	}
	var held []schedule.Category
	for _, c := range collect(t, sample(), terms).Holds() {
		held = append(held, c.Category)
	}
	if want := []schedule.Category{schedule.Location, schedule.Device, schedule.CallLog, schedule.Ciphertext}; !slices.Equal(held, want) {
		t.Errorf("holds %v, want %v", held, want)
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	for term, want := range map[time.Duration]string{0: "not recorded", 24 * time.Hour: "1 day", 7 * 24 * time.Hour: "7 days", 36 * time.Hour: "36 hours", time.Hour: "1 hour",
		90 * time.Minute: "90 minutes", 1500 * time.Millisecond: "1.5s"} {
		s := collect(t, sample(), schedule.Terms{"calls": term, "sign-ins": 0})
		if got := s.Kept(s.Of(schedule.CallLog)[0]); got != want {
			t.Errorf("%v is %q, want %q", term, got, want)
		}
	}
}
