package sasl

import "errors"

// Condition is a SASL failure condition (RFC 6120 §6.5). Its text is the element's name on the wire.
type Condition string

// The conditions of RFC 6120 §6.5.
const (
	Aborted              Condition = "aborted"
	AccountDisabled      Condition = "account-disabled"
	CredentialsExpired   Condition = "credentials-expired"
	EncryptionRequired   Condition = "encryption-required"
	IncorrectEncoding    Condition = "incorrect-encoding"
	InvalidAuthzid       Condition = "invalid-authzid"
	InvalidMechanism     Condition = "invalid-mechanism"
	MalformedRequest     Condition = "malformed-request"
	MechanismTooWeak     Condition = "mechanism-too-weak"
	NotAuthorized        Condition = "not-authorized"
	TemporaryAuthFailure Condition = "temporary-auth-failure"
)

// Failure is the answer to an authentication that did not succeed. Text is safe to show to the peer: it never tells
// whether an account exists.
type Failure struct {
	Condition Condition
	Text      string
	cause     error // ours; for the log, never for the peer
}

func (f *Failure) Error() string {
	s := "sasl: " + string(f.Condition)
	if f.Text != "" {
		s += ": " + f.Text
	}
	if f.cause != nil {
		s += ": " + f.cause.Error()
	}
	return s
}

// Unwrap gives the internal cause of a temporary-auth-failure; nil when the peer is at fault.
func (f *Failure) Unwrap() error { return f.cause }

// Fail makes a Failure.
func Fail(c Condition, text string) *Failure { return &Failure{Condition: c, Text: text} }

// AsFailure gives the failure to send for any error of this package.
func AsFailure(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{Condition: TemporaryAuthFailure, cause: err}
}
