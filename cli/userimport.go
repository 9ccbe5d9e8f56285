package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"writ/account"
	"writ/server"
)

// userImportCommand makes the accounts of a list. Each is made by itself: one that cannot be made is named and the rest go on, so
// that a list can be run again after it was mended.
type userImportCommand struct {
	File string `arg:"" help:"File with a name, a space and the password in each line; - is the standard input."`
}

// importLine is one account to make; n is its place in the file.
type importLine struct {
	n              int
	name, password string
}

func (c userImportCommand) Run(ctx context.Context, s *streams, root *commands) error {
	in := s.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	lines, err := readImport(in)
	if err != nil {
		return err
	}
	return root.Admin.withHouse(ctx, s, func(h *server.House) error {
		refused := makeAll(ctx, h.Accounts, lines)
		made := len(lines)
		for i, err := range refused {
			if err == nil {
				continue
			}
			made--
			fmt.Fprintf(s.err, "line %d: %v\n", lines[i].n, err)
		}
		ran(s, "accounts imported", "made", made, "refused", len(lines)-made)
		fmt.Fprintf(s.out, "accounts made: %d\n", made)
		if made < len(lines) {
			return fmt.Errorf("%d of %d accounts were not made", len(lines)-made, len(lines))
		}
		return nil
	})
}

// readImport reads the whole list before anything is made. Its errors name the line and never show it: it holds a password.
func readImport(r io.Reader) ([]importLine, error) {
	var lines []importLine
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSuffix(sc.Text(), "\r")
		if line == "" {
			continue
		}
		name, password, ok := strings.Cut(line, " ")
		if !ok || name == "" || password == "" {
			return nil, fmt.Errorf("line %d is not a name, a space and a password; no account was made", n)
		}
		lines = append(lines, importLine{n, name, password})
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("reading the list: %w", err)
	}
	if len(lines) == 0 {
		return nil, errors.New("the list is empty")
	}
	return lines, nil
}

// makeAll makes the accounts and gives the error of each. The rounds of the password verifiers are the work: every processor takes
// a part, and the writes share commits.
func makeAll(ctx context.Context, a *account.Accounts, lines []importLine) []error {
	refused := make([]error, len(lines))
	next := make(chan int)
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				if refused[i] = ctx.Err(); refused[i] == nil {
					_, refused[i] = a.Create(ctx, account.New{Local: lines[i].name, Password: lines[i].password})
				}
			}
		})
	}
	for i := range lines {
		next <- i
	}
	close(next)
	wg.Wait()
	return refused
}
