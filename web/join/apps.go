package join

import (
	"slices"
	"strings"
)

// app is an app that the pages recommend (XEP-0379 §3.3).
type app struct{ On, Name, Link string }

// apps are the apps with OMEMO that are tested with this server, or are known to work.
func apps() []app {
	return []app{
		{"Android", "Conversations", "https://conversations.im/"},
		{"iPhone, iPad, Mac", "Monal", "https://monal-im.org/"},
		{"Linux", "Dino", "https://dino.im/"},
		{"Windows, Linux", "Gajim", "https://gajim.org/"},
		{"A terminal", "Profanity", "https://profanity-im.github.io/"},
	}
}

// appsFor puts first what runs where the page is read, as far as the browser tells.
func appsFor(browser string) []app {
	list := apps()
	mine := func(a app) int {
		for _, s := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPhone"}, {"Mac OS", "iPhone"}, {"Windows", "Windows"}, {"Linux", "Linux"}} {
			if strings.Contains(browser, s[0]) {
				if strings.Contains(a.On, s[1]) {
					return 0
				}
				return 1
			}
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b app) int { return mine(a) - mine(b) })
	return list
}
