package story

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"writ/clock"
	"writ/config"
	"writ/desk/registry"
	"writ/passkey/softkey"
	"writ/server"
	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
)

// teams is how many intake, review and approve side by side. A team handles a case from door to door.
const teams = 3

// provider is one house with its people.
type provider struct {
	*writtest.House
	t    *testing.T
	fake *clock.Fake
	key  *softkey.Key

	mu     sync.Mutex
	in     map[string]*writtest.Visitor // signed-in browsers; sessions end when the clock moves
	tokens map[string]string            // of officers, for an hour
	n      int                          // requests filed
	shared sync.Mutex                   // held while a person of no team signs

	pause    []string // what the standing in force was drafted with
	standing string   // its id
	renewed  int      // times that it was renewed after its review date
}

func day(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err) // a date of this file
	}
	return d.Add(10 * time.Hour)
}

// open starts a house in 2019 and has its operator add the first staff.
func open(t *testing.T, name, title string, services ...server.ServiceConfig) *provider {
	t.Helper()
	p := &provider{t: t, fake: clock.NewFake(day("2019-07-01")), key: softkey.New(), in: map[string]*writtest.Visitor{}, tokens: map[string]string{}}
	data := t.TempDir()
	lasting(t, data, name)
	p.House = writtest.Start(t, storetest.SQLite(t), writtest.Fake(p.fake), func(o *server.Options) {
		c := &o.Config
		c.Domain, c.Data, c.Services, c.Desk.Provider = name, data, services, title
		c.Tlog.Cadence, c.Tlog.BatchSize, c.Tlog.Promise = config.Duration(7*24*time.Hour), 1024, config.Duration(28*24*time.Hour)
	})
	roles := map[string]registry.Role{"carl": registry.Counsel, "hana": registry.Rights, "eve": registry.Executive}
	for i := range teams {
		roles[fmt.Sprint("ines", i)], roles[fmt.Sprint("rita", i)], roles[fmt.Sprint("abe", i)] = registry.Intake, registry.Reviewer, registry.Approver
	}
	for id, role := range roles {
		p.operatorAdds(id, role)
	}
	p.agency("hkpf", "Hong Kong Police Force 香港警務處", "HK", "police.gov.hk", "+85228602000")
	p.agency("fbi", "Federal Bureau of Investigation", "US", "fbi.gov", "+12025550142")
	return p
}

// operatorAdds is `writ admin staff add`, and the person following the link.
func (p *provider) operatorAdds(id string, role registry.Role) {
	p.t.Helper()
	ctx := context.Background()
	if _, err := p.Registry.AddStaff(ctx, registry.SystemPerson, registry.Person{ID: id, Name: id, Roles: []registry.Role{role}}); err != nil {
		p.t.Fatal(err)
	}
	var token string
	if err := p.DB.Write(ctx, func(tx *store.Tx) (err error) { token, err = p.Passkeys.Enrol(ctx, tx, id, id); return err }); err != nil {
		p.t.Fatal(err)
	}
	p.enrol(p.EnrolLink(token))
}

// enrol follows a link and registers a passkey.
func (p *provider) enrol(link string) {
	p.t.Helper()
	v := p.Visit(p.t)
	path := strings.TrimPrefix(link, v.Base())
	answer, err := p.key.Create([]byte(v.Post(path+"/options", nil).Body), v.Base())
	if err != nil {
		p.t.Fatal(err)
	}
	p.done(v.Post(path, url.Values{"answer": {string(answer)}, "label": {"key"}}), "enrolling")
}

func (p *provider) done(a writtest.Answer, what string) {
	p.t.Helper()
	if a.Status != 303 {
		p.t.Fatalf("%s: %d\n%s", what, a.Status, plain(a.Body))
	}
}

var enrolLink = regexp.MustCompile(`https://[^/<"]+/enrol/[A-Za-z0-9_-]+`)

// agency registers an agency and an officer for each team.
func (p *provider) agency(id, name, where, domain, phone string) {
	p.t.Helper()
	p.post("ines0", "/staff/agencies", "id", id, "name", name, "jurisdiction", where, "domains", domain, "numbers", phone+" the government's telephone directory")
	for i := range teams {
		officer := fmt.Sprint(id, i)
		p.post("ines0", "/staff/agencies/"+id+"/officers", "id", officer, "name", "Officer "+officer, "mail", officer+"@"+domain, "badge", strconv.Itoa(i))
		p.post("ines0", "/staff/people/"+officer+"/call-back", "number", phone, "spoke_to", "duty officer", "result", registry.Confirmed)
		a := p.as("ines0").Post("/staff/people/"+officer+"/enrol", nil)
		link := enrolLink.FindString(a.Body)
		if link == "" {
			p.t.Fatalf("no link for %s: %d %s", officer, a.Status, plain(a.Body))
		}
		p.enrol(link)
	}
}

// renew confirms and renews all officers, as every half-year must.
func (p *provider) renew() {
	p.t.Helper()
	for id, phone := range map[string]string{"hkpf": "+85228602000", "fbi": "+12025550142"} {
		for i := range teams {
			at := fmt.Sprint("/staff/people/", id, i)
			p.post("ines0", at+"/call-back", "number", phone, "spoke_to", "duty officer", "result", registry.Confirmed)
			p.post("ines0", at+"/renew")
		}
	}
}

// to moves the clock. Everyone's session and token has ended then.
func (p *provider) to(at time.Time) {
	p.t.Helper()
	p.fake.Set(at)
	clear(p.in)
	clear(p.tokens)
}

// as is a person's browser, signed in.
func (p *provider) as(person string) *writtest.Visitor {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.in[person]; v != nil {
		return v
	}
	v := p.Visit(p.t)
	v.SignIn(p.key, person)
	p.in[person] = v
	return v
}

func (p *provider) token(officer string) string {
	v := p.as(officer)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tokens[officer] == "" {
		if p.tokens[officer] = regexp.MustCompile(`writ_[A-Za-z0-9_-]+`).FindString(v.Post("/portal/token", nil).Body); p.tokens[officer] == "" {
			p.t.Fatal("no token for ", officer)
		}
	}
	return p.tokens[officer]
}

// post sends a form of the staff's pages that must be accepted, and says where it led.
func (p *provider) post(person, path string, form ...string) string {
	p.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	a := p.as(person).Post(path, v)
	p.done(a, person+" at "+path)
	place, _, _ := strings.Cut(a.Place, "?")
	return place
}

// call sends a request of an officer's program.
func (p *provider) call(officer, method, path string, in any, out any) {
	p.t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		p.t.Fatal(err)
	}
	a := p.as(officer).Send(method, "/api/v1/"+path, "application/json", bytes.NewReader(b), "Authorization", "Bearer "+p.token(officer))
	if a.Status/100 != 2 {
		p.t.Fatalf("%s %s by %s: %d %s", method, path, officer, a.Status, a.Body)
	}
	if err := json.Unmarshal([]byte(a.Body), out); err != nil {
		p.t.Fatal(err)
	}
}

// lasting puts a certificate into the data folder that holds in 2019 and today: the houses live then, the test's TLS now.
func lasting(t *testing.T, data, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: day("2019-01-01"), NotAfter: time.Now().AddDate(10, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(data, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(filepath.Join(data, "tls", file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var tags = regexp.MustCompile(`<[^>]*>|\s+`)

// plain is a page without its tags, short.
func plain(s string) string {
	if i := strings.Index(s, "<main"); i >= 0 {
		s = s[i:]
	}
	s = strings.Join(strings.Fields(tags.ReplaceAllString(s, " ")), " ")
	return s[:min(len(s), 1500)]
}
