package virtual

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"firedrill/nodes"
	"firedrill/sim"
)

// Whatever a link does to frames for a while, the bytes of a connection arrive whole, in order and once, in both directions.
func TestStreamProperty(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(1)
	parameters.MinSuccessfulTests = 150
	properties := gopter.NewProperties(parameters)
	properties.Property("bytes arrive whole, in order and once", prop.ForAll(
		func(seed uint64, loss, duplicate, reorder, corrupt, jitterMicros int, sizes []int) (string, error) {
			return stream(seed, []int{loss, duplicate, reorder, corrupt}, time.Duration(jitterMicros)*time.Microsecond, sizes)
		},
		// More loss than this may rightly end a connection that one side has closed: nine tries in a row fail.
		gen.UInt64(), gen.IntRange(0, 10), gen.IntRange(0, 50), gen.IntRange(0, 50), gen.IntRange(0, 5),
		gen.IntRange(0, 20_000), gen.SliceOfN(6, gen.IntRange(1, 100_000)),
	))
	properties.TestingRun(t)
}

// stream writes pieces over one connection of a bad link, has them echoed, and says what differs. A gopter property that
// returns "" holds.
func stream(seed uint64, percent []int, jitter time.Duration, sizes []int) (string, error) {
	var sent, back bytes.Buffer
	fill := rand.New(rand.NewPCG(seed, 1))
	t := new(testing.T)
	w := newPair(t, seed, func(env nodes.Env) error {
		l, err := env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: 80})
		if err != nil {
			return err
		}
		c, err := l.AcceptTCP()
		if err != nil {
			return err
		}
		if _, err := io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}); err != nil {
			return err
		}
		return c.Close()
	}, nil)
	var failed error
	w.Machine("b").Go("client", func(env nodes.Env) {
		c, err := env.Net().Dial("tcp4", "10.0.0.1:80")
		if err != nil {
			failed = err
			return
		}
		env.Go("reader", func() {
			if _, err := io.Copy(&back, struct{ io.Reader }{c}); err != nil {
				failed = err
			}
		})
		env.Sleep(time.Second)
		for _, size := range sizes {
			piece := make([]byte, size)
			for i := range piece {
				piece[i] = byte(fill.Uint32())
			}
			sent.Write(piece)
			if _, err := c.Write(piece); err != nil {
				failed = err
				return
			}
		}
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			failed = err
		}
	})
	shares := make([]nodes.Share, len(percent))
	for i, p := range percent {
		shares[i] = nodes.Share(p) * nodes.ShareAll / 100
	}
	bad := &sim.Imposition{Condition: sim.Condition{Loss: &shares[0], Duplicate: &shares[1], Reorder: &shares[2],
		Corrupt: &shares[3], Jitter: &jitter}}
	w.At(500*time.Millisecond, func() {
		for _, l := range w.Links("lan") {
			l.Impose(bad)
		}
	})
	if err := w.Run(2 * time.Hour); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	switch {
	case failed != nil:
		return fmt.Sprintf("the connection failed: %v", failed), nil
	case !bytes.Equal(sent.Bytes(), back.Bytes()):
		return fmt.Sprintf("%d bytes were sent and %d came back, or others", sent.Len(), back.Len()), nil
	}
	return "", nil
}
