package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"writ/schedule"
	"writ/store"
)

// Schedule is the record schedule of a house with this configuration. It is collected from the rooms as a start would collect it, in
// a folder of its own that is removed again: the house itself is not touched.
func Schedule(ctx context.Context, c Config) (s schedule.Schedule, err error) {
	dir, err := os.MkdirTemp("", "writ-schedule-")
	if err != nil {
		return s, fmt.Errorf("server: collecting the schedule: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c.Data, c.Store = dir, store.Config{URL: "sqlite:" + filepath.Join(dir, "writ.db")}
	h, err := compose(ctx, Options{Config: c})
	if err != nil {
		return s, err
	}
	return h.Records.Schedule(), h.Close()
}
