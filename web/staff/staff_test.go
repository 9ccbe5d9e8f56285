package staff_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"writ/desk"
)

// A case from its receipt to its delivery by the pages alone, in the development session and with passkeys.
func TestFromReceiptToDelivery(t *testing.T) {
	t.Parallel()
	for name, dev := range map[string]bool{"development": true, "passkeys": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, sqlite(t), dev)
			id := h.receive()
			for _, path := range []string{"/staff/", "/staff/cases/" + id, "/staff/agencies", "/staff/agencies/hkpf", "/staff/people", "/staff/people/chan", "/staff/people/rita", "/staff/standings", "/staff/assessments", "/staff/reports"} {
				if a := h.as("carl").Get(path); a.Status != 200 {
					t.Errorf("%s: %d %s", path, a.Status, plain(a.Body))
				}
			}
			if a := h.as("ines").Get("/staff/"); !strings.Contains(a.Body, id) || !strings.Contains(a.Body, "香港警務處") {
				t.Errorf("the queue does not show the case:\n%s", plain(a.Body))
			}
			h.toPackage(id)
			if a := h.sign("rita", id, "sign_release"); a.Status != 409 || !strings.Contains(plain(a.Body), "may object until") {
				t.Errorf("before the person was told: %d\n%s", a.Status, plain(a.Body))
			}
			h.later(8 * 24 * time.Hour)
			h.signed("abe", id, "sign_release")
			h.want(id, desk.SecondApproval)
			h.signed("rita", id, "sign_release")
			if st := h.state(id); st != desk.Delivered && st != desk.Notified {
				t.Fatalf("the case is %s", st)
			}
			a := h.as("carl").Get("/staff/cases/" + id + "?done=sign_release")
			for _, want := range []string{"Release signed", "The person was told on", "Hong Kong"} {
				if !strings.Contains(plain(a.Body)+a.Body, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			if a := h.as("rita").Post("/staff/cases/"+id+"/nonsense", url.Values{}); a.Status != 404 {
				t.Errorf("an unknown step: %d", a.Status)
			}
		})
	}
}
