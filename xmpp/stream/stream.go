// Package stream is what a stream says and counts, apart from any connection: headers and features (RFC 6120 §4), stream errors
// (§4.9), the counters and the queue of stream management (XEP-0198), what is held back from an inactive client (XEP-0352),
// and the token bucket on input.
package stream
