package c2s

import (
	"github.com/prometheus/client_golang/prometheus"

	"writ/obs"
)

type metrics struct {
	conns      prometheus.Gauge
	refused    prometheus.Counter
	handshakes *prometheus.CounterVec
	logins     *prometheus.CounterVec
	closed     *prometheus.CounterVec
	resumed    *prometheus.CounterVec
	paused     prometheus.Counter
}

func newMetrics(m *obs.Metrics) metrics {
	return metrics{
		conns:      m.Gauge("c2s", "connections", "Client connections."),
		refused:    m.Counter("c2s", "refused_total", "Connections refused over the limit of connections not signed in."),
		handshakes: m.Counters("c2s", "handshakes_total", "TLS handshakes, by outcome.", "outcome"),
		logins:     m.Counters("c2s", "logins_total", "Sign-ins, by outcome.", "outcome"),
		closed:     m.Counters("c2s", "stream_errors_total", "Streams ended with an error, by condition.", "condition"),
		resumed:    m.Counters("c2s", "resumptions_total", "Resumptions of XEP-0198, by outcome.", "outcome"),
		paused:     m.Counter("c2s", "paused_total", "Times that a reader was paused for sending too fast."),
	}
}
