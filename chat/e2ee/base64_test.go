package e2ee

import (
	"encoding/base64"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The check without memory agrees with the decoder of the standard library, padded and raw.
func TestBase64edAgreesWithTheDecoder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom([]rune("AQgw=+/-_ \n\r.9z")), 0, 12, -1).Draw(t, "s")
		clean := strings.NewReplacer("\n", "", "\r", "").Replace(strings.TrimSpace(s))
		_, padded := base64.StdEncoding.DecodeString(clean)
		_, raw := base64.RawStdEncoding.DecodeString(clean)
		if want := clean != "" && (padded == nil || raw == nil); base64ed(s) != want {
			t.Fatalf("%q: %v", s, !want)
		}
	})
}
