package cli

import (
	"context"
	"fmt"

	"writ/obs"
	"writ/server"
	"writ/store"
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
	db, err := store.Open(ctx, conf.Store, obs.Logger(s.err, "warn", false))
	if err != nil {
		return err
	}
	defer db.Close()
	steps, err := db.Pending(ctx, server.Schemas())
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
	if err := db.Migrate(ctx, server.Schemas()); err != nil {
		return err
	}
	ran(s, "migrated", "steps", len(steps))
	return nil
}
