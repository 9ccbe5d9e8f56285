package portal

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"writ/desk"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/tlog/verify"
)

// APIPath is where API is mounted.
const APIPath = "/api/"

// API serves the portal's functions to programs: JSON, described at /api/openapi.json (OpenAPI 3.1), errors as problem documents
// (RFC 9457). It wants the token that the portal makes. Mount it inside Sessions.Wrap.
func API(o Options) http.Handler {
	mux := http.NewServeMux()
	conf := huma.DefaultConfig("Writ requester API", "1")
	conf.OpenAPIPath, conf.DocsPath, conf.SchemasPath = APIPath+"openapi", "", APIPath+"schemas"
	conf.Info.Description = "File legal requests and follow them. Authenticate with a token made in the requester portal."
	conf.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	conf.Security = []map[string][]string{{"token": {}}}
	h := humago.New(mux, conf)
	a := &api{o: o}
	a.register(h)
	officers := o.Sessions.Require(mux, registry.Officer)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		switch by, err := o.Sessions.Actor(r); {
		case r.Method == http.MethodGet && !inside(r.URL.Path): // the description is public
			mux.ServeHTTP(w, r)
		case err == nil && by.Auth == desk.ByToken && by.Has(registry.Officer):
			officers.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), apiActor{}, by)))
		default:
			problem(w, http.StatusUnauthorized, "A token of the requester portal is needed, as Authorization: Bearer TOKEN. It lives for an hour.")
		}
	})
}

type apiActor struct{}

func inside(path string) bool { return len(path) >= len(apiRoot) && path[:len(apiRoot)] == apiRoot }

const apiRoot = APIPath + "v1/"

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	e := huma.NewError(status, detail)
	json.NewEncoder(w).Encode(e) // the reader is gone if this fails
}

type api struct{ o Options }

func (a *api) by(ctx context.Context) desk.Actor {
	by, _ := ctx.Value(apiActor{}).(desk.Actor)
	return by
}

// Wire types of the API.
type (
	apiDocument struct {
		Name string `json:"name" maxLength:"300" doc:"File name."`
		Body string `json:"body" contentEncoding:"base64" maxLength:"36000000" doc:"The PDF in base64, at most 25 MiB decoded."`
	}
	apiGag struct {
		Issuer string    `json:"issuer"`
		Scope  string    `json:"scope,omitempty"`
		Until  time.Time `json:"until,omitempty" doc:"When the order ends. One without an end is a fault to be mended."`
	}
	apiFiling struct {
		Service      string        `json:"service"`
		Instrument   string        `json:"instrument" doc:"subpoena, court_order, search_warrant, emergency, preservation, foreign_order, mlat, …"`
		Jurisdiction string        `json:"jurisdiction" doc:"ISO 3166-1 alpha-2 or 3166-2; HK is its own."`
		LegalBasis   string        `json:"legal_basis"`
		Reference    string        `json:"reference" doc:"Your own case number."`
		Authority    string        `json:"authority,omitempty"`
		Signed       time.Time     `json:"signed,omitempty"`
		Respond      time.Time     `json:"respond,omitempty"`
		Supervisor   string        `json:"supervisor,omitempty"`
		Facts        string        `json:"facts,omitempty"`
		Offence      string        `json:"offence,omitempty"`
		Identifiers  []string      `json:"identifiers"`
		Categories   []string      `json:"categories"`
		From         time.Time     `json:"from,omitempty"`
		To           time.Time     `json:"to,omitempty" doc:"Exclusive."`
		Documents    []apiDocument `json:"documents,omitempty"`
		Gag          *apiGag       `json:"non_disclosure,omitempty"`
		Sealed       bool          `json:"sealed,omitempty"`
	}
	apiClock struct {
		Name string    `json:"name"`
		Due  time.Time `json:"due"`
		Rule string    `json:"rule"`
	}
	apiMessage struct {
		At      time.Time `json:"at"`
		By      string    `json:"by" doc:"desk, or you"`
		Kind    string    `json:"kind"`
		Reasons []string  `json:"reasons,omitempty"`
		Text    string    `json:"text,omitempty"`
	}
	apiRequest struct {
		ID           string       `json:"id"`
		State        string       `json:"state"`
		Answer       string       `json:"answer" doc:"Where it stands, in words."`
		Received     time.Time    `json:"received"`
		Service      string       `json:"service"`
		Instrument   string       `json:"instrument"`
		Jurisdiction string       `json:"jurisdiction"`
		Reference    string       `json:"reference"`
		Identifiers  []string     `json:"identifiers"`
		Categories   []string     `json:"categories"`
		Clocks       []apiClock   `json:"clocks"`
		Messages     []apiMessage `json:"messages"`
		Actions      []string     `json:"actions" doc:"What may be done now: answer, cure, agree, withdraw, follow_up, download."`
		Reasons      []string     `json:"reasons,omitempty"`
	}
	apiLine struct {
		ID         string    `json:"id"`
		State      string    `json:"state"`
		Instrument string    `json:"instrument"`
		Accounts   int       `json:"accounts"`
		Received   time.Time `json:"received"`
		Due        time.Time `json:"due,omitempty"`
		Paused     bool      `json:"paused"`
	}
	apiReceipt struct {
		ID       string         `json:"id"`
		State    string         `json:"state"`
		Answer   string         `json:"answer"`
		Received time.Time      `json:"received"`
		Receipt  verify.Receipt `json:"receipt" doc:"Keep it: writ verify receipt checks it offline."`
	}
	apiWords struct {
		Text      string        `json:"text,omitempty" maxLength:"8000"`
		Documents []apiDocument `json:"documents,omitempty"`
	}
)

