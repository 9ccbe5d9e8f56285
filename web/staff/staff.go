// Package staff is the desk's face: the queue, the file of each case with what may be done with it now, the registry of agencies and
// people, standings, assessments and the state of the reports.
//
// Invariants:
//   - What is on offer comes from desk.Actions, and each form asks again in the desk's own transaction. This room decides nothing.
//   - A case that a person may not see does not exist for them (404), for each address below it.
//   - Nothing changes by GET. A step that is signed shows its hash, and the form sends back the hash that was shown: what changed
//     since is not signed.
//   - Documents that came in are handed over as files and never rendered.
//
// # Forms
//
// Every form is a plain POST that answers 303 when it is done, 422 with the page and what is wrong beside the field, 409 when the step
// is not on offer now, 403 when it is not for the person's role, 404 when there is no such thing for them. Names are stable. Times are
// RFC 3339, "2026-11-24T10:00" or "2026-11-24", in UTC. A name marked + may be repeated.
//
//	/staff/file                         channel service agency officer instrument jurisdiction legal_basis reference authority signed
//	                                    served respond supervisor facts offence identifiers (one a line) categories+ from to
//	                                    gag (yes) gag_issuer gag_scope gag_until sealed (yes) documents+ (files, multipart)
//	/staff/cases/ID/authenticate        number spoke_to result note: a call now; without number: none
//	/staff/cases/ID/screen              flags+ note
//	/staff/cases/ID/{return,object,refuse}                 reasons+ text
//	/staff/cases/ID/narrow              identifiers+ categories+ from to reasons+ text
//	/staff/cases/ID/propose             identifiers+ categories+ from to
//	/staff/cases/ID/{sign_scope,sign_release}              hash assertion as
//	/staff/cases/ID/admit               hash assertion exception
//	/staff/cases/ID/set_gag             issuer scope until; without issuer: lifted
//	/staff/cases/ID/{cure,answer,follow_up}                text documents+
//	/staff/cases/ID/assign              person
//	/staff/cases/ID/clear               note
//	/staff/cases/ID/{ask,take_back,withdraw,send_back,extend_hold,release_hold,overrule,fraud,unfreeze,reissue,note}  text
//	/staff/cases/ID/{begin_review,agree,extract,preserve,resume,close}
//	/staff/agencies, /staff/agencies/ID id name jurisdiction domains (one a line) numbers (one a line: number, space, source) recipient
//	/staff/agencies/ID/officers         id name mail badge
//	/staff/agencies/ID/{suspend,reinstate}, /staff/people/ID/{suspend,reinstate}   reason
//	/staff/people                       id name
//	/staff/people/ID/roles              roles+
//	/staff/people/ID/call-back          number spoke_to result
//	/staff/people/ID/{renew,enrol}
//	/staff/proposals/ID/confirm
//	/staff/standings                    replaces stage jurisdictions services+ agencies instruments+ new_only from review
//	                                    exceptionN exceptionN_for+ resume (one a line) statement assessment
//	/staff/standings/ID/sign            role hash assertion
//	/staff/standings/ID/discard
//	/staff/assessments, /staff/assessments/ID              see assessments.go
//	/staff/assessments/ID/sign          version role hash assertion
//	/staff/reports/PERIOD/{close,publish}
//	/staff/reports/PERIOD/correct       reason
//
// GET /staff/cases/ID.json gives the state, what is on offer and each hash to be signed.
package staff

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"writ/clock"
	"writ/desk"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/report"
	"writ/web/session"
	"writ/web/ui"
)

//go:embed pages/*.html
var pages embed.FS

// Reports is the transparency report; *report.Reports is one.
type Reports interface {
	Close(ctx context.Context, p report.Period) error
	Correct(ctx context.Context, p report.Period, reason string) error
	Publish(ctx context.Context, p report.Period) error
	Versions(ctx context.Context, p report.Period) ([]report.Published, error)
}

