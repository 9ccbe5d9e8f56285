package sasl

import (
	"slices"
	"strings"
)

// upgradePrefix begins the names of upgrade tasks (XEP-0480 §2.1).
const upgradePrefix = "UPGR-SCRAM-"

// Upgrades lists the upgrade tasks: the hashes that are stronger than what every app has.
func Upgrades() []string {
	return []string{upgradePrefix + string(SHA512), upgradePrefix + string(SHA256)}
}

// UpgradeHash is the hash that a task makes a verifier of; ok is false for a task that is not on offer.
func UpgradeHash(task string) (h Hash, ok bool) {
	return Hash(strings.TrimPrefix(task, upgradePrefix)), slices.Contains(Upgrades(), task)
}

// UpgradeTask is the name of the task for a hash.
func UpgradeTask(h Hash) string { return upgradePrefix + string(h) }
