package adhoc

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"writ/records"
	"writ/schedule"
	"writ/xmpp/feature"
)

// MyRecordsNode is the node of the command "My records".
const MyRecordsNode = "urn:writ:my-records"

// The bounds on what one answer shows; more would not fit a stanza that every app takes.
const (
	shownRows  = 50       // newest rows of a kind
	shownLine  = 400      // bytes of a row
	shownTotal = 96 << 10 // bytes of all rows
)

// Owner shows a person what is held about them; records.Keeper is one.
type Owner interface {
	Own(ctx context.Context, account string, into records.Sink) error
}

// MyRecords is the command by which a person sees what is kept about them: by the same exports that a production would use, and
// with what is held but never given out. schedule is asked at each run.
func MyRecords(owner Owner, schedule func() schedule.Schedule) Command {
	return Command{Node: MyRecordsNode, Name: "My records: what is kept about me", At: feature.AtOwn | feature.AtDomain,
		Run: func(ctx context.Context, c *Call) (Stage, error) {
			s := schedule()
			list := &listing{schedule: s, left: shownTotal}
			if err := owner.Own(ctx, c.From.Bare().String(), list); err != nil {
				return Stage{}, err
			}
			list.sealed()
			return Stage{Done: true, Form: &Form{Result: true, Title: "What is kept about " + c.From.Bare().String(),
				Instructions: "This is everything that the server holds about your account, read by the same code that would answer a legal request. " +
					"Times are in UTC. Record schedule " + s.Version() + ".",
				Fields: list.fields}}, nil
		}}
}

// listing is a Sink that makes a field of each kind of record.
type listing struct {
	schedule schedule.Schedule
	fields   []Field
	left     int

	datum schedule.Datum
	rows  []string // the newest, as a ring
	next  int
}

func (l *listing) Begin(_ context.Context, _ string, d schedule.Datum) error {
	l.datum, l.rows, l.next = d, l.rows[:0], 0
	return nil
}

// Row keeps the newest rows: exports give the oldest first.
func (l *listing) Row(values []any) error {
	var parts []string
	for i, v := range values {
		if text := show(v); text != "" {
			parts = append(parts, label(l.datum.Fields[i])+": "+text)
		}
	}
	line := cut(strings.Join(parts, ", "), shownLine)
	if len(l.rows) < shownRows {
		l.rows = append(l.rows, line)
		return nil
	}
	l.rows[l.next] = line
	l.next = (l.next + 1) % shownRows
	return nil
}

func (l *listing) End(rows int64) error {
	field := Field{Var: l.datum.Name, Type: "text-multi", Label: l.datum.Category.Info().Title + ": " + l.datum.Name + " (kept " + l.schedule.Kept(l.datum) + ")"}
	for i := range l.rows {
		line := l.rows[(l.next+i)%len(l.rows)]
		if l.left -= len(line); l.left < 0 {
			break
		}
		field.Values = append(field.Values, line)
	}
	switch shown := int64(len(field.Values)); {
	case rows == 0:
		field.Values = []string{"No records."}
	case shown < rows:
		field.Values = append([]string{fmt.Sprintf("%d records, of which %d are shown here.", rows, shown)}, field.Values...)
	}
	l.fields = append(l.fields, field)
	return nil
}

// sealed adds what is held and never given out, to anyone.
func (l *listing) sealed() {
	for _, d := range l.schedule.Data() {
		if d.Category != schedule.Ciphertext && d.Category != schedule.Credentials || d.Retention == schedule.Permanent {
			continue // permanent ones are the house's own: they belong to no account
		}
		l.fields = append(l.fields, Field{Var: d.Name, Type: "text-multi", Label: d.Category.Info().Title + ": " + d.Name + " (kept " + l.schedule.Kept(d) + ")",
			Values: []string{d.Purpose, "Never given to anyone. " + d.Never}})
	}
}

func label(f schedule.Field) string {
	name := strings.ReplaceAll(f.Name, "_", " ")
	if f.Derived {
		name += " (derived)"
	}
	return name
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05")
	case bool:
		if v {
			return "yes"
		}
		return "no"
	}
	return fmt.Sprint(v)
}

// cut shortens s to at most n bytes, at a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
