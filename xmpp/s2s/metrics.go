package s2s

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"writ/obs"
	"writ/xmpp/stanza"
)

type metrics struct {
	refused  prometheus.Counter
	open     *prometheus.GaugeVec
	opened   *prometheus.CounterVec
	errors   *prometheus.CounterVec
	returned *prometheus.CounterVec
	unasked  prometheus.Counter
	paused   prometheus.Counter
	in, out  map[stanza.Kind]prometheus.Counter
}

func newMetrics(s *Server, m *obs.Metrics) metrics {
	byKind := m.Counters("s2s", "stanzas_total", "Stanzas from and to other servers, by direction and kind.", "direction", "kind")
	kinds := func(direction string) map[stanza.Kind]prometheus.Counter {
		out := map[stanza.Kind]prometheus.Counter{}
		for _, k := range []stanza.Kind{stanza.Message, stanza.Presence, stanza.IQ} {
			out[k] = byKind.WithLabelValues(direction, k.String())
		}
		return out
	}
	m.GaugeFunc("s2s", "queued_bytes", "Bytes that wait for other servers.", func() float64 { return float64(s.waiting.Load()) })
	m.GaugeFunc("s2s", "queued", "Stanzas that wait for other servers.", func() float64 {
		n := 0
		for _, p := range s.Peers() {
			n += p.Queued
		}
		return float64(n)
	})
	m.GaugeFunc("s2s", "peers", "Domains that something waits for or that are connected.", func() float64 { return float64(len(s.Peers())) })
	return metrics{
		refused:  m.Counter("s2s", "refused_total", "Connections refused over the limits of their number."),
		open:     m.Gauges("s2s", "connections", "Connections with other servers, by direction.", "direction"),
		opened:   m.Counters("s2s", "opened_total", "Streams by direction and how their negotiation ended.", "direction", "outcome"),
		errors:   m.Counters("s2s", "stream_errors_total", "Streams that we ended with an error, by condition.", "condition"),
		returned: m.Counters("s2s", "returned_total", "Stanzas given back because a server could not be reached, by condition.", "condition"),
		unasked:  m.Counter("s2s", "unasked_total", "Dialback answers that nobody asked for."),
		paused:   m.Counter("s2s", "paused_total", "Times that a server was not read for sending too fast."),
		in:       kinds("in"), out: kinds("out"),
	}
}

func (m metrics) links(direction string) prometheus.Gauge { return m.open.WithLabelValues(direction) }

// State is what an operator sees of one pair of a host here and a domain elsewhere: counts, nothing of people.
type State struct {
	Local  string `json:"local"`
	Remote string `json:"remote"`
	Out    bool   `json:"out"`     // a stream of ours is up
	In     int    `json:"in"`      // streams of theirs
	Queued int    `json:"queued"`  // stanzas that wait
	Bytes  int    `json:"bytes"`   // of them
	Fails  int    `json:"failing"` // attempts in a row that have failed
}

// Peers lists the pairs that something waits for or that are connected, sorted.
func (s *Server) Peers() []State {
	s.mu.Lock()
	peers := make([]*peer, 0, len(s.peers))
	for _, p := range s.peers {
		peers = append(peers, p)
	}
	s.mu.Unlock()
	var out []State
	seen := map[string]bool{}
	for _, p := range peers {
		p.mu.Lock()
		x := State{Local: p.at.local.String(), Remote: p.at.remote.String(), Out: p.link != nil && !p.link.in, Queued: p.q.len(), Bytes: p.q.size, Fails: p.fails}
		p.mu.Unlock()
		seen[x.Remote] = true
		x.In = s.gate.proved(p.at.remote)
		out = append(out, x)
	}
	for domain, n := range s.gate.all() {
		if !seen[domain] {
			out = append(out, State{Remote: domain, In: n})
		}
	}
	slices.SortFunc(out, func(a, b State) int { return cmp.Or(cmp.Compare(a.Remote, b.Remote), cmp.Compare(a.Local, b.Local)) })
	return out
}
