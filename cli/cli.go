// Package cli is the command line: one file for each command. Only this package reads flags and the environment.
//
// A command that destroys or changes what cannot be brought back says what it would do, and does it with --yes. What it then does
// is logged with the name of who ran it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"syscall"

	"github.com/alecthomas/kong"

	"writ/config"
	"writ/obs"
	"writ/server"
)

// Version is set by the build.
var Version = "dev"

type commands struct {
	Serve    serveCommand    `cmd:"" help:"Run the server that a configuration file describes."`
	Dev      devCommand      `cmd:"" help:"Run the whole house on localhost with sample people, for trying out."`
	Check    checkCommand    `cmd:"" help:"Check a configuration file and the database that it names; change nothing."`
	Describe describeCommand `cmd:"" help:"Print every setting with its default, or the record schedule."`
	Migrate  migrateCommand  `cmd:"" help:"Bring the database to what this binary knows. serve does it too."`
	Backup   backupCommand   `cmd:"" help:"Copy database, keys and log into a folder, beside a running server."`
	Fsck     fsckCommand     `cmd:"" help:"Check the database and the log; change nothing."`
	Verify   verifyCommand   `cmd:"" help:"Check what a house has given out, offline."`
	Admin    adminCommand    `cmd:"" help:"Invite people and look after accounts."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

// streams are the process's own, or a test's.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// Main runs a command line and returns the exit status: 0 done, 1 failed, 2 not understood.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	var c commands
	s := &streams{in, out, errOut}
	status := -1
	parser, err := kong.New(&c, kong.Name("writ"), kong.Description("Private messaging, public accountability."),
		kong.UsageOnError(), kong.Writers(out, errOut), kong.Exit(func(n int) { status = n }), kong.Bind(s, &c))
	if err != nil {
		fmt.Fprintln(errOut, "writ:", err)
		return 1
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if status >= 0 { // help was asked for
		return status
	}
	if err != nil {
		fmt.Fprintf(errOut, "writ: %v\nTry: writ --help\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(); err != nil {
		fmt.Fprintln(errOut, "writ:", err)
		return 1
	}
	return 0
}

// configFlag is the file that most commands need.
type configFlag struct {
	Config string `required:"" placeholder:"FILE" help:"Configuration file (TOML); writ describe prints one."`
}

func (f configFlag) load() (server.Config, error) {
	c := server.DefaultConfig()
	err := config.Load(f.Config, &c)
	return c, err
}

// target is where the commands for operators act: the house of a configuration file, or the one of writ dev.
type target struct {
	Config string `xor:"house" placeholder:"FILE" help:"Configuration file of the server."`
	Data   string `xor:"house" placeholder:"DIR" help:"Data folder of a house that writ dev has made."`
}

func (t target) load() (server.Config, error) {
	switch {
	case t.Config != "":
		return configFlag{t.Config}.load()
	case t.Data != "":
		if _, err := os.Stat(t.Data); err != nil {
			return server.Config{}, err
		}
		return server.DevConfig(t.Data), nil
	}
	return server.Config{}, errors.New("give --config FILE, or --data DIR of writ dev")
}

// house builds the house beside a running one; the caller closes it.
func (t target) house(ctx context.Context, s *streams) (*server.House, error) {
	c, err := t.load()
	if err != nil {
		return nil, err
	}
	return server.Build(ctx, server.Options{Config: c, Log: obs.Logger(s.err, "warn", c.Log.JSON), Dev: t.Data != "", Version: Version})
}

// ran logs a command that has changed something, with who ran it.
func ran(s *streams, command string, args ...any) {
	obs.Logger(s.err, "info", false).With("room", "cli").Info(command, append(args, slog.String("by", operator()))...)
}

// operator is the person at the keyboard, also behind sudo.
func operator() string {
	name := fmt.Sprint("uid ", os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if behind := os.Getenv("SUDO_USER"); behind != "" {
		name += " (" + behind + ")"
	}
	return name
}

type versionCommand struct{}

func (versionCommand) Run(s *streams) error {
	_, err := fmt.Fprintln(s.out, "writ", Version)
	return err
}
