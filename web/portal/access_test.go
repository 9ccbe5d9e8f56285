package portal_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"writ/desk"
	"writ/desk/registry"
)

// Each endpoint of the portal and of the API × each role × each state of a request: the requester does what the table of states offers
// and nothing else; a colleague, an officer elsewhere, the staff and strangers reach nothing, and nobody's try changes anything.
func TestEveryEndpointByRoleAndState(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.colleagues()
	everyone := map[string]*person{"nobody": s.nobody()}
	programs := map[string]*person{"nobody": s.nobody()}
	for _, id := range []string{"olive", "otto", "oscar", "ines", "rosa", "amir", "cleo", "hana", "ewan", "ada"} {
		everyone[id] = s.as(id)
		programs[id] = s.program(everyone[id])
	}
	_, _, head := everyone["olive"].upload("/portal/new", good(), file{"order.pdf", pdf})
	id := strings.TrimSuffix(strings.TrimPrefix(head.Get("Location"), "/portal/cases/"), "?filed=1")
	do := func(who string, c desk.Command) {
		t.Helper()
		if _, err := s.h.Desk.Do(t.Context(), desk.Actor{Person: who, Auth: desk.ByDev}, id, c); err != nil {
			t.Fatalf("%s by %s: %v", c.Name(), who, err)
		}
	}
	seen := 0
	for _, step := range []struct {
		state desk.State
		who   string
		c     desk.Command
	}{
		{desk.Received, "ines", desk.Authenticate{Note: "called back"}}, {desk.Authenticated, "ines", desk.Screen{}}, {desk.Screened, "rosa", desk.BeginReview{}},
		{desk.UnderReview, "rosa", desk.Ask{Text: "Which month?"}}, {desk.Clarification, "olive", desk.Answer{Text: "March."}},
		{desk.UnderReview, "rosa", desk.Refuse{Reasons: []string{"policy.no_row"}, Text: "no"}}, {desk.Refused, "", nil},
	} {
		c, err := s.h.Desk.Case(t.Context(), desk.Actor{Person: "cleo", Auth: desk.ByDev}, id)
		if err != nil || c.State != step.state {
			t.Fatalf("the request is %s, want %s (%v)", c.State, step.state, err)
		}
		offered := s.offered(id)
		for name := range everyone {
			seen += s.tries(everyone[name], name, id, step.state, offered, false) + s.tries(programs[name], name, id, step.state, offered, true)
		}
		if after, err := s.h.Desk.Case(t.Context(), desk.Actor{Person: "cleo", Auth: desk.ByDev}, id); err != nil || after.Seq != c.Seq {
			t.Fatalf("%s: what was refused has changed the request (%v)", step.state, err)
		}
		if step.c != nil {
			do(step.who, step.c)
		}
	}
	t.Logf("%d tries", seen)
}

// colleagues adds an officer of the same agency and one of another.
func (s *site) colleagues() {
	ctx := s.t.Context()
	if _, err := s.h.Registry.AddAgency(ctx, registry.SystemPerson, registry.Agency{ID: "other-police", Name: "Other Police", Jurisdiction: "US", Domains: []string{"other.example"},
		Numbers: []registry.Number{{Phone: "+12025550199", Source: "the government's directory"}}}); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range []registry.Person{{ID: "otto", Name: "Otto Officer", Mail: "otto@police.example", Agency: "sample-police"},
		{ID: "oscar", Name: "Oscar Officer", Mail: "oscar@other.example", Agency: "other-police"}} {
		if _, err := s.h.Registry.AddOfficer(ctx, registry.SystemPerson, p); err != nil {
			s.t.Fatal(err)
		}
	}
}

// program is what a person's token reaches; the staff are given none.
func (s *site) program(p *person) *person {
	_, body, _ := p.post("/portal/token", url.Values{})
	out := s.nobody()
	out.token = regexp.MustCompile(`writ_[A-Za-z0-9_-]+`).FindString(body)
	return out
}

// offered is what the desk offers the requester.
func (s *site) offered(id string) (out []string) {
	offers, err := s.h.Desk.Actions(s.t.Context(), desk.Actor{Person: "olive", Auth: desk.ByDev}, id)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range offers {
		out = append(out, o.Command)
	}
	return out
}

// tries asks each endpoint that names the request. What is offered to the requester is not done: only that nobody else can.
func (s *site) tries(p *person, who, id string, state desk.State, offered []string, api bool) (n int) {
	root, receipt, take := "/portal/cases/"+id, "/receipt.json", "/download"
	if api {
		root, receipt, take = "/api/v1/requests/"+id, "/receipt", "/package"
	}
	officer := who == "olive" || who == "otto" || who == "oscar"
	want := func(get bool) int {
		switch {
		case api && !officer: // no token
			return 401
		case who == "olive" && get:
			return 200
		case who == "olive":
			return 409
		case officer:
			return 404
		case who == "nobody" && get:
			return 303
		case who == "nobody":
			return 401
		}
		return 403
	}
	try := func(method, path string) {
		body, kind := "", "application/x-www-form-urlencoded"
		if api && method == "POST" && path != root+take {
			body, kind = `{"text":"x"}`, "application/json"
		} else if method == "POST" {
			body = "text=x"
		}
		code, got, _ := p.do(method, path, kind, strings.NewReader(body))
		if n++; code != want(method == "GET") {
			s.t.Errorf("%s: %s %s by %s: %d, want %d %.200s", state, method, path, who, code, want(method == "GET"), got)
		}
		if who != "olive" && strings.Contains(got, "alice@localhost") {
			s.t.Errorf("%s: %s %s tells %s whom the request names", state, method, path, who)
		}
	}
	try("GET", root)
	try("GET", root+receipt)
	for _, c := range []string{"cure", "answer", "agree", "withdraw", "follow_up"} {
		if who != "olive" || !slices.Contains(offered, c) {
			try("POST", root+"/"+c)
		}
	}
	try("POST", root+take)
	return n
}
