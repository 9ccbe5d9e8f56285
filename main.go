// Writ is a messaging service that anyone can run, end-to-end encrypted, with the office built in that answers governments.
package main

import (
	"os"

	"writ/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
