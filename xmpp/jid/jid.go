// Package jid is the address format of XMPP (RFC 7622).
package jid

type JID struct{ s string }
