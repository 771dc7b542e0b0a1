//go:build linux

package env

import (
	"context"
	"net"
	"sync"
	"time"
)

// The waits before Linux sends a SYN again: the first, each twice the one before, so many in all.
const (
	synWait    = time.Second
	synRetries = 6
)

// connect is a connect of the kernel's, and where time is faster than in life several: the first wait before a lost SYN is sent
// again is a second of life, which no setting of a kernel changes, and at 40x that is 40 s. So another connection is begun
// whenever a SYN would be sent again in true time. What comes of one of them first counts, and the others are given up: whoever
// listens may see some that end at once, where an answer takes longer than the first wait.
//
// One from a port that is given is begun once: there cannot be two.
func (m *Machine) connect(ctx context.Context, d *net.Dialer, remote string) (*net.TCPConn, error) {
	var begun sync.WaitGroup
	defer begun.Wait()
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	type end struct {
		c   *net.TCPConn
		err error
	}
	first := make(chan end)
	begin := func() {
		var e end
		e.err = m.in(func() error {
			c, err := d.DialContext(ctx, "tcp4", remote)
			if err == nil {
				e.c = c.(*net.TCPConn)
			}
			return err
		})
		select {
		case first <- e:
		case <-ctx.Done():
			if e.c != nil {
				e.c.Close()
			}
		}
	}
	begun.Go(begin)
	wait, left := synWait/time.Duration(m.c.Scale), synRetries
	if local, is := d.LocalAddr.(*net.TCPAddr); m.c.Scale == 1 || is && local.Port != 0 {
		left = 0
	}
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case e := <-first:
			return e.c, e.err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-again.C:
			if left > 0 {
				begun.Go(begin)
				left--
				wait *= 2
				again.Reset(wait)
			}
		}
	}
}
