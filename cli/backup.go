package cli

import (
	"context"
	"errors"
	"fmt"

	"writ/obs"
	"writ/server"
)

type backupCommand struct {
	target
	To string `arg:"" help:"Folder to make; it must not exist."`
}

func (c backupCommand) Run(ctx context.Context, s *streams) error {
	conf, err := c.load()
	if err != nil {
		return err
	}
	report, err := server.Backup(ctx, conf, c.To, obs.Logger(s.err, "warn", false))
	for _, line := range report {
		fmt.Fprintln(s.out, line)
	}
	if err != nil {
		return errors.Join(err, errors.New("the copy is not whole: do not use it"))
	}
	ran(s, "backup", "to", c.To)
	return nil
}
