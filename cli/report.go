package cli

import (
	"context"
	"fmt"

	"writ/report"
	"writ/server"
	"writ/tlog/verify"
)

// reportCommand looks after published reports. Closing and publishing need no command: they follow the clock.
type reportCommand struct {
	Correct reportCorrectCommand `cmd:"" help:"Publish a new version of a half-year's report from the cases as they stand now. The old version stays."`
}

type reportCorrectCommand struct {
	Period string `arg:"" help:"The half-year, such as 2020-H1."`
	Reason string `required:"" help:"Why, in one sentence; it is published with the report."`
	Yes    bool   `help:"Do it; without this it is only said what would change."`
}

func (c reportCorrectCommand) Run(ctx context.Context, s *streams, root *commands) error {
	return root.Admin.withHouse(ctx, s, func(h *server.House) error {
		p := report.Period(c.Period)
		changes, err := h.Reports.Changes(ctx, p)
		if err != nil {
			return err
		}
		for _, ch := range changes {
			fmt.Fprintf(s.out, "was  %s\nnow  %s\n", verify.Describe(ch.Was), verify.Describe(ch.Now))
		}
		switch {
		case len(changes) == 0:
			_, err = fmt.Fprintf(s.out, "%s: nothing has changed since it was closed\n", p)
			return err
		case !c.Yes:
			_, err = fmt.Fprintf(s.out, "%s: %d facts would change; with --yes a new version says so\n", p, len(changes))
			return err
		}
		if err := h.Reports.Correct(ctx, p, c.Reason); err != nil {
			return err
		}
		ran(s, "report corrected", "period", c.Period, "facts", len(changes))
		_, err = fmt.Fprintf(s.out, "%s: corrected; the new version is published once its facts are in the log\n", p)
		return err
	})
}