type (
	idInput struct {
		ID string `path:"id" maxLength:"100"`
	}
	fileInput struct{ Body apiFiling }
	wordInput struct {
		ID      string `path:"id" maxLength:"100"`
		Command string `path:"command" enum:"answer,cure,agree,withdraw,follow_up"`
		Body    apiWords
	}
	listInput struct {
		After string `query:"after" doc:"The cursor that the page before gave."`
	}
	receiptOutput struct{ Body apiReceipt }
	requestOutput struct{ Body apiRequest }
	listOutput    struct {
		Body struct {
			Requests []apiLine `json:"requests"`
			Next     string    `json:"next,omitempty"`
		}
	}
	proofOutput   struct{ Body verify.Receipt }
	packageOutput struct {
		Type        string `header:"Content-Type"`
		Disposition string `header:"Content-Disposition"`
		Body        []byte
	}
)

func (a *api) register(h huma.API) {
	huma.Register(h, huma.Operation{OperationID: "file", Method: http.MethodPost, Path: apiRoot + "requests", Summary: "File a request", DefaultStatus: http.StatusCreated,
		MaxBodyBytes: maxBody, Errors: []int{401, 409, 413, 422, 503}}, a.file)
	huma.Register(h, huma.Operation{OperationID: "list", Method: http.MethodGet, Path: apiRoot + "requests", Summary: "Your requests", Errors: []int{401}}, a.list)
	huma.Register(h, huma.Operation{OperationID: "get", Method: http.MethodGet, Path: apiRoot + "requests/{id}", Summary: "One request", Errors: []int{401, 404}}, a.get)
	huma.Register(h, huma.Operation{OperationID: "receipt", Method: http.MethodGet, Path: apiRoot + "requests/{id}/receipt", Summary: "The receipt, with the proof once there is one",
		Errors: []int{401, 404}}, a.receipt)
	huma.Register(h, huma.Operation{OperationID: "act", Method: http.MethodPost, Path: apiRoot + "requests/{id}/{command}", Summary: "Answer, mend, agree or withdraw",
		MaxBodyBytes: maxBody, Errors: []int{401, 404, 409, 422}}, a.act)
	huma.Register(h, huma.Operation{OperationID: "download", Method: http.MethodPost, Path: apiRoot + "requests/{id}/package", Summary: "Take the package; it is given once",
		Errors: []int{401, 404, 409, 410}}, a.download)
}

// answer makes a problem document of the desk's error.
func (a *api) answer(err error) error {
	var no *desk.Refusal
	var faults intake.FieldErrors
	switch {
	case err == nil:
		return nil
	case errors.Is(err, desk.ErrNotFound):
		return huma.Error404NotFound("There is no such request of yours.")
	case errors.As(err, &faults):
		details := make([]error, len(faults))
		for i, f := range faults {
			details[i] = &huma.ErrorDetail{Location: "body." + f.Field, Message: "allowed: " + f.Allowed + " (" + f.Code + ")", Value: f.Given}
		}
		return huma.Error422UnprocessableEntity("The request has faults of form; nothing was filed.", details...)
	case errors.As(err, &no):
		return huma.NewError(statusOf(no), refusalText(no))
	default:
		a.o.Log.Error("portal API", "room", "portal", "err", err)
		return huma.Error500InternalServerError("The fault is ours and was noted; nothing was changed.")
	}
}

func documents(in []apiDocument) ([]intake.Document, error) {
	var out []intake.Document
	for _, d := range in {
		b, err := base64.StdEncoding.DecodeString(d.Body)
		if err != nil {
			return nil, huma.Error422UnprocessableEntity("A document is not in base64.", &huma.ErrorDetail{Location: "body.documents", Message: "allowed: standard base64", Value: d.Name})
		}
		out = append(out, intake.Document{Name: d.Name, Body: b})
	}
	return out, nil
}

