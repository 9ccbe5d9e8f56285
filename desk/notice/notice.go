// Package notice says when a person is told that their records were asked for, and with what words.
//
// By default seven days before delivery, so that the person can object; under an order not to tell when that ends; after an
// emergency afterwards. It is pure. Invariants: the words name no officer, no other account and nothing that was found; a notice
// before delivery says how to object and until when.
package notice

import (
	"fmt"
	"strings"
	"time"
)

// Lead is how long before delivery a person is told.
const Lead = 7 * 24 * time.Hour

// About is what a notice speaks of.
type About struct {
	Case         string
	Provider     string
	Agency       string
	Jurisdiction string // its name
	Instrument   string // its title
	LegalBasis   string
	Categories   []string // titles
	From, To     time.Time
	Until        time.Time // before delivery: until when the person can object
	Delivered    time.Time // afterwards: when it was delivered
	Emergency    bool
}

const day = "2 January 2006"

// Before is the message that is sent before delivery.
func Before(a About) (subject, body string) {
	subject = "A government asked for records about your account"
	body = fmt.Sprintf(`%s received a legal request for records about your account.

Who asks: %s, %s
By: %s (%s)
What we would give: %s
Period: %s

Nothing that you say can be given: your messages are encrypted and we have no key to them.

You can object until %s (UTC). Answer this message; begin with the number %s and say why. You may want to ask a lawyer. If we hear nothing, the records may be delivered after that.`,
		a.Provider, a.Agency, a.Jurisdiction, a.Instrument, a.LegalBasis, list(a.Categories), period(a), a.Until.UTC().Format(day+", 15:04"), a.Case)
	return subject, body
}

// After is the message that is sent once it may be told.
func After(a About) (subject, body string) {
	subject = "Records about your account were given to a government"
	why := "An order forbade us to tell you before; it has ended."
	if a.Emergency {
		why = "The authority stated a danger to life, so we tell you afterwards."
	}
	body = fmt.Sprintf(`%s gave records about your account to an authority. %s

Who asked: %s, %s
By: %s (%s)
What was given: %s
Period: %s
Delivered: %s
Number of the case: %s

Nothing that you say was given: your messages are encrypted and we have no key to them.`,
		a.Provider, why, a.Agency, a.Jurisdiction, a.Instrument, a.LegalBasis, list(a.Categories), period(a), a.Delivered.UTC().Format(day), a.Case)
	return subject, body
}

func list(s []string) string {
	if len(s) == 0 {
		return "nothing"
	}
	return strings.Join(s, ", ")
}

func period(a About) string {
	from := "as far back as records are kept"
	if a.From.Year() > 1990 {
		from = "from " + a.From.UTC().Format(day)
	}
	return from + " to " + a.To.UTC().Format(day)
}
