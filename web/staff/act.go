package staff

import (
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"writ/desk"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/web/session"
)

// act does one step on a case.
func (s *room) act(w http.ResponseWriter, r *http.Request) {
	ctx, a, id, name := r.Context(), session.ActorOf(r), r.PathValue("id"), r.PathValue("command")
	c, err := s.desk.Case(ctx, a, id)
	if s.failed(w, r, err) {
		return
	}
	if !slices.Contains(commandNames, name) {
		s.face.Missing(w, r)
		return
	}
	offers, err := s.desk.Actions(ctx, a, id)
	if s.failed(w, r, err) {
		return
	}
	i := slices.IndexFunc(offers, func(o desk.Offer) bool { return o.Command == name })
	no := barredStep(c, a, offers, i, name)
	barred := no != nil
	fail := &failedForm{command: name, given: r.PostForm, wrong: map[string]string{}}
	if no == nil {
		no, err = s.step(r, c, offers[i], fail)
		if s.failed(w, r, err) {
			return
		}
		if no == nil && len(fail.wrong) == 0 && fail.fault == "" {
			done(w, r, Path+"cases/"+id, fail.command)
			return
		}
	}
	fail.status = http.StatusUnprocessableEntity
	if no != nil {
		fail.status = statusOf(no.Code)
		if barred && fail.status != http.StatusForbidden {
			fail.status = http.StatusConflict
		}
		if fail.status == http.StatusUnprocessableEntity {
			fail.fault = blame(fail.wrong, s.asked(r, c, offers[i]), no)
		} else {
			fail.fault = sentence(no)
		}
	}
	if again, err := s.desk.Case(ctx, a, id); err == nil {
		c = again
	}
	s.showCase(w, r, c, fail)
}

// barredStep is why a step is not on offer: the state, the role, or what bars it now.
func barredStep(c desk.Case, a desk.Actor, offers []desk.Offer, i int, name string) *desk.Refusal {
	if i >= 0 {
		if offers[i].Blocked != "" {
			return &desk.Refusal{Code: offers[i].Blocked}
		}
		return nil
	}
	for _, row := range desk.Table() {
		if row.Command == name && slices.Contains(row.From, c.State) && !slices.ContainsFunc(slices.Concat(row.Who, row.Second), a.Has) {
			return &desk.Refusal{Code: "state.role"}
		}
	}
	return &desk.Refusal{Code: "state.not_offered"}
}

// asked gives the questions of a step, to find the one that a refusal is about.
func (s *room) asked(r *http.Request, c desk.Case, o desk.Offer) []ask {
	d := caseData{Case: c}
	var err error
	if d.Agency, err = s.desk.Registry().Agency(r.Context(), c.Request.Agency); err != nil {
		return nil
	}
	if d.Officer, err = s.desk.Registry().Person(r.Context(), c.Request.Officer); err != nil {
		return nil
	}
	var f form
	if err := s.asks(r, &d, o, filler{id: o.Command}, &f); err != nil {
		return nil
	}
	return f.Asks
}

// step reads the form of a step and has the desk do it. What is wrong with the form goes into fail.
func (s *room) step(r *http.Request, c desk.Case, o desk.Offer, fail *failedForm) (*desk.Refusal, error) {
	cmd, err := s.command(r, c, o, fail)
	if err == nil && cmd != nil && len(fail.wrong) == 0 {
		_, err = s.desk.Do(r.Context(), session.ActorOf(r), c.ID, cmd)
	}
	if faults, ok := errors.AsType[intake.FieldErrors](err); ok {
		mark(fail.wrong, faults)
		return nil, nil
	}
	if no, ok := errors.AsType[*desk.Refusal](err); ok {
		return no, nil
	}
	return nil, err
}

// command makes the desk's command of a form; nil when the form alone was enough.
func (s *room) command(r *http.Request, c desk.Case, o desk.Offer, fail *failedForm) (desk.Command, error) {
	v := r.PostForm
	text := v.Get("text")
	switch o.Command {
	case "authenticate":
		return s.authenticate(r, c, fail)
	case "screen":
		return desk.Screen{Flags: v["flags"], Note: v.Get("note")}, nil
	case "clear":
		return desk.Clear{Note: v.Get("note")}, nil
	case "return":
		return desk.Return{Reasons: v["reasons"], Text: text}, nil
	case "object":
		return desk.Objection{Reasons: v["reasons"], Text: text}, nil
	case "refuse":
		return desk.Refuse{Reasons: v["reasons"], Text: text}, nil
	case "narrow":
		return desk.NarrowTo{Scope: scope(v, fail.wrong), Reasons: v["reasons"], Text: text}, nil
	case "propose":
		return desk.Propose{Scope: scope(v, fail.wrong)}, nil
	case "set_gag":
		return desk.SetGag{Issuer: strings.TrimSpace(v.Get("issuer")), Scope: v.Get("scope"), Until: when(v, "until", fail.wrong)}, nil
	case "assign":
		return desk.Assign{Person: v.Get("person")}, nil
	case "sign_scope", "sign_release", "admit":
		return s.signature(r, o)
	case "cure", "answer", "follow_up":
		docs, err := documents(r)
		if err != nil {
			return nil, err
		}
		return map[string]desk.Command{"cure": desk.Cure{Text: text, Documents: docs}, "answer": desk.Answer{Text: text, Documents: docs},
			"follow_up": desk.FollowUp{Text: text, Documents: docs}}[o.Command], nil
	}
	return plainCommand(o.Command, text), nil
}

