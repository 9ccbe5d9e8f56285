package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// figures is what one server did in a whole run of bench/run; a nil part was not measured.
type figures struct {
	idle         []idleStep
	first, again *loadRun
	mam          *mamRun
	rooms        map[int]*roomRun // by occupants
}

// row is one figure of the table. A target of 0 is none; a figure above its target misses it.
type row struct {
	what   string
	target float64
	of     func(f figures) (float64, bool)
}

// step gives a figure of the idle run, counted from the end: 0 is the one with the most sessions.
func step(back int, of func(s idleStep) float64) func(figures) (float64, bool) {
	return func(f figures) (float64, bool) {
		i := len(f.idle) - 1 - back
		if i < 1 { // the first step has no session
			return 0, false
		}
		return of(f.idle[i]), true
	}
}

func messages(of func(first, again loadRun) float64) func(figures) (float64, bool) {
	return func(f figures) (float64, bool) {
		if f.first == nil || f.again == nil || f.first.CPUPer1k == 0 {
			return 0, false
		}
		return of(*f.first, *f.again), true
	}
}

func archive(of func(m mamRun) float64) func(figures) (float64, bool) {
	return func(f figures) (float64, bool) {
		if f.mam == nil {
			return 0, false
		}
		return of(*f.mam), true
	}
}

func room(occupants int, of func(r roomRun) float64) func(figures) (float64, bool) {
	return func(f figures) (float64, bool) {
		r := f.rooms[occupants]
		if r == nil || len(r.Runs) == 0 {
			return 0, false
		}
		return of(*r), true
	}
}

var rows = []row{
	{"user kB per idle TLS session, fewer sessions", 25, step(1, func(s idleStep) float64 { return float64(s.PSSPerConn) / 1e3 })},
	{"user kB per idle TLS session, more sessions", 25, step(0, func(s idleStep) float64 { return float64(s.PSSPerConn) / 1e3 })},
	{"CPU-ms per login, fewer sessions", 1, step(1, func(s idleStep) float64 { return s.CPUPerLogin })},
	{"CPU-ms per login, more sessions", 1, step(0, func(s idleStep) float64 { return s.CPUPerLogin })},
	{"sessions lost", 0, step(0, func(s idleStep) float64 { return float64(s.Lost) })},
	{"CPU-ms per 1,000 messages, archive on", 100, messages(func(a, _ loadRun) float64 { return a.CPUPer1k })},
	{"the same once the archive has grown", 100, messages(func(_, b loadRun) float64 { return b.CPUPer1k })},
	{"growth of that (1 = flat)", 1.25, messages(func(a, b loadRun) float64 { return b.CPUPer1k / a.CPUPer1k })},
	{"messages per second", 0, messages(func(_, b loadRun) float64 { return b.PerS })},
	{"p99 of a delivery, ms", 0, messages(func(_, b loadRun) float64 { return b.Latency.P99 / 1e3 })},
	{"CPU-ms per 1,000 to someone offline", 0, archive(func(m mamRun) float64 { return m.SendCPUPer1k })},
	{"CPU-ms per 1,000 fetched from the archive", 0, archive(func(m mamRun) float64 { return m.FetchCPUPer1k })},
	{"messages fetched from the archive", 0, archive(func(m mamRun) float64 { return float64(m.Fetched) })},
	{"messages waiting that were delivered", 0, archive(func(m mamRun) float64 { return float64(m.Offline) })},
	{"room of 200: CPU-ms per 1,000 deliveries", 10, room(200, func(r roomRun) float64 { return r.Runs[0].CPUPer1k })},
	{"room of 1,000: CPU-ms per 1,000 deliveries", 0, room(1000, func(r roomRun) float64 { return r.Runs[0].CPUPer1k })},
	{"1,000 people join one room, seconds", 5, room(1000, func(r roomRun) float64 { return r.Join.Seconds })},
}

// servers in the order of the columns; the targets are the first one's.
var servers = []string{"writ", "ejabberd", "prosody"}

// readFigures reads what bench/run has left in a folder. A file that is missing or empty is a run that was left out or failed.
func readFigures(dir, server string) (f figures, err error) {
	read := func(part string, into any) {
		b, rerr := os.ReadFile(filepath.Join(dir, server+"."+part+".json"))
		if err != nil || os.IsNotExist(rerr) || rerr == nil && len(b) == 0 {
			return
		}
		if err = rerr; err == nil {
			err = json.Unmarshal(b, &struct {
				Result any `json:"result"`
			}{into})
		}
		if err != nil {
			err = fmt.Errorf("%s of %s: %w", part, server, err)
		}
	}
	one := func(part string) *loadRun {
		var runs []loadRun
		if read(part, &runs); len(runs) == 0 {
			return nil
		}
		return &runs[0]
	}
	read("idle", &f.idle)
	f.first, f.again = one("first"), one("again")
	f.rooms = map[int]*roomRun{}
	for _, n := range []int{200, 1000} {
		var r roomRun
		if read(fmt.Sprintf("room%d", n), &r); len(r.Runs) > 0 {
			f.rooms[n] = &r
		}
	}
	var runs []mamRun
	if read("mam", &runs); len(runs) > 0 {
		f.mam = &runs[0]
	}
	return f, err
}

// writeTable prints the figures of all servers, and whether Writ's meet the targets.
func writeTable(w io.Writer, dir string) error {
	all := make([]figures, len(servers))
	for i, s := range servers {
		var err error
		if all[i], err = readFigures(dir, s); err != nil {
			return err
		}
	}
	line := func(what, target, verdict string, cells []string) {
		fmt.Fprintf(w, "%-46s %8s", what, target)
		for _, c := range cells {
			fmt.Fprintf(w, " %9s", c)
		}
		fmt.Fprintln(w, strings.TrimRight("  "+verdict, " "))
	}
	line("", "target", "", servers)
	for _, r := range rows {
		target, verdict := "", ""
		if r.target > 0 {
			target = fmt.Sprintf("≤ %v", r.target)
		}
		cells := make([]string, len(all))
		for i, f := range all {
			v, ok := r.of(f)
			if cells[i] = "-"; ok {
				cells[i] = figure(v)
			}
			if i == 0 && ok && r.target > 0 {
				if verdict = "met"; v > r.target {
					verdict = "MISSED"
				}
			}
		}
		line(r.what, target, verdict, cells)
	}
	return nil
}

// figure writes three digits, which is what such a run is worth.
func figure(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
