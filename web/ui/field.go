package ui

// Field is one question of a form; the template "field" shows it with its label, its hint, and, beside it, what was wrong.
type Field struct {
	ID       string // id of the control, and its name
	Name     string // its name where that is another: two forms of one page ask the same
	Label    string
	Kind     string // text, email, tel, date, datetime-local, password, number, file, area, select
	Value    string // as given, also when it was wrong
	Hint     string
	Wrong    string // what was wrong with the value, and what is allowed
	Required bool
	Auto     string // autocomplete token
	Accept   string // for files
	Many     bool   // files: more than one
	Choices  []Choice
}

// Choice is an option of a select field.
type Choice struct{ Value, Text string }
