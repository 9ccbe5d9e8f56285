package archive

import (
	"sync"

	"writ/xmpp/jid"
)

// bucketBits is how many positions a bucket has, as a power of two: its entries fit the database's cache many times over, and an archive of
// a week has some hundreds of buckets on a large server.
const bucketBits = 14

func bucketOf(id int64) int64 { return id >> bucketBits }

// spans remembers whose archives are known to have entries in the newest bucket, so that this is written once for each and not with each
// message. It is told after the commit; what it does not know is written again, which changes nothing.
type spans struct {
	mu     sync.Mutex
	bucket int64
	set    map[jid.JID]struct{}
}

func (s *spans) known(bucket int64, account jid.JID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.set[account]
	return ok && s.bucket == bucket
}

func (s *spans) note(bucket int64, account jid.JID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bucket > s.bucket || s.set == nil {
		s.bucket, s.set = bucket, map[jid.JID]struct{}{}
	}
	if bucket == s.bucket {
		s.set[account] = struct{}{}
	}
}

// forget drops an account that is erased.
func (s *spans) forget(account jid.JID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, account)
}

// newest is the bucket that is remembered: what is noted in it must not be swept.
func (s *spans) newest() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bucket
}
