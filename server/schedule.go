package server

import (
	"context"

	"writ/schedule"
)

// Schedule is the record schedule of a house with this configuration. It is collected from the rooms as a start would collect it; the
// house's own database and data folder are not touched.
func Schedule(ctx context.Context, c Config) (s schedule.Schedule, err error) {
	c.Store.URL = ""
	err = aside(ctx, c, func(h *House) error {
		s = h.Records.Schedule()
		return nil
	})
	return s, err
}
