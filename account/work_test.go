package account_test

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"writ/store/storetest"
	"writ/xmpp/sasl"
)

// Row 43 of the hostile corpus: a wrong password for a name that exists and for one that does not cost the same work. It is measured in CPU
// time of the thread, so that a busy machine does not matter, by interleaved medians.
func TestUnknownNamesCostTheSame(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	a, _ := open(t, db)
	create(t, a, "alice")
	secret := make([]byte, 32)
	rand.Read(secret)
	s, err := sasl.New(sasl.Config{Domain: domain, Source: a, Secret: secret, Iterations: sasl.MinIterations})
	if err != nil {
		t.Fatal(err)
	}
	const device = "d4565fa7-4d72-4749-b3d3-740edbf87770"
	attempts := map[string]func(name string){
		"PLAIN": func(name string) {
			e, _ := s.Offer(true).Start("PLAIN")
			if _, _, err := e.Step(ctx, []byte("\x00"+name+"\x00wrong")); err == nil {
				t.Error("signed in")
			}
		},
		"SCRAM-SHA-256": func(name string) {
			e, _ := s.Offer(true).Start("SCRAM-SHA-256")
			first, _, err := e.Step(ctx, []byte("n,,n="+name+",r=abcdefgh"))
			if err != nil {
				t.Error(err)
			}
			nonce, _, _ := strings.Cut(string(first), ",")
			if _, _, err := e.Step(ctx, fmt.Appendf(nil, "c=biws,%s,p=%s", nonce, sasl.Encode(make([]byte, 32)))); err == nil {
				t.Error("signed in")
			}
		},
		"HT-SHA-256-NONE": func(name string) {
			e, err := s.Offer(true).StartToken("HT-SHA-256-NONE", device)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := e.Step(ctx, []byte(name+"\x00"+strings.Repeat("x", 32))); err == nil {
				t.Error("signed in")
			}
		},
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "HT-SHA-256-NONE"} {
		var known, unknown []time.Duration
		try := attempts[mechanism]
		for range 150 {
			known = append(known, threadTime(t, func() { try("alice") }))
			unknown = append(unknown, threadTime(t, func() { try("nobody") }))
		}
		k, u := median(known), median(unknown)
		t.Logf("%-16s known %v, unknown %v", mechanism, k, u)
		// Incumbents differ by 3 ms and more. A tenth of that would still be seen over a network with patience; a tenth of a millisecond hardly. The
		// race detector makes two equal ways differ by a third.
		if d := max(k, u) - min(k, u); d > 100*time.Microsecond && d > min(k, u)/2 {
			t.Errorf("%s tells who exists by its work", mechanism)
		}
	}
}

func threadTime(t *testing.T, f func()) time.Duration {
	t.Helper()
	var a, b unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &a); err != nil {
		t.Fatal(err)
	}
	f()
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &b); err != nil {
		t.Fatal(err)
	}
	return time.Duration(b.Nano() - a.Nano())
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
