package cli

import (
	"context"
	"fmt"

	"writ/account"
	"writ/server"
)

type inviteCommand struct {
	Note string `help:"What it is for; only operators see it."`
	Uses int    `default:"1" help:"How many accounts it may make."`
	Life life   `help:"How long it lasts, such as 7d; without, as configured."`
}

func (c inviteCommand) Run(ctx context.Context, s *streams, root *commands) error {
	return root.Admin.withHouse(ctx, s, func(h *server.House) error {
		i := account.Invitation{Note: c.Note, Uses: c.Uses}
		if c.Life.Std() > 0 {
			i.Expires = h.Clock.Now().Add(c.Life.Std())
		}
		token, made, err := h.Accounts.Invite(ctx, i)
		if err != nil {
			return err
		}
		ran(s, "invitation made", "id", made.ID, "uses", made.Uses)
		_, err = fmt.Fprintf(s.out, "%s\nIt makes %d account(s) until %s.\n", h.InviteLink(token), made.Uses, made.Expires.Format("2006-01-02 15:04 MST"))
		return err
	})
}
