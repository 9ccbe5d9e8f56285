// Package store is the only importer of SQL drivers.
package store

type DB struct{}

type Tx struct{}
