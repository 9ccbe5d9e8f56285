package desk

// Refusal is the desk's no: a stable code with the rule it cites. It is the peer's fault, not ours.
type Refusal struct {
	Code string
	Text string // what in particular
}

// Error says the code, its meaning and what in particular.
func (r *Refusal) Error() string {
	s := r.Code + ": " + ReasonOf(r.Code).Text
	if r.Text != "" {
		s += " (" + r.Text + ")"
	}
	return s
}

func refuse(code, text string) *Refusal { return &Refusal{Code: code, Text: text} }