func (a *api) file(ctx context.Context, in *fileInput) (*receiptOutput, error) {
	b := in.Body
	docs, err := documents(b.Documents)
	if err != nil {
		return nil, err
	}
	f := desk.Filing{Channel: intake.API, Service: b.Service, Instrument: law.Instrument(b.Instrument), Jurisdiction: b.Jurisdiction, LegalBasis: b.LegalBasis,
		Reference: b.Reference, Authority: b.Authority, Signed: b.Signed, Respond: b.Respond, Supervisor: b.Supervisor, Facts: b.Facts, Offence: b.Offence,
		Identifiers: b.Identifiers, From: b.From, To: b.To, Documents: docs, Sealed: b.Sealed}
	for _, c := range b.Categories {
		f.Categories = append(f.Categories, law.Category(c))
	}
	if b.Gag != nil {
		f.Gag = &intake.Gag{Issuer: b.Gag.Issuer, Scope: b.Gag.Scope, Until: b.Gag.Until}
	}
	r, err := a.o.Desk.File(ctx, a.by(ctx), f)
	if err != nil {
		return nil, a.answer(err)
	}
	return &receiptOutput{apiReceipt{ID: r.Case, State: string(r.State), Answer: r.Answer, Received: r.Received, Receipt: r.File}}, nil
}

func (a *api) list(ctx context.Context, in *listInput) (*listOutput, error) {
	page, err := a.o.Desk.Queue(ctx, a.by(ctx), desk.Filter{After: in.After})
	if err != nil {
		return nil, a.answer(err)
	}
	out := &listOutput{}
	out.Body.Next, out.Body.Requests = page.Next, []apiLine{}
	for _, l := range page.Lines {
		out.Body.Requests = append(out.Body.Requests, apiLine{l.ID, string(l.State), l.Instrument, l.Accounts, l.Received, l.Due, l.Paused})
	}
	return out, nil
}

func (a *api) get(ctx context.Context, in *idInput) (*requestOutput, error) {
	c, err := a.o.Desk.Case(ctx, a.by(ctx), in.ID)
	if err != nil {
		return nil, a.answer(err)
	}
	return a.request(ctx, c)
}

func (a *api) request(ctx context.Context, c desk.Case) (*requestOutput, error) {
	offers, err := a.o.Desk.Actions(ctx, a.by(ctx), c.ID)
	if err != nil {
		return nil, a.answer(err)
	}
	out := apiRequest{ID: c.ID, State: string(c.State), Answer: c.Answer(), Received: c.Received, Service: c.Request.Service, Instrument: string(c.Request.Instrument),
		Jurisdiction: c.Request.Jurisdiction, Reference: c.Request.Reference, Identifiers: c.Request.Asked.Identifiers, Reasons: c.Reasons,
		Clocks: []apiClock{}, Messages: []apiMessage{}, Actions: []string{}, Categories: []string{}}
	for _, k := range c.Request.Asked.Categories {
		out.Categories = append(out.Categories, string(k))
	}
	for _, k := range c.Clocks {
		out.Clocks = append(out.Clocks, apiClock{k.Name, k.Due, k.Rule})
	}
	for _, m := range c.Talk {
		who := "you"
		if m.By == "desk" {
			who = "desk"
		}
		out.Messages = append(out.Messages, apiMessage{m.At, who, string(m.Kind), m.Reasons, m.Text})
	}
	for _, o := range offers {
		if o.Blocked == "" {
			out.Actions = append(out.Actions, o.Command)
		}
	}
	return &requestOutput{out}, nil
}

func (a *api) receipt(ctx context.Context, in *idInput) (*proofOutput, error) {
	r, err := a.o.Desk.Receipt(ctx, a.by(ctx), in.ID)
	if err != nil {
		return nil, a.answer(err)
	}
	return &proofOutput{r}, nil
}

func (a *api) act(ctx context.Context, in *wordInput) (*requestOutput, error) {
	docs, err := documents(in.Body.Documents)
	if err != nil {
		return nil, err
	}
	cmd, ok := command(in.Command, in.Body.Text, docs)
	if !ok {
		return nil, huma.Error404NotFound("There is no such action.")
	}
	c, err := a.o.Desk.Do(ctx, a.by(ctx), in.ID, cmd)
	if err != nil {
		return nil, a.answer(err)
	}
	return a.request(ctx, c)
}

func (a *api) download(ctx context.Context, in *idInput) (*packageOutput, error) {
	d, err := a.o.Desk.Download(ctx, a.by(ctx), in.ID)
	if err != nil {
		return nil, a.answer(err)
	}
	name := ""
	for _, c := range d.Name {
		name += string(plain(c))
	}
	return &packageOutput{Type: "application/octet-stream", Disposition: `attachment; filename="` + name + `"`, Body: d.Body}, nil
}
