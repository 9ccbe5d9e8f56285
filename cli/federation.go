package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"writ/server"
	"writ/xmpp/s2s"
)

type federationCommand struct{}

// Run tells which servers the running house talks with, asked at http.internal, and what waits on disk for each. It names domains, never people.
func (c federationCommand) Run(ctx context.Context, s *streams, root *commands) error {
	return root.Admin.withHouse(ctx, s, func(h *server.House) error {
		out := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
		if peers, err := livePeers(ctx, h.Config.HTTP.Internal); err != nil {
			fmt.Fprintf(out, "The running server was not asked: %v\n\n", err)
		} else {
			fmt.Fprintln(out, "HERE\tTHERE\tOURS\tTHEIRS\tQUEUED\tBYTES\tFAILING")
			for _, p := range peers {
				fmt.Fprintf(out, "%s\t%s\t%v\t%d\t%d\t%d\t%d\n", p.Local, p.Remote, p.Out, p.In, p.Queued, p.Bytes, p.Fails)
			}
			fmt.Fprintln(out)
		}
		waiting, err := h.S2S.Waiting(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "ON DISK FOR\tMESSAGES\tOLDEST")
		for _, w := range waiting {
			fmt.Fprintf(out, "%s\t%d\t%s\n", w.Domain, w.Messages, w.Oldest.UTC().Format(time.RFC3339))
		}
		return out.Flush()
	})
}

func livePeers(ctx context.Context, address string) (peers []s2s.State, err error) {
	if address == "" {
		return nil, fmt.Errorf("http.internal is empty")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/federation", nil)
	if err != nil {
		return nil, err
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", address, r.Status)
	}
	return peers, json.NewDecoder(io.LimitReader(r.Body, 16<<20)).Decode(&peers)
}
