package jid

import (
	"errors"
	"strings"
	"testing"

	foreign "mellium.im/xmpp/jid"
)

// RFC 7622 §3.5 has the first tables; the rest are inputs that servers have taken wrongly.
func TestParse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", MaxPart)
	for _, c := range []struct{ in, local, domain, resource string }{
		{"juliet@example.com", "juliet", "example.com", ""},
		{"juliet@example.com/foo", "juliet", "example.com", "foo"},
		{"juliet@example.com/foo bar", "juliet", "example.com", "foo bar"},
		{"juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"},
		{"foo\\20bar@example.com", "foo\\20bar", "example.com", ""},
		{"fussball@example.com", "fussball", "example.com", ""},
		{"fußball@example.com", "fußball", "example.com", ""},
		{"π@example.com", "π", "example.com", ""},
		{"Σ@example.com/foo", "σ", "example.com", "foo"},
		{"ς@example.com/foo", "ς", "example.com", "foo"},
		{"king@example.com/♚", "king", "example.com", "♚"},
		{"example.com", "", "example.com", ""},
		{"example.com/foobar", "", "example.com", "foobar"},
		{"a.example.com/b@example.net", "", "a.example.com", "b@example.net"},
		{"Juliet@EXAMPLE.com/Foo", "juliet", "example.com", "Foo"},
		{"ｊｕｌｉｅｔ@example.com", "juliet", "example.com", ""},
		{"a@Bücher.example", "a", "bücher.example", ""},
		{"a@xn--bcher-kva.example", "a", "bücher.example", ""},
		{"a@example.com.", "a", "example.com", ""},
		{"a@127.0.0.1", "a", "127.0.0.1", ""},
		{"a@[::1]/b", "a", "[::1]", "b"},
		{"a@[2001:DB8:0::1]", "a", "[2001:db8::1]", ""},
		{"localhost", "", "localhost", ""},
		{"a@b/c/d", "a", "b", "c/d"},
		{"香港@香港.example/𠝹", "香港", "香港.example", "𠝹"},
		{"a@b/x\u00a0y", "a", "b", "x y"},
		{long + "@b/" + long, long, "b", long},
	} {
		j, err := Parse(c.in)
		if err != nil || j.Local() != c.local || j.Domainpart() != c.domain || j.Resource() != c.resource {
			t.Errorf("%q: %q %q %q, %v", c.in, j.Local(), j.Domainpart(), j.Resource(), err)
		}
		if again, err := Parse(j.String()); again != j || err != nil {
			t.Errorf("%q: %q parses to %q, %v", c.in, j, again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", MaxPart+1)
	for _, s := range []string{
		"", "\"juliet\"@example.com", "foo bar@example.com", "juliet@example.com/", "@example.com", "henryⅣ@example.com", "♚@example.com",
		"juliet@", "/foobar", "a@/b", "@", "/", "a&b@c", "a'b@c", "a:b@c", "a<b@c", "a>b@c", "a@b@c", " a@b", "a@b ", "a@b c",
		"a\x00@b", "a@b/\x00", "a@b/\x7f", "a@b/\t", "\xff@b", "a@\xff", "a@b/\xff", long + "@b", "a@b/" + long, "a@" + long,
		"a@b..c", "a@.b", "a@-b", "a@b-", "a@b_c", "a@xn--zz--", "a@[::1", "a@[1.2.3.4]", "a@[fe80::1%25eth0]", "a@[]", "a@256.1.1.1", "a@1.2.3",
		"a@" + strings.Repeat("a", 64), "a@" + strings.Repeat("a.", 127) + "aa", "a\u00ad@b", "\u202ea@b", "a\u0378@b", "אa1@b", "a@.", "aⅣ@b",
	} {
		j, err := Parse(s)
		if err == nil {
			t.Errorf("%q is read as %q", s, j)
		} else if !errors.Is(err, ErrMalformed) || !j.IsZero() {
			t.Errorf("%q: %v %q", s, err, j)
		}
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	j := MustParse("a@b/c")
	if j.Bare() != MustParse("a@b") || j.Domain() != MustParse("b") || !j.Bare().IsBare() || j.IsBare() || !j.Domain().IsDomain() || j.Bare().IsDomain() {
		t.Error("parts of", j)
	}
	if r, err := j.Bare().WithResource("c"); r != j || err != nil {
		t.Error(r, err)
	}
	if r, err := j.WithResource(""); r != j.Bare() || err != nil {
		t.Error(r, err)
	}
	if _, err := (JID{}).WithResource("c"); err == nil {
		t.Error("a resource of nobody")
	}
	if _, err := j.WithResource("\x00"); err == nil {
		t.Error("a NUL as resource")
	}
	if (JID{}).Bare() != (JID{}) || (JID{}).Domain() != (JID{}) || !(JID{}).IsZero() || (JID{}).IsDomain() {
		t.Error("parts of no address")
	}
	if MustParse("a@bücher.example").ASCII() != "xn--bcher-kva.example" || j.ASCII() != "b" {
		t.Error("A-labels")
	}
	var k JID
	if b, _ := j.MarshalText(); k.UnmarshalText(b) != nil || k != j || k.UnmarshalText(nil) != nil || !k.IsZero() || k.UnmarshalText([]byte("@")) == nil {
		t.Error("text of", k)
	}
}

// One person, one account: names that look or sound alike must not open a second one (RFC 7622 §3.3).
func TestVariantsAreOneAccount(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"ALICE@writ.example", "ａlice@writ.example", "Alice@WRIT.example", "alice@ｗrit.example", "alice@writ。example"} {
		if j, err := Parse(s); err != nil || j != MustParse("alice@writ.example") {
			t.Errorf("%q is %q, %v", s, j, err)
		}
	}
}

// FuzzParse: an address has one form, its parts make it again, and what we accept mellium.im/xmpp/jid accepts and reads
// alike. It is stricter than that library in domains alone, which that library barely checks.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a@b/c", "A@B/C", "Σ@ß.example/♚", "a@[::1]", "@", "a@xn--bcher-kva.example", "é@b", "ａ@b/ａ", "a@1.2.3.4", "ﷺ@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		j, err := Parse(s)
		other, otherErr := foreign.Parse(s)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || !j.IsZero() {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if again, err := Parse(j.String()); err != nil || again != j {
			t.Fatalf("%q gives %q, which gives %q, %v", s, j, again, err)
		}
		if again, err := New(j.Local(), j.Domainpart(), j.Resource()); err != nil || again != j {
			t.Fatalf("%q gives %q, whose parts give %q, %v", s, j, again, err)
		}
		if len(j.Local()) > MaxPart || len(j.Resource()) > MaxPart || strings.ContainsAny(j.Local(), "\"&'/:<>@ ") {
			t.Fatalf("%q passed", j)
		}
		if otherErr != nil {
			t.Fatalf("%q: we read %q, mellium refuses: %v", s, j, otherErr)
		}
		if other.Localpart() != j.Local() || other.Resourcepart() != j.Resource() {
			t.Fatalf("%q: we read %q, mellium %q", s, j, other)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("alice@writ.example/phone.0f2c6a1e"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAColumnIsReadIntoAnAddress is what a store does with the text that String gave it.
func TestAColumnIsReadIntoAnAddress(t *testing.T) {
	t.Parallel()
	j := MustParse("old@example.org")
	for column, want := range map[any]string{"juliet@example.org": "juliet@example.org", "": ""} {
		if err := j.Scan(column); err != nil || j.String() != want {
			t.Errorf("%q is read as %q: %v", column, j, err)
		}
	}
	if err := j.Scan([]byte("example.org")); err != nil || j.String() != "example.org" {
		t.Errorf("bytes are read as %q: %v", j, err)
	}
	for _, column := range []any{"@", int64(1), nil} {
		if err := j.Scan(column); !errors.Is(err, ErrMalformed) {
			t.Errorf("%v is read: %v", column, err)
		}
	}
}
