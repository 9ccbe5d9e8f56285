package route

import (
	"github.com/prometheus/client_golang/prometheus"

	"writ/obs"
)

type metrics struct {
	stanzas  *prometheus.CounterVec
	refused  *prometheus.CounterVec
	dropped  prometheus.Counter
	failures prometheus.Counter
	panics   prometheus.Counter
	sessions prometheus.Gauge

	message, presence, iq prometheus.Counter // of stanzas, looked up once
}

func newMetrics(m *obs.Metrics) metrics {
	s := metrics{
		stanzas:  m.Counters("route", "stanzas_total", "Stanzas taken in, by kind.", "kind"),
		refused:  m.Counters("route", "refused_total", "Stanzas answered with an error, by condition.", "condition"),
		dropped:  m.Counter("route", "dropped_total", "Stanzas dropped in silence."),
		failures: m.Counter("route", "failures_total", "Stanzas answered with internal-server-error."),
		panics:   m.Counter("route", "panics_total", "Panics of rooms, caught."),
		sessions: m.Gauge("route", "sessions", "Bound sessions, hibernating ones included."),
	}
	s.message, s.presence, s.iq = s.stanzas.WithLabelValues("message"), s.stanzas.WithLabelValues("presence"), s.stanzas.WithLabelValues("iq")
	return s
}
