package law

// Refusal is the desk's no: a stable code of the desk's list of reasons, and what it is about in particular.
// It is the asker's fault, not ours.
type Refusal struct {
	Code string
	Text string
}

// Error says the code and what it is about.
func (r *Refusal) Error() string {
	if r.Text == "" {
		return r.Code
	}
	return r.Code + ": " + r.Text
}

// Refuse makes a Refusal.
func Refuse(code, text string) *Refusal { return &Refusal{Code: code, Text: text} }
