// Package obs makes the logger and the metrics of the house. Rooms are given both at construction; nothing here is global,
// so that tests run in parallel.
//
// Invariants:
//   - Neither a log line nor a metric holds a body, a secret, a token or, in a metric, a person. Types that could carry one mask
//     themselves (config.Secret).
//   - A metric's labels come from a fixed list known when it is made, never from input.
package obs

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Logger writes lines of level (debug, info, warn, error; anything else is info) and above to w, as text or JSON.
func Logger(w io.Writer, level string, json bool) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: l}
	if json {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// Discard is a logger that drops everything.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Metrics is a registry of its own. A nil *Metrics works: what it makes counts, and is shown nowhere.
type Metrics struct{ reg *prometheus.Registry }

// NewMetrics returns a registry with the process's and the Go runtime's figures.
func NewMetrics() *Metrics {
	m := &Metrics{reg: prometheus.NewRegistry()}
	m.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler { return promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{}) }

// Counter makes writ_ROOM_NAME. Two metrics of one name panic: it is a fault of the program.
func (m *Metrics) Counter(room, name, help string) prometheus.Counter {
	return register(m, prometheus.NewCounter(prometheus.CounterOpts{Namespace: "writ", Subsystem: room, Name: name, Help: help}))
}

// Counters makes writ_ROOM_NAME with labels.
func (m *Metrics) Counters(room, name, help string, labels ...string) *prometheus.CounterVec {
	return register(m, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "writ", Subsystem: room, Name: name, Help: help}, labels))
}

// Gauge makes writ_ROOM_NAME.
func (m *Metrics) Gauge(room, name, help string) prometheus.Gauge {
	return register(m, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "writ", Subsystem: room, Name: name, Help: help}))
}

// Gauges makes writ_ROOM_NAME with labels.
func (m *Metrics) Gauges(room, name, help string, labels ...string) *prometheus.GaugeVec {
	return register(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "writ", Subsystem: room, Name: name, Help: help}, labels))
}

// GaugeFunc makes writ_ROOM_NAME, whose value is asked for when it is read.
func (m *Metrics) GaugeFunc(room, name, help string, f func() float64) {
	register(m, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "writ", Subsystem: room, Name: name, Help: help}, f))
}

// CounterFunc makes writ_ROOM_NAME, whose value is asked for when it is read.
func (m *Metrics) CounterFunc(room, name, help string, f func() float64) {
	register(m, prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "writ", Subsystem: room, Name: name, Help: help}, f))
}

// Seconds makes writ_ROOM_NAME_seconds, a histogram from 100 µs to 10 s.
func (m *Metrics) Seconds(room, name, help string) prometheus.Histogram {
	return register(m, prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "writ", Subsystem: room, Name: name + "_seconds", Help: help,
		Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10}}))
}

func register[C prometheus.Collector](m *Metrics, c C) C {
	if m == nil {
		return c
	}
	if err := m.reg.Register(c); err != nil {
		panic(fmt.Sprintf("obs: %v", err))
	}
	return c
}
