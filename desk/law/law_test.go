package law

import "testing"

func TestJurisdictions(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"hk": "HK", " HK ": "HK", "CN-HK": "HK", "US": "US", "us-ca": "US-CA", "GB-SCT": "GB-SCT", "CN": "CN",
		"UK": "", "XX": "", "": "", "USA": "", "US-": "", "US-CALI": "", "US_CA": "", "ZZ-1": "", "EU": ""} {
		got, ok := Jurisdiction(in)
		if ok != (want != "") || ok && got != want {
			t.Errorf("Jurisdiction(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
	if n := len(Countries()); n != 249 {
		t.Errorf("%d countries; ISO 3166-1 has 249", n)
	}
	if got := JurisdictionName("HK"); got != "Hong Kong" {
		t.Errorf("HK is named %q", got)
	}
	for _, c := range Countries() {
		if JurisdictionName(c) == c || JurisdictionName(c) == "" {
			t.Errorf("%s has no name", c)
		}
	}
	if !Within("US-CA", "US") || Within("HK", "CN") || Within("US", "US-CA") {
		t.Error("scope of a jurisdiction")
	}
	if !European("DE") || European("DK") || European("GB") {
		t.Error("who is bound by the regulation")
	}
}

func TestInstrumentsHaveTitles(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, i := range Instruments() {
		if i.Title() == "" || seen[i.Title()] {
			t.Errorf("%s: title %q", i, i.Title())
		}
		seen[i.Title()] = true
	}
	if Instrument("order").Known() {
		t.Error("an unknown instrument is known")
	}
}
