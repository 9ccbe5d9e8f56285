package desk

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"writ/desk/law"
	"writ/desk/policy"
	"writ/desk/registry"
	"writ/store"
	"writ/store/storetest"
)

var everyRole = append(registry.StaffRoles(), registry.Officer, registry.System)

// commands is one command of each kind, with what makes it sensible.
func commands() []Command {
	return []Command{Authenticate{}, Screen{}, Clear{}, BeginReview{}, Return{Reasons: []string{"request.not_signed"}}, Cure{Text: "x"}, Ask{"x"}, Answer{Text: "x"},
		NarrowTo{Text: "x"}, Agree{}, TakeBack{"x"}, Objection{Reasons: []string{"request.overbroad"}}, Refuse{Reasons: []string{"request.overbroad"}}, Withdraw{}, Propose{},
		SignScope{Assertion: []byte("x")}, SendBack{"x"}, Extract{}, SignRelease{Assertion: []byte("x")}, Preserve{}, ExtendHold{}, ReleaseHold{}, Admit{Exception: "x", Assertion: []byte("x")}, Resume{},
		SetGag{Issuer: "x"}, Overrule{"x"}, FollowUp{Text: "x"}, Fraud{"x"}, Unfreeze{"x"}, Assign{"rita"}, Reissue{}, Close{}, Note{"x"}}
}

// The table itself: every state can be reached and left, every row has someone, a state and command stand together once.
func TestTable(t *testing.T) {
	t.Parallel()
	type key struct {
		s State
		c string
	}
	seen, reached := map[key]bool{}, map[State]bool{}
	for _, r := range Table() {
		if len(r.Who) == 0 || r.Logged == "" || len(r.From) == 0 {
			t.Errorf("row %+v", r)
		}
		for _, s := range r.From {
			if seen[key{s, r.Command}] {
				t.Errorf("%s in %s stands twice", r.Command, s)
			}
			seen[key{s, r.Command}] = true
			if s.Ended() && r.To != same && r.To != Fraudulent {
				t.Errorf("%s leads out of the end %s", r.Command, s)
			}
		}
		reached[r.To] = true
		for _, x := range slices.Concat(r.Who, r.Second) {
			if !slices.Contains(everyRole, x) {
				t.Errorf("%s: role %q", r.Command, x)
			}
			if x == registry.Admin {
				t.Errorf("%s: an administrator acts on cases", r.Command)
			}
			if len(r.Second) > 0 && slices.Contains(r.Who, x) && slices.Contains(r.Second, x) {
				t.Errorf("%s: one role for both people", r.Command)
			}
		}
	}
	for _, s := range States() {
		if !reached[s] && s != UnderReview {
			t.Errorf("%s cannot be reached", s)
		}
		if s.Title() == "" {
			t.Errorf("%s has no title", s)
		}
	}
	for _, c := range commands() {
		if !slices.ContainsFunc(table, func(r Row) bool { return r.Command == c.Name() }) || titles[c.Name()] == "" {
			t.Errorf("command %s has no row or no title", c.Name())
		}
	}
}

// Nothing is delivered but by two people who sign, after a package was made from a scope that two people signed.
func TestOnlyWayToDelivery(t *testing.T) {
	t.Parallel()
	for _, r := range Table() {
		switch r.To {
		case Delivered:
			if r.Command != "sign_release" || len(r.Second) == 0 || !slices.Equal(r.From, []State{SecondApproval}) {
				t.Errorf("%s delivers from %v", r.Command, r.From)
			}
		case SecondApproval:
			if r.Command != "packaged" || !slices.Equal(r.From, []State{Extracting}) {
				t.Errorf("%s makes a package from %v", r.Command, r.From)
			}
		case Extracting:
			if r.Command != "extract" || !slices.Equal(r.From, []State{Approved}) {
				t.Errorf("%s extracts from %v", r.Command, r.From)
			}
		case Approved:
			if !(r.Command == "sign_scope" && len(r.Second) > 0) && r.Command != "extraction_failed" {
				t.Errorf("%s approves", r.Command)
			}
		}
	}
}

