package sim

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Resolver is the part of transport.Net that reads addresses. Names are not resolved, in no world.
type Resolver struct{}

// ParseAddress reads "address:port" of an IPv4 network. An empty address is any.
func ParseAddress(network, address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "invalid port", Addr: port}
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)), nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil || !a.Unmap().Is4() {
		return netip.AddrPort{}, &net.DNSError{Err: "names are not resolved here: want an IPv4 address", Name: host}
	}
	if !strings.HasSuffix(network, "4") && network != "tcp" && network != "udp" {
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

// ResolveIPAddr implements transport.Net.
func (Resolver) ResolveIPAddr(_, address string) (*net.IPAddr, error) {
	a, err := ParseAddress("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, err
	}
	return &net.IPAddr{IP: long(a)}, nil
}

// ResolveUDPAddr implements transport.Net.
func (Resolver) ResolveUDPAddr(network, address string) (*net.UDPAddr, error) {
	a, err := ParseAddress(network, address)
	if err != nil {
		return nil, err
	}
	return &net.UDPAddr{IP: long(a), Port: int(a.Port())}, nil
}

// ResolveTCPAddr implements transport.Net.
func (Resolver) ResolveTCPAddr(network, address string) (*net.TCPAddr, error) {
	a, err := ParseAddress(network, address)
	if err != nil {
		return nil, err
	}
	return &net.TCPAddr{IP: long(a), Port: int(a.Port())}, nil
}

// long is an address in the form of 16 bytes, which is what package net resolves to.
func long(a netip.AddrPort) net.IP {
	b := a.Addr().As16()
	return b[:]
}
