package cli

import (
	"context"
	"errors"
	"fmt"

	"writ/account"
	"writ/server"
	"writ/xmpp/jid"
)

// userCommand is the life of an account. There is no command that lists people: an operator who must find one knows the name.
type userCommand struct {
	Add      userAddCommand      `cmd:"" help:"Make an account."`
	Import   userImportCommand   `cmd:"" help:"Make the accounts of a list."`
	Password userPasswordCommand `cmd:"" help:"Give an account a new password and end its sessions."`
	Disable  userDisableCommand  `cmd:"" help:"Bar an account from signing in and end its sessions; nothing is deleted."`
	Enable   userEnableCommand   `cmd:"" help:"Let a disabled account sign in again."`
	Operator userOperatorCommand `cmd:"" help:"Let an account run the operator's commands in its app, or no longer."`
	Delete   userDeleteCommand   `cmd:"" help:"Delete an account and what is kept about it."`
}

type named struct {
	Name string `arg:"" help:"The part of the address before the @."`
}

// on finds the account and runs f on it.
func (n named) on(ctx context.Context, s *streams, root *commands, done string, f func(h *server.House, j jid.JID) error) error {
	return root.Admin.withHouse(ctx, s, func(h *server.House) error {
		j, err := h.Accounts.Address(n.Name)
		if err != nil {
			return err
		}
		if err := f(h, j); err != nil {
			return err
		}
		if done == "" {
			return nil
		}
		ran(s, done, "account", j.String())
		_, err = fmt.Fprintf(s.out, "%s: %s\n", done, j)
		return err
	})
}

// stdin is the flag that says where the password is: there is no other place, but a script should say so.
type stdin struct {
	PasswordStdin bool `required:"" help:"Read the password from the first line of the standard input."`
}

type userAddCommand struct {
	named
	stdin
	DisplayName string `help:"The name that others see."`
}

func (c userAddCommand) Run(ctx context.Context, s *streams, root *commands) error {
	password, err := s.password()
	if err != nil {
		return err
	}
	return c.on(ctx, s, root, "account made", func(h *server.House, _ jid.JID) error {
		_, err := h.Accounts.Create(ctx, account.New{Local: c.Name, Password: password, Name: c.DisplayName})
		return err
	})
}

type userPasswordCommand struct {
	named
	stdin
}

func (c userPasswordCommand) Run(ctx context.Context, s *streams, root *commands) error {
	password, err := s.password()
	if err != nil {
		return err
	}
	return c.on(ctx, s, root, "password changed", func(h *server.House, j jid.JID) error {
		return h.Accounts.SetPassword(ctx, j, password)
	})
}

type userDisableCommand struct{ named }

func (c userDisableCommand) Run(ctx context.Context, s *streams, root *commands) error {
	return c.on(ctx, s, root, "account disabled", func(h *server.House, j jid.JID) error { return h.Accounts.Disable(ctx, j) })
}

type userEnableCommand struct{ named }

func (c userEnableCommand) Run(ctx context.Context, s *streams, root *commands) error {
	return c.on(ctx, s, root, "account enabled", func(h *server.House, j jid.JID) error { return h.Accounts.Enable(ctx, j) })
}

type userOperatorCommand struct {
	named
	Off bool `help:"No longer."`
}

func (c userOperatorCommand) Run(ctx context.Context, s *streams, root *commands) error {
	done := "operator"
	if c.Off {
		done = "no operator any more"
	}
	return c.on(ctx, s, root, done, func(h *server.House, j jid.JID) error { return h.Accounts.SetOperator(ctx, j, !c.Off) })
}

type userDeleteCommand struct {
	named
	Yes bool `help:"Do it; without, say what would be done."`
}

func (c userDeleteCommand) Run(ctx context.Context, s *streams, root *commands) error {
	done := "account deleted"
	if !c.Yes {
		done = ""
	}
	return c.on(ctx, s, root, done, func(h *server.House, j jid.JID) error {
		if c.Yes {
			return h.Accounts.Delete(ctx, j)
		}
		switch ok, err := h.Accounts.Exists(ctx, j); {
		case err != nil:
			return err
		case !ok:
			return errors.Join(account.ErrUnknown, fmt.Errorf("%s", j))
		}
		_, err := fmt.Fprintf(s.out, "%s would be deleted with everything that is kept about it, except what a preservation holds. There is no way back. Do it with --yes.\n", j)
		return err
	})
}
