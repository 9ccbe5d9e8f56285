package muc

// Affiliation is a long-lived association with a room (XEP-0045 §5.2). Greater is more.
type Affiliation int8

const (
	Outcast Affiliation = iota - 1
	None
	Member
	Admin
	Owner
)

var affiliations = map[string]Affiliation{"outcast": Outcast, "none": None, "member": Member, "admin": Admin, "owner": Owner}

// String is the name on the wire and in the tables.
func (a Affiliation) String() string {
	return [...]string{"outcast", "none", "member", "admin", "owner"}[a+1]
}

// Role is what an occupant may do while it is in the room (XEP-0045 §5.1). Greater is more.
type Role uint8

const (
	NoRole Role = iota
	Visitor
	Participant
	Moderator
)

var roles = map[string]Role{"none": NoRole, "visitor": Visitor, "participant": Participant, "moderator": Moderator}

// String is the name on the wire.
func (r Role) String() string { return [...]string{"none", "visitor", "participant", "moderator"}[r] }

// The status codes of XEP-0045 §12 that this service sends.
const (
	codeNonAnonymous = "100" // entering: all see your address
	codeAbsent       = "101" // your affiliation changed while you were away
	codeSelf         = "110"
	codeConfigured   = "104"
	codeLogged       = "170"
	codeNotLogged    = "171"
	codeNowOpen      = "172" // now non-anonymous
	codeNowSemi      = "173" // now semi-anonymous
	codeCreated      = "201"
	codeNickChanged  = "210" // by the service
	codeBanned       = "301"
	codeNewNick      = "303"
	codeKicked       = "307"
	codeLostMember   = "321" // the affiliation went
	codeMembersOnly  = "322" // the room became members-only
	codeShutDown     = "332"
	codeTechnical    = "333"
)