// Each state × role × command: what the table does not hold is refused, by the table or for the role, and changes nothing.
func TestEveryRoleStateCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-hkpf")
	h.toReview(id)
	h.toApproved(id)
	base := h.get(id)
	people := map[Role]string{registry.Intake: "ines", registry.Reviewer: "rita", registry.Approver: "abe", registry.Counsel: "carl", registry.Rights: "hana",
		registry.Executive: "eve", registry.Admin: "adam", registry.Officer: "of-hkpf"}
	n := 0
	for _, s := range States() {
		for role, person := range people {
			for _, cmd := range commands() {
				n++
				c := base
				c.State = s
				row := find(s, cmd.Name())
				may := row != nil && (slices.Contains(row.Who, role) || slices.Contains(row.Second, role))
				err := h.db.Write(t.Context(), func(tx *store.Tx) error {
					who, err := h.desk.actor(t.Context(), tx, as(person), h.clock.Now())
					if err != nil {
						return err
					}
					x := &turn{ctx: t.Context(), d: h.desk, tx: tx, now: h.clock.Now(), who: who, c: c}
					_, err = x.check(cmd.Name())
					if err == nil {
						err = errAllowed
					}
					return err
				})
				code := codeOf(err)
				bad := row == nil && code != "state.not_offered" || row != nil && !may && code != "state.role" || may && code == "state.role"
				if bad {
					t.Errorf("%s by the %s in %s: %v", cmd.Name(), role, s, err)
				}
			}
		}
	}
	if got := h.get(id); got.Seq != base.Seq {
		t.Error("a refused command left an event")
	}
	t.Logf("%d of %d", n, n)
}

var errAllowed = fmt.Errorf("allowed")

// What Actions offers, Do accepts as far as the table goes, and what it does not offer, Do refuses.
func TestActionsAgreeWithDo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-hkpf")
	h.do("ines", id, Authenticate{})
	for person := range staff {
		offers, err := h.desk.Actions(t.Context(), as(person), id)
		if person == "adam" {
			if err == nil {
				t.Error("an administrator sees a case")
			}
			continue
		}
		must(t, err)
		for _, cmd := range commands() {
			var o *Offer
			for i := range offers {
				if offers[i].Command == cmd.Name() {
					o = &offers[i]
				}
			}
			err := h.db.Write(t.Context(), func(tx *store.Tx) error {
				x, err := h.desk.begin(t.Context(), tx, as(person), id)
				must(t, err)
				if _, err = x.check(cmd.Name()); err == nil {
					err = errAllowed
				}
				return err
			})
			if (err == errAllowed) != (o != nil && o.Blocked == "") {
				t.Errorf("%s by %s: offered %+v, Do says %v", cmd.Name(), person, o, err)
			}
			if o != nil && o.Blocked != "" && codeOf(err) != o.Blocked {
				t.Errorf("%s by %s: shown as %s, refused with %v", cmd.Name(), person, o.Blocked, err)
			}
		}
	}
}

// Every reason code that the desk's rooms use stands in the one list, once, with a text and the rule it cites.
func TestReasons(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if seen[r.Code] || r.Text == "" || r.Rule == "" {
			t.Errorf("%+v", r)
		}
		seen[r.Code] = true
	}
	code := regexp.MustCompile(`"((?:request|policy|standing|state|sign|scope|screen|auth|notice|delivery|hold|reason|text|form|extraction|emergency|deadline)\.[a-z_]+)"`)
	for _, dir := range []string{".", "intake", "policy", "registry", "standing", "diligence"} {
		files, err := os.ReadDir(dir)
		must(t, err)
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") || f.Name() == "reasons.go" {
				continue
			}
			b, err := os.ReadFile(dir + "/" + f.Name())
			must(t, err)
			for _, m := range code.FindAllStringSubmatch(string(b), -1) {
				if !seen[m[1]] && !slices.Contains([]string{"standing.lapsed"}, m[1]) { // an alarm
					t.Errorf("%s/%s uses %s, which is not in the list", dir, f.Name(), m[1])
				}
			}
		}
	}
	for _, s := range []string{"review_paused", "production_paused", "refused"} {
		if !seen["standing."+s] {
			t.Errorf("stage %s has no reason", s)
		}
	}
	r, err := policy.For("US")
	must(t, err)
	if len(r.Rules) == 0 || !law.Instrument("subpoena").Known() {
		t.Error("no rules")
	}
}
