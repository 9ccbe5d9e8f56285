package server

import (
	"context"
	"fmt"
)

// Fsck has each room that can look at its own rows do so, and changes nothing. lines say what was looked at, faults what is wrong.
func (h *House) Fsck(ctx context.Context) (lines, faults []string, err error) {
	found, err := h.DB.Verify(ctx)
	if err != nil {
		return nil, nil, err
	}
	lines = append(lines, fmt.Sprintf("store: %s", h.DB.Dialect()))
	for _, f := range found {
		faults = append(faults, "store: "+f)
	}
	c, err := h.Tlog.Fsck(ctx)
	if err != nil {
		return lines, faults, err
	}
	lines = append(lines, fmt.Sprintf("log: %d entries, %d of them waiting, %d batches, %d leaves, %d published", c.Entries, c.Pending, c.Batches, c.Leaves, c.Published))
	for _, f := range c.Faults {
		faults = append(faults, "log: "+f)
	}
	k, err := h.Desk.Fsck(ctx)
	if err != nil {
		return lines, faults, err
	}
	lines = append(lines, fmt.Sprintf("desk: %d cases (%d erased), %d events, %d documents", k.Cases, k.Erased, k.Events, k.Documents))
	for _, f := range k.Faults {
		faults = append(faults, "desk: "+f)
	}
	return lines, faults, nil
}
