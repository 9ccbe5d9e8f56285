package disco

import (
	"strings"
	"testing"

	"writ/xmpp/feature"
	"writ/xmpp/xml"
)

// The examples of XEP-0115 §5.2 and §5.3.
func TestVerificationString(t *testing.T) {
	t.Parallel()
	simple := `<query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' name='Exodus 0.9.1' type='pc'/>` +
		`<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>` +
		`<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/></query>`
	complex := `<query xmlns='http://jabber.org/protocol/disco#info'>` +
		`<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/><identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>` +
		`<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>` +
		`<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>` +
		`<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>` +
		`<field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field><field var='os'><value>Mac</value></field>` +
		`<field var='os_version'><value>10.5.1</value></field><field var='software'><value>Psi</value></field>` +
		`<field var='software_version'><value>0.11</value></field></x></query>`
	for _, c := range []struct{ name, xml, ver string }{
		{"simple generation example", simple, "QgayPKawpkPSDYmwT/WM94uAlu0="},
		{"complex generation example", complex, "q07IKJEyjvHSyhy//CH0CxmKi8w="},
	} {
		el, err := xml.Parse([]byte(c.xml), "")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := verOf(el); err != nil || got != c.ver {
			t.Errorf("%s: want %s, have %s (%v)", c.name, c.ver, got, err)
		}
	}
}

// XEP-0115 §5.4: an answer that several hashes could stand for is not used.
func TestAmbiguousAnswersAreRefused(t *testing.T) {
	t.Parallel()
	const head = `<query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' type='pc'/>`
	form := `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>a</value></field></x>`
	for name, body := range map[string]string{
		"duplicate feature":     `<feature var='a'/><feature var='a'/>`,
		"duplicate identity":    `<identity category='client' type='pc'/>`,
		"two forms of one type": form + form,
		"a form with two types": strings.Replace(form, "</value>", "</value><value>b</value>", 1),
	} {
		el, err := xml.Parse([]byte(head+body+`</query>`), "")
		if err != nil {
			t.Fatal(err)
		}
		if v, err := verOf(el); err == nil {
			t.Errorf("%s: accepted as %s", name, v)
		}
	}
}

func TestCacheForgetsTheLeastRecent(t *testing.T) {
	t.Parallel()
	c := newCapsCache(2)
	c.put(&feature.Caps{Ver: "a"})
	c.put(&feature.Caps{Ver: "b"})
	c.get("a")
	c.put(&feature.Caps{Ver: "c"})
	if c.get("b") != nil || c.get("a") == nil || c.get("c") == nil {
		t.Error("want a and c kept, b forgotten")
	}
}

// XEP-0115 §5.1: what we say of ourselves has the hash that a client computes of the answer, forms included.
func TestOwnHashWithForms(t *testing.T) {
	t.Parallel()
	form := `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>` +
		`<field var='support-addresses'><value>xmpp:b@x</value></field><field var='abuse-addresses'><value>xmpp:b@x</value><value>mailto:a@x</value></field></x>`
	info := &feature.Info{Identities: []feature.Identity{{Category: "server", Type: "im", Name: "Writ"}}, Features: []string{"b", "a"}, Forms: [][]byte{[]byte(form)}}
	q, err := xml.Parse([]byte(`<query xmlns='`+InfoNS+`'><feature var='a'/><identity category='server' type='im' name='Writ'/><feature var='b'/>`+form+`</query>`), "")
	if err != nil {
		t.Fatal(err)
	}
	want, err := verOf(q)
	if got := Ver(info); err != nil || got != want {
		t.Errorf("%s, want %s (%v)", got, want, err)
	}
	info.Forms = nil
	if Ver(info) == want {
		t.Error("the form does not count")
	}
}
