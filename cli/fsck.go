package cli

import (
	"context"
	"errors"
	"fmt"
)

type fsckCommand struct{ target }

// Run reads everything and changes nothing. It runs beside a server.
func (c fsckCommand) Run(ctx context.Context, s *streams) error {
	h, err := c.house(ctx, s)
	if err != nil {
		return err
	}
	lines, faults, err := h.Fsck(ctx)
	for _, l := range lines {
		fmt.Fprintln(s.out, l)
	}
	for _, f := range faults {
		fmt.Fprintln(s.out, "FAULT", f)
	}
	if err == nil && len(faults) > 0 {
		err = fmt.Errorf("%d faults", len(faults))
	}
	return errors.Join(err, h.Close())
}
