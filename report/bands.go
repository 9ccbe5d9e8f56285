package report

import (
	"slices"

	"writ/tlog/verify"
)

// banded are the classes that appear only as a band, each in every report, also when nothing came: that a class is listed says nothing.
var banded = []struct {
	class Class
	title string
	rule  string
}{
	{Sealed, "Requests under a seal or a non-disclosure order in force at the cut-off", "18 USC 2705(b), or the order itself; shown in the width of the statutory bands"},
	{NSL, "National security letters", "50 USC 1874(a)"},
	{FISAContents, "Orders and directives under FISA for contents", "50 USC 1874(a)"},
	{FISAOthers, "Orders under FISA for non-contents", "50 USC 1874(a)"},
}

// bandsOf gives the bands of a period: one for each class over all services and jurisdictions together, since a band for each
// jurisdiction would tell where something was.
func bandsOf(cases []Case, width int) []verify.Band {
	requests, accounts := map[Class]int{}, map[Class]int{}
	for _, c := range cases {
		requests[c.Class]++
		accounts[c.Class] += c.Accounts
	}
	var all []verify.Band
	for _, b := range banded {
		all = append(all, verify.Band{Class: string(b.class), Title: b.title, Rule: b.rule,
			Requests: verify.BandOf(requests[b.class], width), Accounts: verify.BandOf(accounts[b.class], width)})
	}
	return all
}

// withheld says which totals are not given because they would give a band's number away (complementary suppression).
var withheld = []string{
	"The total of all requests and accounts with the banded classes: less the rows of the table it would give their exact number.",
	"Bands for each service and jurisdiction: the rows beside them would tell where a banded request came from.",
}

// Definitions is what each number means, as every report says it.
func Definitions() []verify.Definition { return slices.Clone(definitions) }

// definitions stand in every report beside the numbers.
var definitions = []verify.Definition{
	{Name: "requests", Text: "Legal requests received in the period, by the day of receipt, whatever became of them. A request counts once, when it is received. Preservation requests are counted apart."},
	{Name: "accounts", Text: "Identifiers that those requests name, summed over the requests: an account that two requests name counts twice."},
	{Name: "productive", Text: "Requests for which some data was delivered by the cut-off. Neither accounts nor records."},
	{Name: "percent_some_data", Text: "productive of requests, in hundredths, with one decimal."},
	{Name: "emergency", Text: "Those of the requests that claim danger to life; emergency_productive of them got some data."},
	{Name: "paused", Text: "Those of the requests that a published standing holds at the cut-off. They are received, committed to the log and counted; nothing of them is extracted. They are not refused."},
	{Name: "refused", Text: "Those of the requests that ended with a final no; reason: says why, by the code of the published list."},
	{Name: "preservation", Text: "Requests to keep what is held until legal process comes; nothing is given on them. In no other number."},
	{Name: "late", Text: "Requests of earlier periods whose seal ended in this one. In no other number."},
	{Name: "disposition", Text: "The outcome as it stands at the cut-off. What changes later is a correction: a new version of the report."},
	{Name: "bands", Text: "Sealed and statutory classes appear only as a legal range, over all services and jurisdictions together, and in no row and no total of the table. All other counts are exact, also 0 and 1."},
}
