package cli

import (
	"context"
	"errors"
	"fmt"

	"writ/obs"
	"writ/server"
)

type devCommand struct {
	Data  string `default:"data" placeholder:"DIR" help:"Folder that keeps everything."`
	Fresh bool   `help:"Begin anew: what the folder holds is deleted."`
	Level string `default:"info" enum:"debug,info,warn,error" help:"What is logged: ${enum}."`
}

func (c devCommand) Run(ctx context.Context, s *streams) error {
	if c.Fresh {
		if err := server.EraseDev(c.Data); err != nil {
			return err
		}
	}
	conf := server.DevConfig(c.Data)
	h, err := server.Build(ctx, server.Options{Config: conf, Version: Version, Log: obs.Logger(s.err, c.Level, false), Dev: true})
	if err != nil {
		return err
	}
	sample, err := h.Sample(ctx)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	err = h.Run(ctx, func(at server.Addresses) { fmt.Fprint(s.out, sample.Text(at)) })
	return errors.Join(err, h.Close())
}
