package cli

import (
	"errors"
	"os"
	"strings"
	"time"

	"writ/tlog/verify"
)

// verifyCommand checks what a house has given out, without asking it: no database, and no network but for a log that is read from its address.
type verifyCommand struct {
	Package verifyPackageCommand `cmd:"" help:"Check a delivered package: every file, the manifest and its signature."`
	Receipt verifyReceiptCommand `cmd:"" help:"Check a receipt: the promise that it holds, and with --proof whether it was kept."`
	Report  verifyReportCommand  `cmd:"" help:"Recompute a transparency report from its opened facts, and compare the table with it."`
	Log     verifyLogCommand     `cmd:"" help:"Read a whole log, from a folder or its address, and compare it with its signed head."`
}

// keyFlag is the house's public key, or a file with it.
type keyFlag struct {
	Key string `required:"" placeholder:"KEY|FILE" help:"The house's public key as it publishes it (name+hash+data), or a file with it."`
}

func (k keyFlag) load() (string, error) {
	if b, err := os.ReadFile(k.Key); err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	return k.Key, nil
}

// errWrong makes the exit status 1 after the result was printed.
var errWrong = errors.New("the check failed")

func show(s *streams, r *verify.Result, err error) error {
	if err != nil {
		return err
	}
	if _, err := r.WriteTo(s.out); err != nil {
		return err
	}
	if !r.OK() {
		return errWrong
	}
	return nil
}

type verifyPackageCommand struct {
	keyFlag
	File string `arg:"" type:"existingfile" help:"The package (.zip)."`
}

func (c verifyPackageCommand) Run(s *streams) error {
	key, err := c.load()
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := verify.CheckPackage(f, st.Size(), key, time.Now())
	return show(s, r, err)
}

type verifyReceiptCommand struct {
	keyFlag
	File  string `arg:"" type:"existingfile" help:"The receipt."`
	Proof string `type:"existingfile" placeholder:"FILE" help:"The proof (.tlog-proof) that the house gives once the batch is published."`
}

func (c verifyReceiptCommand) Run(s *streams) error {
	key, err := c.load()
	if err != nil {
		return err
	}
	receipt, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	var proof []byte
	if c.Proof != "" {
		if proof, err = os.ReadFile(c.Proof); err != nil {
			return err
		}
	}
	r, err := verify.CheckReceipt(receipt, proof, key, time.Now())
	return show(s, r, err)
}
