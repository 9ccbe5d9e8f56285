package story

import (
	"testing"

	"writ/server"
)

// other opens a house of one service, and plays the year before the law: a few requests, answered.
func other(t *testing.T, name, title string) *provider {
	t.Helper()
	p := open(t, name, title, server.ServiceConfig{ID: "chat", Name: title, Chat: true})
	p.people()
	p.play(period{"2020-H1", []string{"2020-03-02"}, p.requests(4, 4, 2, 0, deliver, refuse)})
	return p
}

// google pauses production on what comes in from 1 July 2020, with two exceptions; what came before is answered after it.
func google(t *testing.T) []line {
	p := other(t, "google.example", "Google")
	p.to(day("2020-06-26"))
	before := p.requests(1, 1, 1, 0, deliver, refuse)
	p.each(before, p.handle)
	p.to(day("2020-07-01"))
	p.stand("production_paused", "We have paused production on any new data requests from Hong Kong authorities.", "new_only", "yes",
		"exception1", "Trafficking in human beings, on a warrant.", "exception1_for", "search_warrant", "exception2", "A credible threat to life.", "exception2_for", "emergency")
	p.to(day("2020-07-05"))
	p.each(before, p.release)

	n := max(scale(43), 5)
	list := p.requests(n, n, 3, 0, except, reviewed)
	list[0].instrument, list[1].instrument, list[2].instrument = "search_warrant", "search_warrant", "emergency"
	p.play(period{"2020-H2", h2, list})
	p.to(day("2021-02-26"))
	percent := "7.0"
	return []line{
		p.check("Google", "2020-H1", "answered, also after 1 July what came before it", figures{requests: 5, accounts: 5, productive: 3, refused: 2}, "60.0"),
		p.check("Google", "2020-H2", "43 requests, 3 with some data", figures{requests: n, accounts: n, productive: 3, emergency: 1, paused: n - 3}, percent),
	}
}

func twitter(t *testing.T) []line {
	p := other(t, "twitter.example", "Twitter")
	p.to(day("2020-07-06"))
	p.stand("review_paused", "We have paused all data and information requests from Hong Kong authorities when the law went into effect.")
	p.play(period{"2020-H2", h2[:2], p.requests(6, 6, 0, 0, deliver, hold)})
	p.to(day("2021-02-26"))
	return []line{p.check("Twitter", "2020-H2", "paused", figures{requests: 6, accounts: 6, paused: 6}, "0.0")}
}

func telegram(t *testing.T) []line {
	p := other(t, "telegram.example", "Telegram")
	p.to(day("2020-07-05"))
	p.stand("refused", "We refuse data requests from Hong Kong until an international consensus on the political changes is reached.")
	p.play(period{"2020-H2", h2[:2], p.requests(6, 6, 0, 0, deliver, turned)})
	p.to(day("2021-02-26"))
	return []line{p.check("Telegram", "2020-H2", "refused", figures{requests: 6, accounts: 6, refused: 6}, "0.0")}
}
