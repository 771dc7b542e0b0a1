//go:build linux

package env

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// arp is what an ARP packet of IPv4 over Ethernet says.
type arp struct {
	operation      uint16
	hardware       [6]byte // the sender's
	sender, target netip.Addr
}

const (
	arpRequest = 1
	arpReply   = 2
	arpSize    = 28
)

// arpKind is how each such packet begins: Ethernet, IPv4, and the lengths of their addresses.
var arpKind = [6]byte{0, 1, 8, 0, 6, 4}

func (a arp) bytes() []byte {
	b := make([]byte, 0, arpSize)
	b = append(b, arpKind[:]...)
	b = binary.BigEndian.AppendUint16(b, a.operation)
	b = append(b, a.hardware[:]...)
	b = append(b, a.sender.AsSlice()...)
	b = append(b, make([]byte, 6)...) // Nobody knows the target's yet.
	return append(b, a.target.AsSlice()...)
}

// parseARP reads a packet; false: it is none that an answer could be.
func parseARP(b []byte) (arp, bool) {
	if len(b) < arpSize || [6]byte(b) != arpKind {
		return arp{}, false
	}
	return arp{operation: binary.BigEndian.Uint16(b[6:]), hardware: [6]byte(b[8:]),
		sender: netip.AddrFrom4([4]byte(b[14:])), target: netip.AddrFrom4([4]byte(b[24:]))}, true
}

// announce broadcasts that the address is here. Where the cable is out nobody hears it, which is no error.
func (m *Machine) announce(i *iface, a netip.Addr) error {
	return m.broadcast(i, arp{operation: arpRequest, sender: a, target: a})
}

func (m *Machine) broadcast(i *iface, a arp) error {
	copy(a.hardware[:], i.Attrs().HardwareAddr)
	to := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ARP), Ifindex: i.Attrs().Index, Halen: 6,
		Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	switch err := unix.Sendto(m.link.packet, a.bytes(), 0, to); err {
	case nil, unix.ENETDOWN, unix.ENOBUFS:
		return nil
	default:
		return fmt.Errorf("send ARP on %s: %w", i.Attrs().Name, err)
	}
}

// Arping implements nodes.Env. It asks at once and then every second.
func (e env) Arping(name string, address netip.Addr, wait time.Duration) bool {
	m := e.m
	m.check()
	i, err := m.iface(name)
	if err != nil || !i.plugged() || !address.Is4() {
		return false
	}
	own, ok := i.own()
	if !ok {
		return false
	}
	ear, err := m.listenARP(i)
	if err != nil {
		return false
	}
	defer ear.end()
	answered := false
	heard := &signal{m: m}
	m.tasks.Go(func() {
		if ear.hear(address) {
			m.c.Lock.Lock()
			answered = true
			heard.Broadcast()
			m.c.Lock.Unlock()
		}
	})
	for end := m.after(wait); !answered && !m.passed(end); {
		if m.broadcast(i, arp{operation: arpRequest, sender: own, target: address}) != nil {
			return false
		}
		retry := m.after(sim.ARPRetry)
		if end.at < retry.at {
			retry = end
		}
		heard.until(retry)
	}
	return answered
}

// ear is a socket that hears the ARP of one interface.
type ear struct{ file *os.File }

func (m *Machine) listenARP(i *iface) (ear, error) {
	var fd int
	err := m.in(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return ear{}, fmt.Errorf("open a packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ARP), Ifindex: i.Attrs().Index}); err != nil {
		return ear{}, errors.Join(fmt.Errorf("bind a packet socket to %s: %w", i.Attrs().Name, err), unix.Close(fd))
	}
	return ear{os.NewFile(uintptr(fd), "arp")}, nil
}

// hear returns true when somebody has answered for the address, and false after end.
func (e ear) hear(address netip.Addr) bool {
	defer e.file.Close() // Here, since the kernel takes milliseconds for it.
	for b := make([]byte, 64); ; {
		n, err := e.file.Read(b)
		if err != nil {
			return false
		}
		if a, ok := parseARP(b[:n]); ok && a.operation == arpReply && a.sender == address {
			return true
		}
	}
}

func (e ear) end() { _ = e.file.SetReadDeadline(overdue) } // It may be closed already.
