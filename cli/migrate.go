package cli

import (
	"context"
	"fmt"

	"writ/server"
)

type migrateCommand struct {
	target
	Yes bool `help:"Do it; without, say what would be done."`
}

func (c migrateCommand) Run(ctx context.Context, s *streams) error {
	conf, err := c.load()
	if err != nil {
		return err
	}
	steps, err := server.Pending(ctx, conf)
	if err != nil {
		return err
	}
	for _, step := range steps {
		fmt.Fprintln(s.out, step)
	}
	switch {
	case len(steps) == 0:
		fmt.Fprintln(s.out, "The database is up to date.")
		return nil
	case !c.Yes:
		fmt.Fprintf(s.out, "%d steps would be applied; there is no way back but a backup. Do it with --yes.\n", len(steps))
		return nil
	}
	h, err := c.house(ctx, s) // building it migrates
	if err != nil {
		return err
	}
	if err := h.Close(); err != nil {
		return err
	}
	ran(s, "migrated", "steps", len(steps))
	return nil
}
