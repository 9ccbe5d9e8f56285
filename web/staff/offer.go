package staff

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"writ/desk"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/web/session"
	"writ/web/ui"
)

// offer makes a form of each step that is on offer, and lists those that something bars now.
func (s *room) offer(r *http.Request, d *caseData, offers []desk.Offer, failed *failedForm) error {
	slices.SortStableFunc(offers, func(a, b desk.Offer) int { return rank(a.Command) - rank(b.Command) })
	first := true
	for _, o := range offers {
		f := form{ID: o.Command, Title: o.Title, About: about[o.Command], Action: Path + "cases/" + d.ID + "/" + o.Command, Button: o.Title, Danger: slices.Contains(dangerous, o.Command)}
		if o.Blocked != "" {
			f.Blocked = barred(d, o)
			d.Blocked = append(d.Blocked, f)
			continue
		}
		fill := filler{id: o.Command}
		if failed != nil && failed.command == o.Command {
			fill.given, fill.wrong, f.Open, f.Fault = failed.given, failed.wrong, true, failed.fault
		}
		if o.Command == "fraud" && len(d.SeenIn) > 0 {
			f.About += " The same document came with " + strings.Join(d.SeenIn, ", ") + "."
		}
		if err := s.asks(r, d, o, fill, &f); err != nil {
			return err
		}
		if first && failed == nil && rank(o.Command) < len(foremost) && f.Blocked == "" {
			f.Open, first = true, false
		}
		d.Forms = append(d.Forms, f)
	}
	return nil
}

// foremost are the steps for which a case comes to a person: they stand first, and the first of them is open. The others are choices.
var foremost = []string{"sign_release", "sign_scope", "admit", "resume", "authenticate", "screen", "clear", "begin_review", "overrule", "extract", "close"}

func rank(command string) int {
	if i := slices.Index(foremost, command); i >= 0 {
		return i
	}
	return len(foremost)
}

// barred says what keeps a step from being on offer, with the date where there is one.
func barred(d *caseData, o desk.Offer) string {
	t := upper(desk.ReasonOf(o.Blocked).Text)
	if o.Blocked == "notice.wait" {
		t += ": " + ui.Stamp(d.Case.Notice.NotBefore)
	}
	return t + "."
}

// asks gives a form the questions of its command.
func (s *room) asks(r *http.Request, d *caseData, o desk.Offer, f filler, out *form) error {
	add := func(a ...ask) { out.Asks = append(out.Asks, a...) }
	switch o.Command {
	case "authenticate":
		return s.authenticateAsks(r, d, f, out)
	case "screen":
		add(f.picks("flags", "What the request touches", "", flagList(), nil), f.field("note", "Note", "area", "", false, ""))
	case "clear":
		add(f.field("note", "Note", "area", "", false, ""))
	case "return":
		add(f.reasons(func(x desk.Reason) bool { return x.Mend }), f.text("What to mend", "The requester reads this.", false))
	case "object":
		add(f.reasons(func(x desk.Reason) bool { return x.Refuse || x.Mend }), f.text("The objection", "The requester reads this.", false))
	case "refuse":
		add(f.reasons(func(x desk.Reason) bool { return x.Refuse }), f.text("More, if it needs saying", "The requester reads this.", false))
	case "narrow":
		now := d.Scope()
		add(scopeAsks(f, now, now.Categories)...)
		add(f.reasons(func(x desk.Reason) bool { return x.Refuse || x.Mend }), f.text("Why", "The requester reads this.", false))
	case "propose":
		most := s.desk.Allowed(d.Case)
		if !most.From.IsZero() {
			most.From = most.From.Add(time.Minute - time.Nanosecond).Truncate(time.Minute)
		}
		if most.From.Year() <= 1990 {
			most.From = time.Time{}
		}
		most.To = most.To.Truncate(time.Minute)
		if len(most.Categories) == 0 {
			out.Blocked, out.Open = "The rules allow none of the categories that are asked for. Narrow, object or refuse.", false
			return nil
		}
		add(scopeAsks(f, most, most.Categories)...)
	case "cure", "answer", "follow_up":
		out.Files = true
		add(f.text("What the requester says", "", false), f.files(false))
	case "set_gag":
		g := desk.Gag{}
		if d.Gag != nil {
			g = *d.Gag
		}
		add(f.field("issuer", "Who ordered it", "text", "", false, g.Issuer), f.field("scope", "What it bars", "area", "", false, g.Scope),
			f.field("until", "Until", "datetime-local", "UTC. Empty: the order names no end, and counsel has to get one.", false, stampOf(g.Until)))
	case "assign":
		return s.assignAsks(r, d, f, out)
	case "sign_scope", "sign_release", "admit":
		s.signAsks(r, d, o, f, out)
	case "begin_review", "agree", "extract", "preserve", "resume", "close":
	default: // a text
		optional := slices.Contains([]string{"withdraw", "extend_hold", "release_hold", "reissue"}, o.Command)
		label := map[string]string{"ask": "The question", "note": "Note", "overrule": "Why", "fraud": "What shows it"}[o.Command]
		if label == "" {
			label = "Why"
		}
		add(f.text(label, "", !optional))
	}
	return nil
}

