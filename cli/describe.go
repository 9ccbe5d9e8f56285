package cli

import (
	"context"

	"writ/config"
	"writ/server"
)

type describeCommand struct {
	Config  describeConfig  `cmd:"" default:"1" help:"Print every setting with its doc and default: a file that serve takes."`
	Records describeRecords `cmd:"" help:"Print the record schedule: what is kept about people, why, how long, and what reaches it."`
}

type describeConfig struct{}

func (describeConfig) Run(s *streams) error { return config.Describe(s.out, server.DefaultConfig()) }

type describeRecords struct {
	Config string `placeholder:"FILE" help:"Configuration file of the server; without one, the defaults."`
	JSON   bool   `help:"Print the canonical form, one record a line, whose hash is the version."`
}

func (d describeRecords) Run(ctx context.Context, s *streams) error {
	c := server.DefaultConfig()
	if d.Config != "" {
		if err := config.Load(d.Config, &c); err != nil {
			return err
		}
	}
	list, err := server.Schedule(ctx, c)
	if err != nil {
		return err
	}
	if d.JSON {
		_, err = s.out.Write(list.Canonical())
		return err
	}
	return list.WriteText(s.out)
}
