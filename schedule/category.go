package schedule

// Category is the unit in which law, policy and requests speak of records.
type Category string

// The categories. Category.Text says in plain words what each holds.
const (
	Subscriber   Category = "subscriber"
	SignIn       Category = "sign-in"
	Location     Category = "location"
	LastSeen     Category = "last-seen"
	Device       Category = "device"
	Profile      Category = "profile"
	Contacts     Category = "contacts"
	Blocks       Category = "blocks"
	Groups       Category = "groups"
	Bookmarks    Category = "bookmarks"
	Files        Category = "files"
	Push         Category = "push"
	MessageLog   Category = "message-log"
	CallLog      Category = "call-log"
	Clear        Category = "clear-signs"
	Ciphertext   Category = "ciphertext"
	Credentials  Category = "credentials"
	CaseFiles    Category = "case-files"
	StaffActions Category = "staff-actions"
	Impersonal   Category = "impersonal"
)

// Info is what people read about a category.
type Info struct {
	Category Category
	Title    string
	Text     string  // what it holds
	Process  Process // the least process that reaches it under United States law; a datum may ask for more
	Others   bool    // names people other than the account's holder: always minimise
	Never    string  // why it is never produced; empty if it can be
}

const notProducible = "It is the house's own file about its work, not a record of a person's use of the service."

var categories = []Info{
	{Category: Subscriber, Title: "Subscriber", Process: Subpoena,
		Text: "The address, the name if one was given, when the account was made, and who invited it."},
	{Category: SignIn, Title: "Sign-ins", Process: Subpoena,
		Text: "When an app signed in, from which IP address and port, which software and device it said it was, and how the connection was protected."},
	{Category: Location, Title: "Location derived from IP addresses", Process: CourtOrder,
		Text: "A rough place looked up from the IP address of a sign-in in a database that the operator supplies. It is a guess, no measurement: apps send no position to this server."},
	{Category: LastSeen, Title: "Last seen", Process: Subpoena,
		Text: "When the account was last connected."},
	{Category: Device, Title: "Devices", Process: CourtOrder,
		Text: "The apps that are signed in to the account: the name each gave, and when it was first and last used."},
	{Category: Profile, Title: "Profile", Process: Warrant,
		Text: "What a person chose to show: name, picture, business card."},
	{Category: Contacts, Title: "Contacts", Process: Warrant, Others: true,
		Text: "The address book that the account keeps on the server, with the names given and the subscriptions."},
	{Category: Blocks, Title: "Blocks", Process: CourtOrder, Others: true,
		Text: "The addresses that the account has blocked."},
	{Category: Groups, Title: "Groups", Process: Warrant, Others: true,
		Text: "The group rooms that the account is a member of, and its part in them."},
	{Category: Bookmarks, Title: "Bookmarks", Process: Warrant, Others: true,
		Text: "The rooms that the account's apps keep in their list."},
	{Category: Files, Title: "Files", Process: CourtOrder,
		Text: "Uploads by the account: size, type and times. The bytes are encrypted by the app and are declared as ciphertext."},
	{Category: Push, Title: "Push registrations", Process: CourtOrder,
		Text: "Where the account's apps asked to be woken: the push service and the opaque node it gave them."},
	{Category: MessageLog, Title: "Message log", Process: CourtOrder, Others: true,
		Text: "What the archive says while it lasts: from, to, time, size and kind of a message. Never what it says."},
	{Category: CallLog, Title: "Call log", Process: CourtOrder, Others: true,
		Text: "Calls that the account's apps signalled: the two parties, audio or video, when it started, was answered and ended, and how it ended."},
	{Category: Clear, Title: "Signs that apps send in clear", Process: CourtOrder, Others: true,
		Text: "Reactions, the subjects of rooms and the like, which apps do not encrypt."},
	{Category: Ciphertext, Title: "Ciphertext", Process: Never,
		Text:  "Encrypted messages on their way or in the archive, encrypted files, and the public keys of devices.",
		Never: "It is what people say, in a form that the server has no key to. An order that names these bytes goes to counsel."},
	{Category: Credentials, Title: "Credentials and keys", Process: Never,
		Text:  "Password verifiers, sign-in tokens, the passkeys of staff and officers, the server's own keys.",
		Never: "With them someone could act as the person. They are no records of use, and nothing produces them."},
	{Category: CaseFiles, Title: "Case files", Process: Never,
		Text:  "Legal requests as they came in, the files of their cases, agencies and officers, and what was produced.",
		Never: notProducible},
	{Category: StaffActions, Title: "Staff actions", Process: Never,
		Text:  "What the people who work at the desk and the operators did, and when.",
		Never: notProducible},
	{Category: Impersonal, Title: "Rows that name nobody", Process: Never,
		Text:  "Hashes of the public log, versions of the schedule, settings.",
		Never: "It says nothing about any person."},
}

func (c Category) info() (Info, bool) {
	for _, i := range categories {
		if i.Category == c {
			return i, true
		}
	}
	return Info{}, false
}

// Info is the category's text. An unknown category has its name as title and is never producible.
func (c Category) Info() Info {
	i, ok := c.info()
	if !ok {
		return Info{Category: c, Title: string(c), Process: Never, Never: "The category is unknown."}
	}
	return i
}

// Valid reports whether c is one of the categories.
func (c Category) Valid() bool { _, ok := c.info(); return ok }

// Producible reports whether records of the category can be produced at all.
func (c Category) Producible() bool { return c.Info().Never == "" }

// Categories lists all categories in the order in which pages show them.
func Categories() []Info { return append([]Info(nil), categories...) }
