package server

import (
	"writ/store"
	"writ/xmpp/feature"
)

// rooms makes THE list: every feature of the chat, in the order of their effects at every stage. A room that must see what
// another has done stands after it.
func (h *House) rooms() []*feature.Feature {
	return nil
}

// Schemas lists the tables of every room. The order matters only where a table refers to another room's: account comes first.
func Schemas() []store.Schema {
	return nil
}