// Options are what the face is made of.
type Options struct {
	Sessions *session.Sessions
	Desk     *desk.Desk
	Reports  Reports
	// Enrol makes the link by which an officer registers a passkey; by is the member of the staff.
	Enrol func(ctx context.Context, by, officer string) (link string, err error)
	// LogLate is how many commitments the transparency log will publish after their promised time.
	LogLate func() int
	Clock   clock.Clock
	Log     *slog.Logger
}

type room struct {
	o    Options
	desk *desk.Desk
	face *ui.Face
	log  *slog.Logger
}

// Path is where Handler is mounted.
const Path = "/staff/"

// workers are the roles that read cases; an administrator keeps the registry and reads none.
var workers = []registry.Role{registry.Intake, registry.Reviewer, registry.Approver, registry.Counsel, registry.Rights, registry.Executive}

// Handler serves the pages below Path to members of the staff. Mount it inside Sessions.Wrap.
func Handler(o Options) (http.Handler, error) {
	if o.Sessions == nil || o.Desk == nil || o.Reports == nil || o.Enrol == nil || o.LogLate == nil || o.Clock == nil || o.Log == nil {
		return nil, errors.New("staff: sessions, desk, reports, enrolment, log, clock and logger are needed")
	}
	s := &room{o: o, desk: o.Desk, log: o.Log.With("room", "staff")}
	var err error
	s.face, err = ui.NewFace(ui.Face{Name: "Response desk", Home: Path, SignOut: "/sign-out", Who: session.Name, Back: "Back to the queue", Scripts: []string{"passkey.js"}, Nav: []ui.Link{
		{Href: Path, Text: "Queue"}, {Href: Path + "file", Text: "Enter"}, {Href: Path + "agencies", Text: "Agencies"}, {Href: Path + "people", Text: "Staff"},
		{Href: Path + "standings", Text: "Standings"}, {Href: Path + "assessments", Text: "Assessments"}, {Href: Path + "reports", Text: "Reports"}, {Href: "/keys", Text: "Passkeys"},
	}}, pages, "pages", template.FuncMap{"place": law.JurisdictionName, "instrument": instrumentTitle, "reason": desk.ReasonOf, "state": stateTitle,
		"hex": hexOf, "size": size, "badge": stateBadge, "join": strings.Join, "category": func(c string) string { return law.Category(c).Info().Title }}, s.log)
	if err != nil {
		return nil, err
	}
	m := http.NewServeMux()
	s.routes(m)
	return o.Sessions.Require(s.face.Room(m, Path, maxForm), registry.StaffRoles()...), nil
}

func (s *room) routes(m *http.ServeMux) {
	get := func(path string, h http.HandlerFunc) { m.HandleFunc("GET "+Path+path, h) }
	post := func(path string, h http.HandlerFunc) { m.HandleFunc("POST "+Path+path, s.parsed(h)) }
	get("{$}", s.queue)
	get("file", s.filePage)
	post("file", s.file)
	get("cases/{id}", s.casePage)
	get("cases/{id}/receipt", s.receipt)
	get("cases/{id}/documents/{document}", s.document)
	post("cases/{id}/{command}", s.act)

	get("agencies", s.agenciesPage)
	post("agencies", s.addAgency)
	get("agencies/{id}", s.agencyPage)
	post("agencies/{id}", s.changeAgency)
	post("agencies/{id}/officers", s.addOfficer)
	post("agencies/{id}/suspend", s.suspend("agencies"))
	post("agencies/{id}/reinstate", s.reinstate("agencies"))
	get("people", s.peoplePage)
	post("people", s.addStaff)
	get("people/{id}", s.personPage)
	post("people/{id}/roles", s.proposeRoles)
	post("people/{id}/call-back", s.callBack)
	post("people/{id}/renew", s.renew)
	post("people/{id}/enrol", s.enrol)
	post("people/{id}/suspend", s.suspend("people"))
	post("people/{id}/reinstate", s.reinstate("people"))
	post("proposals/{id}/confirm", s.confirmRoles)

	get("standings", s.standingsPage)
	get("standings/new", s.standingForm)
	post("standings", s.draftStanding)
	get("standings/{id}", s.standingPage)
	post("standings/{id}/sign", s.signStanding)
	post("standings/{id}/discard", s.discardStanding)
	get("assessments", s.assessmentsPage)
	get("assessments/new", s.assessmentForm)
	post("assessments", s.writeAssessment)
	get("assessments/{id}", s.assessmentPage)
	get("assessments/{id}/edit", s.assessmentForm)
	post("assessments/{id}", s.writeAssessment)
	post("assessments/{id}/sign", s.signAssessment)
	get("reports", s.reportsPage)
	post("reports/{period}/{do}", s.report)
}

