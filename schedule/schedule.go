// Package schedule is how a room declares what it keeps about people.
package schedule
