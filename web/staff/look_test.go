package staff_test

import (
	"strings"
	"testing"
)

// Counsel sees on a case's page who opened it; a reviewer does not, and is on the list.
func TestWhoLooked(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	id := h.receive()
	if a := h.as("rita").Get("/staff/cases/" + id); a.Status != 200 || strings.Contains(a.Body, "Who looked") {
		t.Errorf("the reviewer's page: %d", a.Status)
	}
	a := h.as("carl").Get("/staff/cases/" + id)
	_, list, ok := strings.Cut(a.Body, "Who looked")
	if !ok || !strings.Contains(list, `data-label="Who">Rita`) || !strings.Contains(list, "the case") {
		t.Errorf("counsel's page: %d\n%s", a.Status, list)
	}
}
