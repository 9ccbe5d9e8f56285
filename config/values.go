package config

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Secret is a value that is never shown: String, LogValue and MarshalText mask it.
type Secret string

// Reveal is the value itself.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

func (s Secret) GoString() string             { return s.String() }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the value.
func (s *Secret) UnmarshalText(b []byte) error { *s = Secret(b); return nil }

// Duration is a length of time written as 7d, 12h, 30m, 90s, 250ms, sums of them (1d12h), or 0.
type Duration time.Duration

// Std is the value for package time.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string {
	const day = 24 * time.Hour
	t := time.Duration(d)
	if t == 0 {
		return "0"
	}
	var b strings.Builder
	if t < 0 {
		b.WriteByte('-')
		t = -t
	}
	for _, u := range []struct {
		name string
		d    time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := t / u.d; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + u.name)
			t %= u.d
		}
	}
	if t > 0 || b.Len() == 0 {
		b.WriteString(t.String())
	}
	return b.String()
}

func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what String writes.
func (d *Duration) UnmarshalText(b []byte) error {
	text := string(b)
	bad := fmt.Errorf("%q is not a length of time: allowed are 7d, 12h, 30m, 90s, 250ms, sums of them, and 0", text)
	if text == "0" {
		*d = 0
		return nil
	}
	rest, days := text, int64(0)
	if n, after, ok := strings.Cut(text, "d"); ok {
		v, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return bad
		}
		days, rest = int64(v), after
	}
	var sum time.Duration
	if rest != "" {
		v, err := time.ParseDuration(rest)
		if err != nil || v < 0 {
			return bad
		}
		sum = v
	} else if text == "" {
		return bad
	}
	*d = Duration(time.Duration(days)*24*time.Hour + sum)
	return nil
}
