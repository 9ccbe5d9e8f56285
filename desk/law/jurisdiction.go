package law

import (
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// countries is every code of ISO 3166-1 alpha-2. Hong Kong and Macao are their own.
const countries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG " +
	"GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ " +
	"LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR " +
	"NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ " +
	"TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"

// own maps the subdivision codes of territories that have a code of their own in ISO 3166-1 to that code.
var own = map[string]string{"CN-HK": "HK", "CN-MO": "MO", "CN-TW": "TW", "US-PR": "PR", "US-GU": "GU", "US-VI": "VI", "US-AS": "AS", "US-MP": "MP",
	"US-UM": "UM", "FR-GP": "GP", "FR-MQ": "MQ", "FR-GF": "GF", "FR-RE": "RE", "FR-YT": "YT", "NL-AW": "AW", "NL-CW": "CW", "NL-SX": "SX"}

// Jurisdiction gives the normal form of a code: ISO 3166-1 alpha-2, or ISO 3166-2 where a part of a country has law
// of its own. A territory with a code in both is written by the first (CN-HK is HK). ok is false when s is neither.
func Jurisdiction(s string) (code string, ok bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if o := own[s]; o != "" {
		return o, true
	}
	if len(s) == 2 {
		return s, isCountry(s)
	}
	if len(s) < 4 || len(s) > 6 || s[2] != '-' || !isCountry(s[:2]) {
		return "", false
	}
	for _, c := range []byte(s[3:]) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return "", false
		}
	}
	return s, true
}

// Country is the ISO 3166-1 part of a jurisdiction.
func Country(jurisdiction string) string {
	if len(jurisdiction) < 2 {
		return ""
	}
	return jurisdiction[:2]
}

// Within reports whether jurisdiction j lies within scope: equal, or a subdivision of that country.
func Within(j, scope string) bool {
	return j == scope || len(scope) == 2 && strings.HasPrefix(j, scope+"-")
}

// JurisdictionName is the English name of a jurisdiction; a subdivision is named by its country and code.
func JurisdictionName(j string) string {
	c, ok := Jurisdiction(j)
	if !ok {
		return j
	}
	r, err := language.ParseRegion(Country(c))
	if err != nil {
		return c
	}
	n := strings.TrimSuffix(display.English.Regions().Name(r), " SAR China")
	if len(c) > 2 {
		return n + " (" + c + ")"
	}
	return n
}

// Countries is every ISO 3166-1 code, in order.
func Countries() []string { return strings.Fields(countries) }

func isCountry(s string) bool {
	_, ok := slices.BinarySearch(countryList, s)
	return ok
}

var countryList = strings.Fields(countries)

// european is the member states of the European Union that take part in Regulation (EU) 2023/1543 (all but Denmark).
const european = "AT BE BG CY CZ DE EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"

// European reports whether j is a member state bound by Regulation (EU) 2023/1543.
func European(j string) bool { return strings.Contains(european, Country(j)) && len(j) >= 2 }
