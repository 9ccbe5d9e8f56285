package obs_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"writ/obs"
)

func TestLoggerLevels(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	log := obs.Logger(&b, "warn", true)
	log.Info("quiet")
	log.Warn("loud", "room", "obs")
	if got := b.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `"room":"obs"`) {
		t.Errorf("log: %s", got)
	}
}

func TestMetricsAreShownUnderTheirRoom(t *testing.T) {
	t.Parallel()
	m := obs.NewMetrics()
	m.Counter("mam", "pages_total", "Pages answered.").Add(3)
	m.Counters("c2s", "closed_total", "Streams closed.", "why").WithLabelValues("timeout").Inc()
	m.GaugeFunc("c2s", "sessions", "Sessions bound.", func() float64 { return 7 })
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{"writ_mam_pages_total 3", `writ_c2s_closed_total{why="timeout"} 1`, "writ_c2s_sessions 7"} {
		if !strings.Contains(rec.Body.String(), line) {
			t.Errorf("metrics lack %q", line)
		}
	}
}

func TestWithoutARegistry(t *testing.T) {
	t.Parallel()
	var m *obs.Metrics
	m.Counter("a", "b_total", "c").Inc()
	m.Counter("a", "b_total", "c").Inc()
	m.Seconds("a", "d", "e").Observe(1)
}
