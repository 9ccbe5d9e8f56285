package server_test

import (
	"strings"
	"testing"

	"writ/desk"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// TestTheDeskReachesNoRecord: with the handle that the desk and its pages get, every table of the house that holds a record of a
// person is out of reach, for reading and for writing, whatever the statement.
func TestTheDeskReachesNoRecord(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := house(t, db)
		hand := db.Scoped(desk.Prefixes()...)
		reached, refused := 0, 0
		for _, d := range h.Records.Schedule().Data() {
			ours := d.Category == schedule.CaseFiles || d.Category == schedule.StaffActions || d.Category == schedule.Impersonal
			for _, table := range d.Tables {
				var n int
				err := hand.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n)
				if err == nil {
					reached++
				}
				if ours && !strings.HasPrefix(table, "records_") || strings.HasPrefix(table, "passkey_") {
					continue // the desk checks signatures in its own transactions
				}
				refused++
				if err == nil {
					t.Errorf("%s (%s) can be counted", table, d.Category)
				}
				for _, text := range []string{"SELECT * FROM " + table, "DELETE FROM " + table, "INSERT INTO " + table + " SELECT * FROM " + table,
					"WITH x AS (SELECT * FROM " + table + ") SELECT 1 FROM x"} {
					if err := hand.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), text); return err }); err == nil {
						t.Errorf("%s (%s): the desk ran %s", table, d.Category, text)
					}
				}
			}
		}
		if reached == 0 || refused < 10 {
			t.Errorf("%d tables were reached and %d tried: the test looks at nothing", reached, refused)
		}
	})
}
