package cli

import (
	"context"
	"fmt"

	"writ/server"
)

type checkCommand struct{ configFlag }

func (c checkCommand) Run(ctx context.Context, s *streams) error {
	conf, err := c.load()
	if err != nil {
		return err
	}
	report, err := server.Inspect(ctx, conf)
	for _, line := range report {
		fmt.Fprintln(s.out, line)
	}
	return err
}
