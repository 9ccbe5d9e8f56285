package server

import (
	"context"
	"errors"

	"writ/records"
	"writ/store"
)

// standing is asked before every extraction.
func (h *House) standing() records.Standing { return shut{} }

// shut is the standing of a house without a desk: nothing is extracted.
type shut struct{}

func (shut) Allows(context.Context, store.Reader, records.Grant) error {
	return errors.New("server: the desk is not open")
}