// plainCommand is a command that is a text or nothing.
func plainCommand(name, text string) desk.Command {
	return map[string]desk.Command{
		"begin_review": desk.BeginReview{}, "agree": desk.Agree{}, "extract": desk.Extract{}, "preserve": desk.Preserve{}, "resume": desk.Resume{}, "close": desk.Close{},
		"ask": desk.Ask{Text: text}, "take_back": desk.TakeBack{Text: text}, "withdraw": desk.Withdraw{Text: text}, "send_back": desk.SendBack{Text: text},
		"extend_hold": desk.ExtendHold{Text: text}, "release_hold": desk.ReleaseHold{Text: text}, "overrule": desk.Overrule{Text: text}, "fraud": desk.Fraud{Text: text},
		"unfreeze": desk.Unfreeze{Text: text}, "reissue": desk.Reissue{Text: text}, "note": desk.Note{Text: text},
	}[name]
}

// scope reads a scope; what is left out of it is filled in by the desk, but a list from which all was taken away is empty.
func scope(v url.Values, wrong map[string]string) desk.Scope {
	sc := desk.Scope{From: when(v, "from", wrong), To: when(v, "to", wrong)}
	if v.Has("identifiers") {
		sc.Identifiers = append([]string{}, lines(v, "identifiers")...)
		if len(sc.Identifiers) == 0 {
			wrong["identifiers"] = "Name at least one account."
		}
	}
	for _, c := range v["categories"] {
		sc.Categories = append(sc.Categories, law.Category(c))
	}
	if v.Has("identifiers") && len(sc.Categories) == 0 {
		wrong["categories"] = "Choose at least one."
	}
	return sc
}

// authenticate records the call that was made, and confirms who asks if the call did.
func (s *room) authenticate(r *http.Request, c desk.Case, fail *failedForm) (desk.Command, error) {
	v, ctx, a := r.PostForm, r.Context(), session.ActorOf(r)
	note := v.Get("note")
	if v.Get("number") == "" {
		calls, err := s.desk.Registry().CallBacks(ctx, c.Request.Officer)
		return desk.Authenticate{CallBack: usable(calls, c, s.o.Clock.Now()).ID, Note: note}, err
	}
	if v.Get("result") == "" {
		fail.wrong["result"] = "Say what came of the call."
	}
	if strings.TrimSpace(v.Get("spoke_to")) == "" && v.Get("result") != registry.NoAnswer {
		fail.wrong["spoke_to"] = "Note the function of who answered."
	}
	if len(fail.wrong) > 0 {
		return nil, nil
	}
	cb, err := s.desk.Registry().RecordCallBack(ctx, a.Person, registry.CallBack{Officer: c.Request.Officer, Case: c.ID, Number: v.Get("number"), SpokeTo: v.Get("spoke_to"), Result: v.Get("result")})
	if err != nil {
		return nil, err
	}
	if cb.Result != registry.Confirmed {
		fail.command = "called"
		return nil, nil
	}
	return desk.Authenticate{CallBack: cb.ID, Note: note}, nil
}

// signature makes the command of a signature over the hash that the form showed, which must be the one that is signed now.
func (s *room) signature(r *http.Request, o desk.Offer) (desk.Command, error) {
	v := r.PostForm
	sig, err := s.assertion(r, o.Hash)
	if err != nil {
		return nil, err
	}
	switch as := registry.Role(v.Get("as")); o.Command {
	case "sign_scope":
		return desk.SignScope{Assertion: sig, As: as}, nil
	case "sign_release":
		return desk.SignRelease{Assertion: sig, As: as}, nil
	}
	return desk.Admit{Exception: v.Get("exception"), Assertion: sig}, nil
}

// assertion takes the signature of a form over the hash, if that is what the form showed.
func (s *room) assertion(r *http.Request, hash [32]byte) ([]byte, error) {
	shown, err := hex.DecodeString(r.PostForm.Get("hash"))
	if err != nil || len(shown) != len(hash) || [32]byte(shown) != hash {
		return nil, &desk.Refusal{Code: "sign.invalid", Text: "what was shown is not what stands here now; read it again, then sign"}
	}
	return s.sign(r, hash)
}

// sign is Sessions.Assertion with a refusal where the form brought none.
func (s *room) sign(r *http.Request, hash [32]byte) ([]byte, error) {
	if a := session.ActorOf(r); a.Auth == desk.ByToken {
		return nil, &desk.Refusal{Code: "sign.passkey"}
	}
	sig, err := s.o.Sessions.Assertion(r, hash)
	if err != nil && r.PostForm.Get("assertion") == "" && s.o.Sessions.Signer(r) {
		return nil, &desk.Refusal{Code: "sign.passkey", Text: "your browser sent no signature; it needs JavaScript"}
	}
	return sig, err
}
