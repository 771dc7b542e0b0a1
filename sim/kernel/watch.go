//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"firedrill/sim"
)

// watch sees what addresses are taken and given up in a machine's namespace, by whomever: a program does not say so.
type watch struct {
	m *machine
	l *life
	// segments are those of interfaces by their numbers: when the address of one that is gone is released there is no
	// other way to know.
	segments map[int]string
}

// watchAddresses notes changes for as long as the life lasts. It is called with the lock, before any software runs.
func (m *machine) watchAddresses(l *life) error {
	w := &watch{m, l, map[int]string{}}
	updates, err := w.subscribe()
	if err != nil {
		return err
	}
	l.watched.Add(1)
	m.w.aside(func() {
		defer l.watched.Done()
		for err == nil {
			for u := range updates {
				w.changed(u)
			}
			select {
			case <-l.down:
				return
			default:
			}
			// There were more changes at once than the kernel keeps. What is known is what is there now.
			if updates, err = w.subscribe(); err == nil {
				err = w.readAll()
			}
		}
		m.w.mu.Lock()
		defer m.w.mu.Unlock()
		if !l.over {
			m.w.fail(fmt.Errorf("machine %s: %w", m.Name(), err))
		}
	})
	return nil
}

// subscribe asks for changes. The channel is closed when the life is over, or some were lost.
func (w *watch) subscribe() (updates chan netlink.AddrUpdate, err error) {
	updates = make(chan netlink.AddrUpdate, 64)
	err = w.l.ns.Do(func() error { return netlink.AddrSubscribe(updates, w.l.down) })
	if err != nil {
		return nil, fmt.Errorf("watch its addresses: %w", err)
	}
	return updates, nil
}

// segment is the one on which whoever asks for an address of an interface is answered, or "". It is called on a thread
// in the namespace.
func (w *watch) segment(index int) string {
	if s, known := w.segments[index]; known {
		return s
	}
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return ""
	}
	name := link.Attrs().Name
	if link.Type() == "macvlan" || link.Type() == "ipvlan" { // It answers where the one below it is.
		name = w.segment(link.Attrs().ParentIndex)
	}
	w.segments[index] = name
	return name
}

// changed is told of a change.
func (w *watch) changed(u netlink.AddrUpdate) {
	a, is4 := netip.AddrFromSlice(u.LinkAddress.IP.To4())
	if !is4 {
		return
	}
	segment := ""
	_ = w.l.ns.Do(func() error {
		segment = w.segment(u.LinkIndex)
		return nil
	})
	w.m.w.mu.Lock()
	defer w.m.w.mu.Unlock()
	if w.matters() && w.m.foreign(segment, a) {
		w.m.bind(segment, a, u.NewAddr)
	}
}

// matters reports whether what changes is to be noted still. It is called with the lock.
func (w *watch) matters() bool { return !w.l.over && !w.m.w.leaving }

// foreign reports whether the address is not the machine's own one on a segment.
func (m *machine) foreign(segment string, a netip.Addr) bool {
	return slices.ContainsFunc(m.Interfaces(), func(i sim.Interface) bool { return i.Segment == segment && i.Address.Addr() != a })
}

// readAll notes what has changed since the last change that was told.
func (w *watch) readAll() error {
	have := map[string][]netip.Addr{}
	err := w.l.ns.Do(func() error {
		list, err := netlink.AddrList(nil, netlink.FAMILY_V4)
		for tries := 0; errors.Is(err, netlink.ErrDumpInterrupted) && tries < 100; tries++ { // They go on changing.
			time.Sleep(10 * time.Millisecond)
			list, err = netlink.AddrList(nil, netlink.FAMILY_V4)
		}
		for _, one := range list {
			if a, is4 := netip.AddrFromSlice(one.IP.To4()); is4 {
				segment := w.segment(one.LinkIndex)
				have[segment] = append(have[segment], a)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read its addresses: %w", err)
	}
	m := w.m
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	if !w.matters() {
		return nil
	}
	for _, s := range m.Interfaces() {
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
