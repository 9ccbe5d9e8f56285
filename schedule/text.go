package schedule

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteText prints the schedule for people at a terminal: what `writ describe records` shows.
func (s Schedule) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "Record schedule, version %s\n", s.version)
	for _, c := range s.Holds() {
		fmt.Fprintf(b, "\n%s\n%s\n", strings.ToUpper(c.Title), c.Text)
		if c.Never != "" {
			fmt.Fprintf(b, "Never produced. %s\n", c.Never)
		}
		for _, d := range s.Of(c.Category) {
			s.writeDatum(b, d, c)
		}
	}
	return b.Flush()
}

func (s Schedule) writeDatum(b *bufio.Writer, d Datum, c Info) {
	fmt.Fprintf(b, "\n  %s\n", d.Name)
	fmt.Fprintf(b, "    why      %s\n", d.Purpose)
	fmt.Fprintf(b, "    kept     %s\n", s.Kept(d))
	if d.Process == Never {
		if d.Never != c.Never {
			fmt.Fprintf(b, "    reached  by no process: %s\n", d.Never)
		}
	} else {
		fmt.Fprintf(b, "    reached  by a %s or more\n", d.Process.Title())
	}
	if len(d.Tables) > 0 {
		fmt.Fprintf(b, "    tables   %s\n", strings.Join(d.Tables, ", "))
	}
	for _, f := range d.Fields {
		derived := ""
		if f.Derived {
			derived = " (derived)"
		}
		if f.Process != "" {
			derived += " (a " + f.Process.Title() + " or more)"
		}
		fmt.Fprintf(b, "      %-14s %s%s\n", f.Name, f.Meaning, derived)
	}
}
