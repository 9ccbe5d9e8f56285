package cli

import (
	"context"
	"errors"

	"writ/obs"
	"writ/server"
)

type serveCommand struct{ configFlag }

func (c serveCommand) Run(ctx context.Context, s *streams) error {
	conf, err := c.load()
	if err != nil {
		return err
	}
	h, err := server.Build(ctx, server.Options{Config: conf, Version: Version, Log: obs.Logger(s.err, conf.Log.Level, conf.Log.JSON)})
	if err != nil {
		return err
	}
	resting, stop := context.WithCancel(ctx)
	defer stop()
	go tend(resting)
	return errors.Join(h.Run(ctx, nil), h.Close())
}
