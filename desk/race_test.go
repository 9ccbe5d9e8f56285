package desk

import (
	"sync"
	"sync/atomic"
	"testing"

	"writ/store"
	"writ/store/storetest"
)

// together runs f n times at once and counts the ones that succeed.
func together(n int, f func(i int) error) (done int64) {
	var ok atomic.Int64
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			if f(i) == nil {
				ok.Add(1)
			}
		})
	}
	close(begin)
	wg.Wait()
	return ok.Load()
}

// Many at once on one case: one review is begun, one signature of a person counts, one download succeeds. The file stays whole.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		atOnce(t, h, func(int) *Desk { return h.desk })
	})
}

// The same on two nodes of one database.
func TestAtOnceOnTwoNodes(t *testing.T) {
	t.Parallel()
	db := storetest.PostgreSQL(t)
	h := newHouse(t, db)
	other := *h
	other.db = storetest.Reopen(t, db)
	other.build()
	atOnce(t, h, func(i int) *Desk { return []*Desk{h.desk, other.desk}[i%2] })
}

func atOnce(t *testing.T, h *house, node func(i int) *Desk) {
	ctx := t.Context()
	id := h.file("of-hkpf")
	h.do("ines", id, Authenticate{})
	h.do("ines", id, Screen{})
	if n := together(8, func(i int) error {
		_, err := node(i).Do(ctx, as([]string{"rita", "both"}[i/2%2]), id, BeginReview{})
		return err
	}); n != 1 {
		t.Errorf("the review began %d times", n)
	}
	h.do("rita", id, Propose{})
	p := h.get(id).Proposal
	var signed [8][]byte
	for i := range signed {
		signed[i] = h.sign("rita", p.Hash)
	}
	if n := together(8, func(i int) error {
		_, err := node(i).Do(ctx, as("rita"), id, SignScope{Assertion: signed[i]})
		return err
	}); n != 1 {
		t.Errorf("one person signed %d times", n)
	}
	h.want(id, UnderReview)
	h.do("abe", id, SignScope{Assertion: h.sign("abe", p.Hash)})
	h.do("rita", id, Extract{})
	if n := together(4, func(i int) error { return node(i).Tick(ctx) }); n == 0 {
		t.Error("no tick ended well")
	}
	h.tick()
	h.tick()
	h.toDelivered(id)
	if n := together(8, func(i int) error { _, err := node(i).Download(ctx, as("of-hkpf"), id); return err }); n != 1 {
		t.Errorf("downloaded %d times", n)
	}
	h.whole()
	if n := len(h.box.sent); n != 1 {
		t.Errorf("the person was told %d times", n)
	}
}
