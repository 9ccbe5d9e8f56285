// Package notice says when a person is told, and with what words.
//
// By default seven days before delivery, so that the person can object; under a gag when it ends; after an emergency
// afterwards. Invariants: a notice is never sent while a gag is in force; every gag leads to a notice or to a defect.
package notice

import "time"

// Lead is how long before delivery a person is told.
const Lead = 7 * 24 * time.Hour
