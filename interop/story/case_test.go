package story

import (
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"time"

	"writ/writtest"
)

// request is one request and what becomes of it.
type request struct {
	agency, where, service, instrument string
	accounts                           []string
	end                                ending
	id                                 string
	team                               int
}

type ending int

const (
	deliver ending = iota
	refuse
	hold     // a pause stops it at the door
	reviewed // it is reviewed, and nothing of it may be given
	except   // a pause stops it, and counsel and human-rights lead admit it
	turned   // it is refused at the door
)

// look is what the staff's pages say of a case.
type look struct {
	State, Paused string
	Actions       []struct{ Command, Hash, Blocked, Exception string }
}

func (p *provider) look(person, id string) look {
	p.t.Helper()
	var l look
	a := p.as(person).Get("/staff/cases/" + id + ".json")
	if err := json.Unmarshal([]byte(a.Body), &l); err != nil {
		p.t.Fatalf("%s looks at %s: %d %s", person, id, a.Status, plain(a.Body))
	}
	return l
}

// await looks at a case until the desk's clockwork has brought it to a state.
func (p *provider) await(person, id, state string) {
	p.t.Helper()
	for end := time.Now().Add(writtest.Patience); ; runtime.Gosched() {
		l := p.look(person, id)
		if l.State == state {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s is %s; want %s", id, l.State, state)
		}
	}
}

func (p *provider) step(person, id, command string, form ...string) {
	p.t.Helper()
	p.post(person, "/staff/cases/"+id+"/"+command, form...)
}

// sign signs what the page shows for a command.
func (p *provider) sign(person, id, command string) {
	p.t.Helper()
	l := p.look(person, id)
	for _, a := range l.Actions {
		if a.Command != command || a.Hash == "" || a.Blocked != "" {
			continue
		}
		form := []string{"hash", a.Hash, "assertion", p.as(person).Sign(p.key, person, a.Hash)}
		if a.Exception != "" {
			form = append(form, "exception", a.Exception)
		}
		p.step(person, id, command, form...)
		return
	}
	p.t.Fatalf("%s cannot %s %s (%s): %+v", person, command, id, l.State, l.Actions)
}

// file files a request by the API and looks at what the officer is told.
func (p *provider) file(r *request) {
	p.t.Helper()
	p.mu.Lock()
	p.n++
	n := p.n
	p.mu.Unlock()
	in := map[string]any{"service": r.service, "instrument": r.instrument, "jurisdiction": r.where, "legal_basis": "Police Force Ordinance, Cap. 232, section 50",
		"reference": fmt.Sprint("CN ", n), "identifiers": r.accounts, "categories": []string{"subscriber", "sign-in"},
		"documents": []any{map[string]any{"name": "request.pdf", "body": fmt.Appendf(nil, "%%PDF-1.7\n%% request %d\nstartxref\n0\n%%%%EOF\n", n)}}}
	if r.where == "US" {
		in["legal_basis"] = "18 USC 2703(c)(1)(A)"
	}
	if r.instrument == "emergency" {
		in["facts"], in["supervisor"] = "Danger to life: a person is missing.", "Superintendent on duty"
	}
	var out struct {
		ID, State, Answer string
		Receipt           struct{ Promise string }
	}
	p.call(fmt.Sprint(r.agency, r.team), "POST", "requests", in, &out)
	if out.ID == "" || out.Receipt.Promise == "" || out.Answer == "" {
		p.t.Fatalf("filed without a receipt: %+v", out)
	}
	r.id = out.ID
}

// handle takes a request as far as it comes on the day it is received.
func (p *provider) handle(r *request) {
	p.t.Helper()
	p.file(r)
	ines, rita, abe := fmt.Sprint("ines", r.team), fmt.Sprint("rita", r.team), fmt.Sprint("abe", r.team)
	switch r.end {
	case hold:
		p.await(ines, r.id, "standstill")
		return
	case turned:
		p.await(ines, r.id, "refused")
		return
	}
	if r.instrument == "emergency" {
		phone := map[string]string{"HK": "+85228602000", "US": "+12025550142"}[r.where]
		p.step(ines, r.id, "authenticate", "number", phone, "spoke_to", "duty officer", "result", "confirmed")
	} else {
		p.step(ines, r.id, "authenticate")
	}
	p.step(ines, r.id, "screen")
	p.step(rita, r.id, "begin_review")
	switch r.end {
	case refuse:
		p.step(rita, r.id, "refuse", "reasons", "request.overbroad")
		return
	case reviewed:
		return
	}
	p.step(rita, r.id, "propose")
	p.sign(rita, r.id, "sign_scope")
	p.sign(abe, r.id, "sign_scope")
	if r.end == except {
		p.await(rita, r.id, "standstill")
		p.alone(func() {
			p.sign("carl", r.id, "admit")
			p.sign("hana", r.id, "admit")
		})
	}
	p.step(rita, r.id, "extract")
	p.await(rita, r.id, "second_approval")
}

// alone keeps the teams apart where they share a person: an authenticator signs one thing after the other.
func (p *provider) alone(f func()) {
	p.shared.Lock()
	defer p.shared.Unlock()
	f()
}

// release has two people sign the package, after the person's week, and the officer take it.
func (p *provider) release(r *request) {
	p.t.Helper()
	p.sign(fmt.Sprint("abe", r.team), r.id, "sign_release")
	p.sign(fmt.Sprint("rita", r.team), r.id, "sign_release")
	officer := fmt.Sprint(r.agency, r.team)
	a := p.as(officer).Post("/portal/cases/"+r.id+"/download", nil) // a program's token does not do: it wants the passkey
	if a.Status != 200 || len(a.Body) == 0 {
		p.t.Fatalf("the package of %s: %d %s", r.id, a.Status, a.Body)
	}
}

// each has the teams work on requests side by side. Who began with one goes on with it.
func (p *provider) each(list []*request, do func(*request)) {
	p.t.Helper()
	for i, r := range list {
		if r.id == "" {
			r.team = i % teams
		}
	}
	var wg sync.WaitGroup
	for team := range teams {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for _, r := range list {
				if r.team == team {
					do(r)
				}
			}
		}()
	}
	wg.Wait()
	if p.t.Failed() {
		p.t.FailNow()
	}
}
