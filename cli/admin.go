package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"writ/config"
	"writ/desk/registry"
	"writ/server"
	"writ/store"
)

// adminCommand works on the database of a running server, or of one that is stopped; the running one notices.
type adminCommand struct {
	target
	Invite inviteCommand `cmd:"" help:"Make an invitation: a link with which people register."`
	User   userCommand   `cmd:"" help:"Make, change and delete accounts."`
	Staff  staffCommand  `cmd:"" help:"Add the first people of the desk."`
	Report reportCommand `cmd:"" help:"Correct a published report."`

	Federation federationCommand `cmd:"" help:"Show the connections with other servers, and what waits for them."`
}

// withHouse runs f on the house and closes it.
func (c adminCommand) withHouse(ctx context.Context, s *streams, f func(h *server.House) error) error {
	h, err := c.house(ctx, s)
	if err != nil {
		return err
	}
	return errors.Join(f(h), h.Close())
}

// password reads one from the standard input, so that it stands neither in a history nor in a list of processes.
func (s *streams) password() (string, error) {
	line, err := bufio.NewReader(io.LimitReader(s.in, 1<<12)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("the standard input holds no password")
	}
	return line, nil
}

type staffCommand struct {
	Add staffAddCommand `cmd:"" help:"Add a person with roles, and print the link by which they enrol a passkey. The desk opens once a reviewer and an approver are two people."`
}

type staffAddCommand struct {
	ID    string   `arg:"" help:"Short id: lower-case letters, digits, . _ -"`
	Name  string   `required:"" help:"The person's name."`
	Mail  string   `help:"Their mail address."`
	Roles []string `required:"" help:"Roles: intake, reviewer, approver, counsel, rights, executive, admin."`
}

func (c staffAddCommand) Run(ctx context.Context, s *streams, root *commands) error {
	return root.Admin.withHouse(ctx, s, func(h *server.House) error {
		p := registry.Person{ID: c.ID, Name: c.Name, Mail: c.Mail}
		for _, r := range c.Roles {
			p.Roles = append(p.Roles, registry.Role(r))
		}
		p, err := h.Registry.AddStaff(ctx, registry.SystemPerson, p)
		if err != nil {
			return err
		}
		var token string
		err = h.DB.Write(ctx, func(tx *store.Tx) (err error) {
			token, err = h.Passkeys.Enrol(ctx, tx, p.ID, p.Name)
			return err
		})
		if err != nil {
			return err
		}
		ran(s, "staff added", "person", p.ID, "roles", strings.Join(c.Roles, ","))
		_, err = fmt.Fprintf(s.out, "%s\nHand the link over in person; it works once, for three days.\n", h.EnrolLink(token))
		return err
	})
}

// life is a length of time on the command line, as in the configuration.
type life struct{ config.Duration }
