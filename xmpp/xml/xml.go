// Package xml is a strict tokenizer for XMPP.
package xml

type Element struct{}