const (
	smallForm = 256 << 10                    // bytes of a form without documents; a whole assessment fits
	largeForm = 2*intake.MaxDocument + 2<<20 // with documents: a document that is just too large still gets its own answer
	memory    = largeForm                    // of a parsed form: what came in is never written to a temporary file
	multipart = "multipart/form-data"
)

// maxForm is how large a request may be.
func maxForm(r *http.Request) int64 {
	if strings.HasPrefix(r.Header.Get("Content-Type"), multipart) {
		return largeForm
	}
	return smallForm
}

// parsed reads the form before h, and answers one that cannot be read.
func (s *room) parsed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var err error
		if strings.HasPrefix(r.Header.Get("Content-Type"), multipart) {
			err = r.ParseMultipartForm(memory)
		} else {
			err = r.ParseForm()
		}
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			s.face.Problem(w, r, http.StatusRequestEntityTooLarge, "That is too large", "A document may have 25 MiB, and all documents of one form 50 MiB. Nothing was kept; send fewer at once.")
			return
		}
		if err != nil {
			s.face.Problem(w, r, http.StatusBadRequest, "The form could not be read", "Nothing was changed. Go back, and send it again.")
			return
		}
		h(w, r)
	}
}

// failed answers an error that is nobody's fault but ours, or that says that there is no such thing; false if err is nil.
func (s *room) failed(w http.ResponseWriter, r *http.Request, err error) bool {
	if err == nil {
		return false
	}
	for _, none := range notFound {
		if errors.Is(err, none) {
			s.face.Missing(w, r)
			return true
		}
	}
	if no, ok := errors.AsType[*desk.Refusal](err); ok {
		s.face.Problem(w, r, statusOf(no.Code), "Not now, or not for you", sentence(no))
		return true
	}
	s.face.Failed(w, r, err)
	return true
}

// statusOf is the HTTP status of a refusal.
func statusOf(code string) int {
	switch {
	case code == "state.role" || code == "auth.suspended":
		return http.StatusForbidden
	case code == "form.unknown" || code == "sign.passkey":
		return http.StatusUnprocessableEntity
	}
	switch group, _, _ := strings.Cut(code, "."); group {
	case "state", "sign", "standing", "notice", "hold", "delivery", "policy":
		return http.StatusConflict
	}
	return http.StatusUnprocessableEntity
}

// sentence is a refusal in words: what the code means, and what it is about.
func sentence(no *desk.Refusal) string {
	t := desk.ReasonOf(no.Code).Text
	if t == "" {
		t = no.Code
	}
	t = strings.ToUpper(t[:1]) + t[1:]
	if no.Text != "" && !slices.Contains(commandNames, no.Text) {
		t += ": " + no.Text
	}
	return strings.TrimSuffix(t, ".") + "."
}

// done sends the reader back to a page that then says what happened.
func done(w http.ResponseWriter, r *http.Request, place, what string) {
	http.Redirect(w, r, place+"?done="+what, http.StatusSeeOther)
}

// only answers with 403 unless the person holds one of the roles.
func (s *room) only(w http.ResponseWriter, r *http.Request, roles ...registry.Role) bool {
	if slices.ContainsFunc(roles, session.ActorOf(r).Has) {
		return true
	}
	s.face.Problem(w, r, http.StatusForbidden, "Not for you", "This is for "+registry.Titles(roles)+".")
	return false
}
