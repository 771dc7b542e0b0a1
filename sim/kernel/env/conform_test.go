//go:build linux

package env

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/transport/v3"

	"firedrill/sim/internal/conform"
)

// Linux is what the virtual world is compared with, by way of this package: what software sees here it sees there.
func TestConformance(t *testing.T) {
	c := newCable(t)
	conform.Test(t, conform.Linux, func(t *testing.T, r conform.Row) string {
		p := r.Cast(conform.Stage{Addresses: ends, Shorten: shorten})
		var both sync.WaitGroup
		for i, part := range p.Parts {
			if part == nil {
				continue
			}
			m := c.machine(t, i, func(_ *machine, config *Config) {
				config.Halt = func(bool) { c.carrier(t, i, false) }
			})
			both.Go(func() {
				if err := m.Run(software(part)); err != nil && !errors.Is(err, ErrDropped) {
					t.Error(err)
				}
				m.end(t)
			})
		}
		over := make(chan struct{})
		go func() { both.Wait(); close(over) }()
		select {
		case <-over:
		case <-time.After(time.Minute):
			t.Fatalf("this does not come to an end; so far it shows\n%s", p.Shown())
		}
		for i := range c {
			c.carrier(t, i, true)
		}
		c.ready(t)
		return p.Shown()
	})
}

// shorten makes the backlog of a listener as short as it can be.
func shorten(l transport.TCPListener) (err error) {
	raw, err := l.(*listener).raw.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }), err)
}
