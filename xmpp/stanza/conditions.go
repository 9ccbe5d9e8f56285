package stanza

// Condition is a defined condition of RFC 6120 §8.3.3.
type Condition string

// defaults are the type that RFC 6120 recommends for a condition, and its code of before 2004 (XEP-0086 §3). Profanity
// publishes its OMEMO devices only if item-not-found carries 404.
var defaults = map[Condition]struct {
	kind ErrorType
	code int
}{
	"bad-request":             {Modify, 400},
	"conflict":                {Cancel, 409},
	"feature-not-implemented": {Cancel, 501},
	"forbidden":               {Auth, 403},
	"gone":                    {Cancel, 302},
	"internal-server-error":   {Cancel, 500},
	"item-not-found":          {Cancel, 404},
	"jid-malformed":           {Modify, 400},
	"not-acceptable":          {Modify, 406},
	"not-allowed":             {Cancel, 405},
	"not-authorized":          {Auth, 401},
	"policy-violation":        {Modify, 0},
	"recipient-unavailable":   {Wait, 404},
	"redirect":                {Modify, 302},
	"registration-required":   {Auth, 407},
	"remote-server-not-found": {Cancel, 404},
	"remote-server-timeout":   {Wait, 504},
	"resource-constraint":     {Wait, 500},
	"service-unavailable":     {Cancel, 503},
	"subscription-required":   {Auth, 407},
	"undefined-condition":     {Cancel, 500},
	"unexpected-request":      {Wait, 400},
}

// BadRequest is RFC 6120 §8.3.3.1, of type modify.
func BadRequest(text string) *Error { return NewError("bad-request", text) }

// Conflict is RFC 6120 §8.3.3.2, of type cancel.
func Conflict(text string) *Error { return NewError("conflict", text) }

// FeatureNotImplemented is RFC 6120 §8.3.3.3, of type cancel.
func FeatureNotImplemented(text string) *Error { return NewError("feature-not-implemented", text) }

// Forbidden is RFC 6120 §8.3.3.4, of type auth.
func Forbidden(text string) *Error { return NewError("forbidden", text) }

// Gone is RFC 6120 §8.3.3.5, of type cancel.
func Gone(text string) *Error { return NewError("gone", text) }

// InternalServerError is RFC 6120 §8.3.3.6, of type cancel.
func InternalServerError(text string) *Error { return NewError("internal-server-error", text) }

// ItemNotFound is RFC 6120 §8.3.3.7, of type cancel.
func ItemNotFound(text string) *Error { return NewError("item-not-found", text) }

// JIDMalformed is RFC 6120 §8.3.3.8, of type modify.
func JIDMalformed(text string) *Error { return NewError("jid-malformed", text) }

// NotAcceptable is RFC 6120 §8.3.3.9, of type modify.
func NotAcceptable(text string) *Error { return NewError("not-acceptable", text) }

// NotAllowed is RFC 6120 §8.3.3.10, of type cancel.
func NotAllowed(text string) *Error { return NewError("not-allowed", text) }

// NotAuthorized is RFC 6120 §8.3.3.11, of type auth.
func NotAuthorized(text string) *Error { return NewError("not-authorized", text) }

// PolicyViolation is RFC 6120 §8.3.3.12, of type modify.
func PolicyViolation(text string) *Error { return NewError("policy-violation", text) }

// RecipientUnavailable is RFC 6120 §8.3.3.13, of type wait.
func RecipientUnavailable(text string) *Error { return NewError("recipient-unavailable", text) }

// Redirect is RFC 6120 §8.3.3.14, of type modify.
func Redirect(text string) *Error { return NewError("redirect", text) }

// RegistrationRequired is RFC 6120 §8.3.3.15, of type auth.
func RegistrationRequired(text string) *Error { return NewError("registration-required", text) }

// RemoteServerNotFound is RFC 6120 §8.3.3.16, of type cancel.
func RemoteServerNotFound(text string) *Error { return NewError("remote-server-not-found", text) }

// RemoteServerTimeout is RFC 6120 §8.3.3.17, of type wait.
func RemoteServerTimeout(text string) *Error { return NewError("remote-server-timeout", text) }

// ResourceConstraint is RFC 6120 §8.3.3.18, of type wait.
func ResourceConstraint(text string) *Error { return NewError("resource-constraint", text) }

// ServiceUnavailable is RFC 6120 §8.3.3.19, of type cancel.
func ServiceUnavailable(text string) *Error { return NewError("service-unavailable", text) }

// SubscriptionRequired is RFC 6120 §8.3.3.20, of type auth.
func SubscriptionRequired(text string) *Error { return NewError("subscription-required", text) }

// UndefinedCondition is RFC 6120 §8.3.3.21, of type cancel.
func UndefinedCondition(text string) *Error { return NewError("undefined-condition", text) }

// UnexpectedRequest is RFC 6120 §8.3.3.22, of type wait.
func UnexpectedRequest(text string) *Error { return NewError("unexpected-request", text) }
