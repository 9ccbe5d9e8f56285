package ui

import (
	"fmt"
	"html/template"
	"time"
)

// standard are the functions that every page has.
var standard = template.FuncMap{
	"asset": Asset,
	"date":  Date,
	"stamp": Stamp,
	"span":  Span,
	"percent": func(part, whole int) string {
		if whole == 0 {
			return "–"
		}
		return fmt.Sprintf("%d %%", (part*100+whole/2)/whole)
	},
	"machine": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}

// Date is a day as people read it, in UTC: "6 July 2020"; an en dash for no time.
func Date(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2 January 2006")
}

// Stamp is a time to the minute, in UTC.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

// Span is a length of time in its largest fitting unit: "3 days", "5 hours", "12 minutes". A past one has a minus sign.
func Span(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "−", -d
	}
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if d >= u.of || u.of == time.Second {
			n := int64(d / u.of)
			if n == 1 {
				return sign + "1 " + u.name
			}
			return fmt.Sprintf("%s%d %ss", sign, n, u.name)
		}
	}
	return ""
}
