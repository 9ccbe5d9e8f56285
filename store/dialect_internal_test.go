package store

import (
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, sqlite, postgres string }{
		{"SELECT $2, '$1', $10", "SELECT ?2, '$1', ?10", "SELECT $2, '$1', $10"},
		{"a {{blob}} b", "a BLOB b", "a BYTEA b"},
		{"{{least}}(a, b)", "min(a, b)", "least(a, b)"},
		{"{{nonsense}}", "{{nonsense}}", "{{nonsense}}"},
	} {
		if got := SQLite.expand(c.text); got != c.sqlite {
			t.Errorf("%s became %s", c.text, got)
		}
		if got := PostgreSQL.expand(c.text); got != c.postgres {
			t.Errorf("%s became %s", c.text, got)
		}
	}
	if got := "id IN " + In(3, 2); got != "id IN ($3,$4)" {
		t.Error(got)
	}
}

// What stands in quotes is data: it is never rewritten.
func FuzzExpandLeavesQuotedText(f *testing.F) {
	f.Add("SELECT '", "$1", "' || $1")
	f.Add("", "it''s $2", "")
	f.Fuzz(func(t *testing.T, before, quoted, after string) {
		if strings.ContainsAny(before+after+quoted, "'{") {
			return
		}
		got := SQLite.expand(before + "'" + quoted + "'" + after)
		if !strings.Contains(got, "'"+quoted+"'") {
			t.Errorf("%q became %q", quoted, got)
		}
	})
}

// A scope is asked for every kind of statement by its first word.
func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"SELECT 1": true, "\n\twith a as (select 1) select * from a": true, "(SELECT 1) UNION SELECT 2": true, "SELECT\n1": true,
		"SET ROLE none": false, "RESET ROLE": false, "": false, "PRAGMA x": false, "EXPLAIN SELECT 1": false, "SELECTED": false,
	} {
		if plain(text) != want {
			t.Errorf("plain(%q) is %v", text, !want)
		}
	}
}
