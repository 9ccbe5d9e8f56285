package portal

import (
	"errors"
	"net/http"
	"strings"

	"writ/desk"
	"writ/desk/intake"
	"writ/web/session"
	"writ/web/ui"
)

func (p *room) show(w http.ResponseWriter, r *http.Request) {
	done := ""
	if r.URL.Query().Get("filed") != "" {
		done = "Filed. Keep the receipt: it proves that your request was received, and when."
	} else if r.URL.Query().Get("done") != "" {
		done = "Done."
	}
	p.showCase(w, r, done, "", http.StatusOK)
}

func (p *room) showCase(w http.ResponseWriter, r *http.Request, done, fault string, status int) {
	by, id := session.ActorOf(r), r.PathValue("id")
	c, err := p.o.Desk.Case(r.Context(), by, id)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	offers, err := p.o.Desk.Actions(r.Context(), by, id)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	on := map[string]bool{} // not of structs: a template takes any struct for true
	for _, o := range offers {
		if o.Blocked == "" {
			on[o.Command] = true
		}
	}
	lead, paused := c.Answer(), ""
	if c.Paused() != nil {
		lead, paused = "", lead
	}
	p.face.Show(w, r, "case", ui.Page{Title: "Request " + c.ID, Lead: lead, Here: Path, Done: done, Fault: fault, Status: status,
		Data: map[string]any{"Paused": paused, "Case": c, "On": on, "Now": p.o.Clock.Now(), "Path": Path + "cases/" + c.ID, "Typed": r.PostFormValue("text"), "Reasons": reasons(c.Reasons)}})
}

// reasons are the texts of the codes.
func reasons(codes []string) (out []desk.Reason) {
	for _, code := range codes {
		out = append(out, desk.ReasonOf(code))
	}
	return out
}

// act does one of the officer's commands; what is not on offer the desk refuses.
func (p *room) act(w http.ResponseWriter, r *http.Request) {
	f := &form{values: map[string][]string{}, faults: map[string]string{}}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		f = readForm(r)
	} else if err := r.ParseForm(); err == nil {
		f.values = r.PostForm
	}
	if f.tooLarge || f.notForm {
		p.face.Problem(w, r, http.StatusBadRequest, "This could not be read", "The upload was broken off or is too large. Nothing was changed.")
		return
	}
	if len(f.faults) > 0 {
		p.showCase(w, r, "", "Nothing was changed. "+f.faults["documents"], http.StatusUnprocessableEntity)
		return
	}
	c, ok := command(r.PathValue("command"), f.get("text"), f.documents)
	if !ok {
		p.face.Problem(w, r, http.StatusNotFound, "There is no such action", "Go back to the request and choose one that is offered.")
		return
	}
	_, err := p.o.Desk.Do(r.Context(), session.ActorOf(r), r.PathValue("id"), c)
	var no *desk.Refusal
	var faults intake.FieldErrors
	switch {
	case err == nil:
		http.Redirect(w, r, Path+"cases/"+r.PathValue("id")+"?done=1", http.StatusSeeOther)
	case errors.As(err, &faults):
		f.blame(faults)
		p.showCase(w, r, "", "Nothing was changed. "+faults[0].Field+": "+faults[0].Sentence(), http.StatusUnprocessableEntity)
	case errors.As(err, &no):
		p.showCase(w, r, "", "Nothing was changed. "+refusalText(no), statusOf(no))
	default:
		p.fail(w, r, err)
	}
}

// command is an officer's command by its name in the table of states.
func command(name, text string, documents []intake.Document) (desk.Command, bool) {
	switch name {
	case "cure":
		return desk.Cure{Text: text, Documents: documents}, true
	case "answer":
		return desk.Answer{Text: text, Documents: documents}, true
	case "agree":
		return desk.Agree{}, true
	case "withdraw":
		return desk.Withdraw{Text: text}, true
	case "follow_up":
		return desk.FollowUp{Text: text, Documents: documents}, true
	default:
		return nil, false
	}
}

// sayForm is what the template "say" shows: a command with a text and, if files is set, documents.
func sayForm(path, command, title, label string, files bool, class string) map[string]any {
	return map[string]any{"Path": path, "Command": command, "Title": title, "Label": label, "Files": files, "Class": class}
}

// upper begins a sentence.
func upper(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
