//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"firedrill/sim"
)

// watchAddresses notes, for as long as the life lasts, what addresses are taken and given up in the machine's namespace, by
// whomever: a program does not say so. It is called with the lock, before any software runs.
func (m *machine) watchAddresses(l *life) error {
	updates, err := l.addresses()
	if err != nil {
		return err
	}
	m.w.aside(func() {
		for {
			for u := range updates {
				m.addressChanged(l, u)
			}
			select {
			case <-l.down:
				return
			default:
			}
			// There were more changes at once than the kernel keeps. What is known is what is there now.
			if updates, err = l.addresses(); err == nil {
				err = m.readAddresses(l)
			}
			if err != nil {
				m.w.mu.Lock()
				m.w.fail(fmt.Errorf("machine %s: %w", m.name, err))
				m.w.mu.Unlock()
				return
			}
		}
	})
	return nil
}

// addresses subscribes to changes. The channel is closed when the life is over, or some were lost.
func (l *life) addresses() (updates chan netlink.AddrUpdate, err error) {
	updates = make(chan netlink.AddrUpdate, 64)
	err = l.ns.Do(func() error { return netlink.AddrSubscribe(updates, l.down) })
	if err != nil {
		return nil, fmt.Errorf("watch its addresses: %w", err)
	}
	return updates, nil
}

// addressChanged is told of a change in the machine's namespace. It is called without the lock.
func (m *machine) addressChanged(l *life, u netlink.AddrUpdate) {
	a, is4 := netip.AddrFromSlice(u.LinkAddress.IP.To4())
	if !is4 {
		return
	}
	segment := ""
	_ = l.ns.Do(func() error { // An interface that is gone has lost its addresses: that was told before.
		i, err := net.InterfaceByIndex(u.LinkIndex)
		if err == nil {
			segment = i.Name
		}
		return err
	})
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	if !l.over && !m.w.leaving && m.foreign(segment, a) {
		m.bind(segment, a, u.NewAddr)
	}
}

// foreign reports whether the address is not the machine's own one on a segment.
func (m *machine) foreign(segment string, a netip.Addr) bool {
	return slices.ContainsFunc(m.specs, func(i sim.Interface) bool { return i.Segment == segment && i.Address.Addr() != a })
}

// readAddresses notes what has changed since the last change that was told. It is called without the lock.
func (m *machine) readAddresses(l *life) error {
	have := map[string][]netip.Addr{}
	err := l.ns.Do(func() error {
		for _, s := range m.specs {
			link, err := netlink.LinkByName(s.Segment)
			if err != nil {
				return err
			}
			list, err := netlink.AddrList(link, netlink.FAMILY_V4)
			for tries := 0; errors.Is(err, netlink.ErrDumpInterrupted) && tries < 100; tries++ { // They go on changing.
				time.Sleep(10 * time.Millisecond)
				list, err = netlink.AddrList(link, netlink.FAMILY_V4)
			}
			if err != nil {
				return err
			}
			for _, one := range list {
				if a, ok := netip.AddrFromSlice(one.IP.To4()); ok {
					have[s.Segment] = append(have[s.Segment], a)
				}
			}
		}
		return nil
	})
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	if l.over || m.w.leaving {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read its addresses: %w", err)
	}
	for _, s := range m.specs {
		for _, a := range slices.Clone(m.bound[s.Segment]) {
			if !slices.Contains(have[s.Segment], a) {
				m.bind(s.Segment, a, false)
			}
		}
		for _, a := range have[s.Segment] {
			if m.foreign(s.Segment, a) {
				m.bind(s.Segment, a, true)
			}
		}
	}
	return nil
}
