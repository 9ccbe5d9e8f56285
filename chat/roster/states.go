package roster

// State is the subscription state of one contact as the account's own server keeps it (RFC 6121 Appendix A.1): nine
// combinations of four facts, and the pre-approval of §3.4.
type State uint8

const (
	To       State = 1 << iota // the user is subscribed to the contact
	From                       // the contact is subscribed to the user
	Out                        // the user has asked ("Pending Out", ask='subscribe')
	In                         // the contact has asked ("Pending In"); never shown in a roster
	Approved                   // the user has approved in advance (RFC 6121 §3.4)
)

// Has reports whether all facts of f are true.
func (s State) Has(f State) bool { return s&f == f }

// Subscription is the value of the 'subscription' attribute (RFC 6121 §2.1.2.5).
func (s State) Subscription() string {
	switch s & (To | From) {
	case To:
		return "to"
	case From:
		return "from"
	case To | From:
		return "both"
	}
	return "none"
}

// Step is what a subscription stanza does to one side of a subscription.
type Step struct {
	Next  State
	Pass  bool   // outbound: route it to the contact; inbound: deliver it to the user
	Reply string // a stanza of this type goes back to the contact on the user's behalf; "" for none
}

// Outbound is what a subscription stanza of the user does to the user's side (RFC 6121 Appendix A.2).
func Outbound(s State, typ string) Step {
	switch typ {
	case "subscribe": // always routed, also when nothing changes: the other side may have forgotten
		if !s.Has(To) {
			return Step{Next: s | Out, Pass: true}
		}
		return Step{Next: s, Pass: true}
	case "unsubscribe":
		return Step{Next: s &^ (To | Out), Pass: true}
	case "subscribed":
		switch {
		case s.Has(In):
			return Step{Next: s&^In | From, Pass: true}
		case s.Has(From):
			return Step{Next: s}
		}
		return Step{Next: s | Approved}
	case "unsubscribed":
		return Step{Next: s &^ (From | In | Approved), Pass: s&(From|In) != 0}
	}
	return Step{Next: s}
}

// Inbound is what a subscription stanza of the contact does to the user's side (RFC 6121 Appendix A.3).
func Inbound(s State, typ string) Step {
	switch typ {
	case "subscribe":
		switch {
		case s.Has(From):
			return Step{Next: s, Reply: "subscribed"}
		case s.Has(Approved):
			return Step{Next: s&^In | From, Reply: "subscribed"}
		}
		return Step{Next: s | In, Pass: !s.Has(In)}
	case "unsubscribe":
		if s&(From|In) != 0 {
			return Step{Next: s &^ (From | In), Pass: true, Reply: "unsubscribed"}
		}
	case "subscribed":
		if s.Has(Out) {
			return Step{Next: s&^Out | To, Pass: true}
		}
	case "unsubscribed":
		if s&(To|Out) != 0 {
			return Step{Next: s &^ (To | Out), Pass: true}
		}
	}
	return Step{Next: s}
}
