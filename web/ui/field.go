package ui

// Field is one question of a form; the template "field" shows it with its label, its hint, and, beside it, what was wrong.
type Field struct {
	ID       string // name and id of the control
	Label    string
	Kind     string // text, email, tel, date, datetime-local, password, number, file, area, select
	Value    string // as given, also when it was wrong
	Hint     string
	Wrong    string // what was wrong with the value, and what is allowed
	Required bool
	Auto     string // autocomplete token
	Accept   string // for files
	Choices  []Choice
}

// Choice is an option of a select field.
type Choice struct{ Value, Text string }