func scopeAsks(f filler, now desk.Scope, categories []law.Category) []ask {
	return []ask{f.field("identifiers", "Accounts", "area", "One a line.", true, strings.Join(now.Identifiers, "\n")), f.categories(categories, now.Categories),
		f.field("from", "From", "datetime-local", "UTC. Empty: as far back as held.", false, stampOf(now.From)), f.field("to", "To", "datetime-local", "UTC.", false, stampOf(now.To))}
}

func flagList() []pick {
	var out []pick
	for code, text := range desk.Flags() {
		out = append(out, pick{Value: code, Text: upper(text)})
	}
	slices.SortFunc(out, func(a, b pick) int { return strings.Compare(a.Value, b.Value) })
	return out
}

// usable is the newest call-back of an officer that confirms a case, "" if none does.
func usable(calls []registry.CallBack, c desk.Case, now time.Time) registry.CallBack {
	for _, x := range calls {
		if x.Result == registry.Confirmed && now.Sub(x.At) < registry.CallBackTerm && (x.Case == c.ID || x.Case == "" && !c.Emergency()) {
			return x
		}
	}
	return registry.CallBack{}
}

// authenticateAsks offers the registry's numbers, with where each was found.
func (s *room) authenticateAsks(r *http.Request, d *caseData, f filler, out *form) error {
	calls, err := s.desk.Registry().CallBacks(r.Context(), d.Officer.ID)
	if err != nil {
		return err
	}
	now := s.o.Clock.Now()
	var numbers []ui.Choice
	known := usable(calls, d.Case, now)
	may := known.ID != "" || !d.Emergency() && d.Officer.Confirmed(now)
	switch {
	case d.Emergency() && known.ID == "":
		out.About = "An emergency: this very case needs a call. Who makes it does not sign the release. " + out.About
	case may && known.ID != "":
		out.About = fmt.Sprintf("A call to %s on %s confirmed this officer. A new call is not needed.", known.Number, ui.Date(known.At))
	case may:
		out.About = fmt.Sprintf("A call confirmed this officer on %s. A new call is not needed.", ui.Date(d.Officer.Verified))
	}
	first := "Choose the number that you called"
	if may {
		first = "No new call"
	}
	numbers = append(numbers, ui.Choice{Value: "", Text: first})
	for _, n := range d.Agency.Numbers {
		numbers = append(numbers, ui.Choice{Value: n.Phone, Text: n.Phone + " – " + n.Source})
	}
	out.Asks = append(out.Asks, f.choose("number", "Number of "+d.Agency.Name, "From the registry, with where we found it.", !may, numbers, ""),
		f.field("spoke_to", "Who answered", "text", "Their function, such as duty sergeant.", false, ""), f.choose("result", "What they said", "", false, results, ""),
		f.field("note", "Note", "area", "", false, ""))
	return nil
}

