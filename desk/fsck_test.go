package desk

import (
	"strings"
	"testing"

	"writ/store"
	"writ/store/storetest"
)

// Whoever gets past the triggers: each change of an event, a payload, the list or a document is found, and the case named.
func TestFsckFinds(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, sql, want string }{
		{"an event edited", `UPDATE desk_event SET who = 'rita' WHERE case_id = $1 AND seq = 2`, "not what was committed"},
		{"a fact edited", `UPDATE desk_event SET facts = replace(facts, '"accounts":1', '"accounts":2') WHERE case_id = $1 AND seq = 1`, "not what was committed"},
		{"a time edited", `UPDATE desk_event SET at = at + 1 WHERE case_id = $1 AND seq = 3`, "not what was committed"},
		{"an event deleted", `DELETE FROM desk_event WHERE case_id = $1 AND seq = 2`, "stands where"},
		{"the last event deleted", `DELETE FROM desk_event WHERE case_id = $1 AND seq = 4`, "the list says"},
		{"the first event deleted", `DELETE FROM desk_event WHERE case_id = $1 AND seq = 1`, "belong to no case"},
		{"a state skipped", `UPDATE desk_event SET state = 'delivered' WHERE case_id = $1 AND seq = 4`, "the table does not hold"},
		{"events swapped", `UPDATE desk_event SET seq = CASE seq WHEN 2 THEN 30 WHEN 3 THEN 2 ELSE seq END WHERE case_id = $1`, "its payload was changed"},
		{"a payload exchanged", `UPDATE desk_payload SET body = (SELECT body FROM desk_payload WHERE case_id <> $1 AND seq = 1) WHERE case_id = $1 AND seq = 1`, "its payload was changed"},
		{"a payload deleted", `DELETE FROM desk_payload WHERE case_id = $1 AND seq = 1`, "its payload was changed"},
		{"a document cut", `DELETE FROM desk_chunk WHERE document IN (SELECT id FROM desk_document WHERE case_id = $1)`, "is not whole"},
		{"a key lost", `UPDATE desk_key SET wrapped = (SELECT wrapped FROM desk_key WHERE case_id <> $1) WHERE case_id = $1`, "do not open"},
		{"the list changed", `UPDATE desk_case SET state = 'received' WHERE id = $1`, "the list says"},
		{"gone from the list", `DELETE FROM desk_case WHERE id = $1`, "not in the list"},
		{"a log entry deleted", `DELETE FROM tlog_entries WHERE id = (SELECT max(id) FROM tlog_entries WHERE $1 <> '')`, "not what was committed"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, storetest.SQLite(t))
			h.file("of-fbi")
			id := h.file("of-hkpf")
			h.toReview(id)
			h.whole()
			must(t, h.db.Write(t.Context(), func(tx *store.Tx) error {
				for _, trigger := range []string{"desk_event_no_update", "desk_event_no_delete", "tlog_entries_no_update", "tlog_entries_no_delete"} {
					if _, err := tx.Exec(t.Context(), `DROP TRIGGER IF EXISTS `+trigger); err != nil {
						return err
					}
				}
				_, err := tx.Exec(t.Context(), x.sql, id)
				return err
			}))
			c, err := h.desk.Fsck(t.Context())
			must(t, err)
			if all := strings.Join(c.Faults, "\n"); !strings.Contains(all, x.want) {
				t.Errorf("found %q; want %q", all, x.want)
			}
		})
	}
}
