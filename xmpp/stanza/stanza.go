// Package stanza holds a stanza as the bytes that were received.
package stanza

type Stanza struct{}

type Type string
