package cli

import (
	"writ/config"
	"writ/server"
)

type describeCommand struct {
	Config  describeConfig  `cmd:"" default:"1" help:"Print every setting with its doc and default: a file that serve takes."`
	Records describeRecords `cmd:"" help:"Print the record schedule: what is kept about people, why, how long, and what reaches it."`
}

type describeConfig struct{}

func (describeConfig) Run(s *streams) error { return config.Describe(s.out, server.DefaultConfig()) }

type describeRecords struct{}

func (describeRecords) Run(s *streams) error { return nil }