var results = []ui.Choice{{Value: "", Text: "–"}, {Value: registry.Confirmed, Text: "They confirm it"}, {Value: registry.Denied, Text: "They know nothing of it"}, {Value: registry.NoAnswer, Text: "Nobody answered"}}

func (s *room) assignAsks(r *http.Request, d *caseData, f filler, out *form) error {
	staff, err := s.desk.Registry().Staff(r.Context())
	if err != nil {
		return err
	}
	list := []ui.Choice{{Value: "", Text: "Choose"}}
	for _, p := range staff {
		if p.Active(s.o.Clock.Now()) && !slices.Contains(d.Team, p.ID) {
			list = append(list, ui.Choice{Value: p.ID, Text: p.Name + " – " + registry.Titles(p.Roles)})
		}
	}
	out.Asks = append(out.Asks, f.choose("person", "Who", "", true, list, ""))
	return nil
}

// signAsks shows in plain words what is signed.
func (s *room) signAsks(r *http.Request, d *caseData, o desk.Offer, f filler, out *form) {
	a := session.ActorOf(r)
	x := &signing{Hash: hexOf(o.Hash), Passkey: s.o.Sessions.Signer(r)}
	q := d.Request
	by := line{"For", d.Agency.Name + ", " + law.JurisdictionName(d.Agency.Jurisdiction) + ": " + q.Instrument.Title() + ", " + q.LegalBasis}
	var have []desk.Signature
	switch o.Command {
	case "sign_scope":
		out.About = "You sign that exactly these records may be taken out. The second of two different people's signatures approves it."
		p := d.Proposal
		have = p.Signatures
		x.Words = []line{{"Accounts", strings.Join(p.Scope.Identifiers, ", ")}, {"Categories", titles(p.Scope)}, {"Window", period(p.Scope)}, by, {"Ends", ui.Stamp(p.Expires)}}
	case "sign_release":
		out.About = "You sign that this package may be handed over. The second of two different people's signatures releases it at once."
		p := d.Package
		have = p.Signatures
		x.Words = []line{{"Package", p.Name + ", " + size(p.Size)}}
		for _, k := range slices.Sorted(mapKeys(p.Records)) {
			x.Words = append(x.Words, line{law.Category(k).Info().Title, plural(int(p.Records[k]), "record", "records")})
		}
		x.Words = append(x.Words, by, line{"Delivered", delivery(d.Agency)})
	case "admit":
		out.About = "You sign that this case falls under an exception of the standing that holds it. Counsel and the human-rights lead both sign."
		out.Hidden = []line{{"exception", o.Choice}}
		x.Words = []line{{"Exception", exceptionText(d, o.Choice)}, by}
		if d.Admission != nil && !d.Admission.Done {
			have = d.Admission.Signatures
		}
	}
	for _, sig := range have {
		x.Words = append(x.Words, line{"Signed already", sig.Role.Title() + ", " + ui.Stamp(sig.At)})
	}
	if o.Command != "admit" && a.Has(registry.Reviewer) && a.Has(registry.Approver) {
		x.Role = []ui.Choice{{Value: "", Text: "As the desk chooses"}, {Value: string(registry.Reviewer), Text: "Reviewer"}, {Value: string(registry.Approver), Text: "Approver"}}
		out.Asks = append(out.Asks, f.choose("as", "Sign as", "", true, x.Role, ""))
	}
	out.Sign = x
}

func delivery(a registry.Agency) string {
	if a.Recipient != "" {
		return "as a single download, encrypted to the agency's key"
	}
	return "as a single download behind the officer's passkey; the agency has no key of its own"
}

func exceptionText(d *caseData, id string) string {
	for _, r := range d.Standings {
		for _, e := range r.Exceptions {
			if e.ID == id {
				return e.Text + " (" + id + " of " + r.ID + ")"
			}
		}
	}
	return id
}
