package tlog

import "writ/schedule"

// Data declares what the room keeps: hashes, and no personal text. A commitment says nothing without its salt, which goes when its
// case is erased.
func Data() []schedule.Datum {
	return []schedule.Datum{{
		Name: "log", Category: schedule.CaseFiles,
		Tables: []string{"tlog_entries", "tlog_pending", "tlog_batches", "tlog_leaves", "tlog_published"},
		Fields: []schedule.Field{
			{Name: "commitment", Meaning: "Salted hash of an event of a case, or random bytes that look like one."},
			{Name: "received", Meaning: "When the log took it."},
		},
		Purpose:   "So that no request can disappear and anyone can recompute the report.",
		Retention: schedule.Permanent, Process: schedule.Never, Never: "Everyone can fetch it: it is published, and holds no personal text.",
	}}
}
