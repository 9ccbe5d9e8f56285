package account

import (
	"fmt"
	"time"

	"writ/config"
	"writ/xmpp/sasl"
)

// Config is the room's part of the configuration. The zero value is safe.
type Config struct {
	Iterations  int             `toml:"iterations" doc:"PBKDF2 rounds of new password verifiers; the client computes them at each sign-in. 0 = 10000, at least 4096"`
	MinPassword int             `toml:"min_password" doc:"fewest characters of a new password. 0 = 8"`
	InviteLife  config.Duration `toml:"invite_life" doc:"how long an invitation lasts unless told otherwise. 0 = 7d"`
}

// Check reports the first value that is not allowed.
func (c Config) Check() error {
	switch {
	case c.Iterations != 0 && c.Iterations < sasl.MinIterations, c.Iterations > maxIterations:
		return config.Invalid("iterations", c.Iterations, fmt.Sprintf("0, or %d to %d", sasl.MinIterations, maxIterations))
	case c.MinPassword < 0 || c.MinPassword > 64:
		return config.Invalid("min_password", c.MinPassword, "0 to 64")
	case c.InviteLife < 0 || c.InviteLife.Std() > maxInviteLife:
		return config.Invalid("invite_life", c.InviteLife, "0 to 365d")
	}
	return nil
}

const (
	maxIterations     = 1_000_000
	defaultMinPass    = 8
	defaultInviteLife = 7 * 24 * time.Hour
	maxInviteLife     = 365 * 24 * time.Hour
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
