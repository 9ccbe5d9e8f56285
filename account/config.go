package account

import (
	"fmt"
	"time"

	"writ/config"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

// Config is the room's part of the configuration. The zero value is safe.
type Config struct {
	Iterations  int             `toml:"iterations" doc:"PBKDF2 rounds of new password verifiers; the client computes them at each sign-in. 0 = 10000, at least 4096"`
	MinPassword int             `toml:"min_password" doc:"fewest characters of a new password. 0 = 8"`
	TokenLife   config.Duration `toml:"token_life" doc:"how long an app that is not used stays signed in by its token (XEP-0484), until it must show the password again. 0 = 30d"`
	InviteLife  config.Duration `toml:"invite_life" doc:"how long an invitation lasts unless told otherwise. 0 = 7d"`
	Invites     string          `toml:"invites" doc:"whose invitations may make accounts: all, operators. Those of others make contacts. Empty = all"`
	OpenInvites int             `toml:"open_invites" doc:"invitations of one person that may wait to be used. 0 = 10"`
	Operators   []string        `toml:"operators" doc:"names (before the @) of the accounts that may run the operator's commands in their app"`
}

// Check reports the first value that is not allowed.
func (c Config) Check() error {
	switch {
	case c.Iterations != 0 && c.Iterations < sasl.MinIterations, c.Iterations > maxIterations:
		return config.Invalid("iterations", c.Iterations, fmt.Sprintf("0, or %d to %d", sasl.MinIterations, maxIterations))
	case c.MinPassword < 0 || c.MinPassword > 64:
		return config.Invalid("min_password", c.MinPassword, "0 to 64")
	case c.TokenLife != 0 && c.TokenLife.Std() < time.Hour || c.TokenLife.Std() > maxTokenLife:
		return config.Invalid("token_life", c.TokenLife, "0, or 1h to 365d")
	case c.InviteLife < 0 || c.InviteLife.Std() > maxInviteLife:
		return config.Invalid("invite_life", c.InviteLife, "0 to 365d")
	case c.Invites != "" && c.Invites != InvitesAll && c.Invites != InvitesOperators:
		return config.Invalid("invites", c.Invites, InvitesAll+", "+InvitesOperators)
	case c.OpenInvites < 0 || c.OpenInvites > 1000:
		return config.Invalid("open_invites", c.OpenInvites, "0 to 1000")
	}
	for _, name := range c.Operators {
		if j, err := jid.New(name, "example.org", ""); err != nil || j.Local() == "" {
			return config.Invalid("operators", name, "names without the @ and what follows")
		}
	}
	return nil
}

// Whose invitations may make accounts (Config.Invites).
const (
	InvitesAll       = "all"
	InvitesOperators = "operators"
)

const (
	maxIterations     = 1_000_000
	defaultMinPass    = 8
	defaultInviteLife = 7 * 24 * time.Hour
	maxInviteLife     = 365 * 24 * time.Hour
	defaultTokenLife  = 30 * 24 * time.Hour
	maxTokenLife      = 365 * 24 * time.Hour
	defaultOpen       = 10
)

func (c Config) minPassword() int {
	if c.MinPassword == 0 {
		return defaultMinPass
	}
	return c.MinPassword
}

func (c Config) inviteLife() time.Duration {
	if c.InviteLife == 0 {
		return defaultInviteLife
	}
	return c.InviteLife.Std()
}

func (c Config) tokenLife() time.Duration {
	if c.TokenLife == 0 {
		return defaultTokenLife
	}
	return c.TokenLife.Std()
}

// renewAfter is the age at which a token is replaced when it is used: a day, or a quarter of a shorter life.
func (c Config) renewAfter() time.Duration { return min(24*time.Hour, c.tokenLife()/4) }

func (c Config) openInvites() int {
	if c.OpenInvites == 0 {
		return defaultOpen
	}
	return c.OpenInvites
}
