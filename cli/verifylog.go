package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"writ/tlog/verify"
)

// maxFetch bounds one file of a report or a log. A full bundle of the log has 8,704 bytes; a report with 100,000 facts some 100 MB.
const maxFetch = 1 << 30

// verifyReportCommand takes the files of a report in any order and tells them apart by what is in them.
type verifyReportCommand struct {
	keyFlag
	Files   []string `arg:"" help:"The report (.json), and if you have them its table (.csv) and signature (.sig): files or addresses (https://…)."`
	Receipt string   `type:"existingfile" placeholder:"FILE" help:"A receipt whose case you look for in the report."`
}

func (c verifyReportCommand) Run(ctx context.Context, s *streams) error {
	key, err := c.load()
	if err != nil {
		return err
	}
	var in verify.ReportFiles
	for _, name := range c.Files {
		b, err := read(ctx, name)
		if err != nil {
			return err
		}
		into, what := &in.CSV, "table"
		switch {
		case bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")):
			into, what = &in.JSON, "report"
		case bytes.HasPrefix(b, []byte("\u2014 ")):
			into, what = &in.Signature, "signature"
		}
		if *into != nil {
			return fmt.Errorf("%s: a second %s", name, what)
		}
		*into = b
	}
	if in.JSON == nil {
		return errors.New("the report itself is missing: give its .json, which holds the facts")
	}
	if c.Receipt != "" {
		if in.Receipt, err = os.ReadFile(c.Receipt); err != nil {
			return err
		}
	}
	r, err := verify.CheckReport(in, key)
	return show(s, r, err)
}

type verifyLogCommand struct {
	keyFlag
	Log   string `arg:"" help:"The folder of the log, or its address (https://…)."`
	Older string `type:"existingfile" placeholder:"FILE" help:"A head (checkpoint) that you kept: the log must still begin with it."`
	Keep  string `placeholder:"FILE" help:"Write the head there if the log is found right, for the next time."`
	Batch int64  `help:"Leaves of each batch, as the house says; the log must be a whole number of batches."`
}

func (c verifyLogCommand) Run(ctx context.Context, s *streams) error {
	key, err := c.load()
	if err != nil {
		return err
	}
	var head []byte
	get := c.fetch(ctx)
	in := verify.LogFiles{Batch: c.Batch, Fetch: func(path string) ([]byte, error) {
		if path == "checkpoint" && head != nil {
			return head, nil // the log may grow while it is read: one head for the whole check
		}
		b, err := get(path)
		if path == "checkpoint" {
			head = b
		}
		return b, err
	}}
	if c.Older != "" {
		if in.Older, err = os.ReadFile(c.Older); err != nil {
			return err
		}
	}
	r, err := verify.CheckLog(in, key)
	if err == nil && r.OK() && c.Keep != "" {
		err = os.WriteFile(c.Keep, head, 0o644)
	}
	return show(s, r, err)
}

// fetch reads the log's files from a folder or over HTTP.
func (c verifyLogCommand) fetch(ctx context.Context) func(path string) ([]byte, error) {
	if !isAddress(c.Log) {
		return func(path string) ([]byte, error) { return os.ReadFile(filepath.Join(c.Log, filepath.FromSlash(path))) }
	}
	return func(path string) ([]byte, error) { return read(ctx, strings.TrimSuffix(c.Log, "/")+"/"+path) }
}

func isAddress(name string) bool {
	u, err := url.Parse(name)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http")
}

// read gives a file, or what an address answers.
func read(ctx context.Context, name string) ([]byte, error) {
	if !isAddress(name) {
		return os.ReadFile(name)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", name, res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxFetch+1))
	if err == nil && len(b) > maxFetch {
		err = fmt.Errorf("%s: more than %d bytes", name, maxFetch)
	}
	return b, err
}
