package route

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines left behind. The store of web sessions that a whole house has keeps one, for as long as the process lives.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"))
}
