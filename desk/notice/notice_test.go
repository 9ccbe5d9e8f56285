package notice

import (
	"strings"
	"testing"
	"time"
)

var about = About{Case: "W-7K3M-9QXD", Provider: "Writ", Agency: "Hong Kong Police Force", Jurisdiction: "Hong Kong", Instrument: "Search warrant", LegalBasis: "Cap. 1",
	Categories: []string{"Subscriber", "Sign-ins"}, From: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2020, 3, 1, 0, 0, 0, 0, time.UTC),
	Until: time.Date(2020, 3, 8, 9, 30, 0, 0, time.UTC), Delivered: time.Date(2020, 3, 9, 0, 0, 0, 0, time.UTC)}

// Before delivery: who asks, for what, until when and how to object.
func TestBefore(t *testing.T) {
	t.Parallel()
	subject, body := Before(about)
	for _, s := range []string{"Hong Kong Police Force", "Search warrant", "Cap. 1", "Subscriber, Sign-ins", "as far back as records are kept to 1 March 2020",
		"8 March 2020, 09:30", "W-7K3M-9QXD", "no key"} {
		if !strings.Contains(body, s) {
			t.Errorf("the message does not say %q", s)
		}
	}
	if subject == "" || strings.Contains(subject, "Police") {
		t.Errorf("subject %q: who asks does not stand where others may see it", subject)
	}
}

// Afterwards: why only now, when, what.
func TestAfter(t *testing.T) {
	t.Parallel()
	a := about
	_, gag := After(a)
	a.Emergency = true
	_, emergency := After(a)
	if !strings.Contains(gag, "order forbade") || !strings.Contains(emergency, "danger to life") || !strings.Contains(gag, "9 March 2020") {
		t.Errorf("%s\n%s", gag, emergency)
	}
	if strings.Contains(gag, "object") {
		t.Error("it offers an objection to what has happened")
	}
}
