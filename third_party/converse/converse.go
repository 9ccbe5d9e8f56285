// Package converse carries Converse.js 14.0.0 as its authors released it. SHA256SUMS pins each file; a test compares.
package converse

import "embed"

// Dist holds the release's dist folder, without translations, source maps and unminified copies.
//
//go:embed dist
var Dist embed.FS
