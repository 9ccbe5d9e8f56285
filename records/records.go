// Package records keeps the declared record and the boundary that only an approved extraction opens.
package records

type Datum struct{}
