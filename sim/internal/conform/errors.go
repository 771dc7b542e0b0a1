//go:build linux

package conform

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// outcome is all that a program can see of an error, and nothing that differs from one machine to the next: host names stand
// for addresses, and a word for a port.
func (s *side) outcome(err error) string {
	if err == nil {
		return "ok"
	}
	var what string
	switch e := err.(type) {
	case *net.OpError:
		what = fmt.Sprintf("%s %s%s%s: %s", e.Op, e.Net, s.prefixed(" from ", e.Source), s.prefixed(" at ", e.Addr), s.inner(e.Err))
		if e.Op == "dial" && e.Timeout() { // Package net has two errors for this, and draws lots.
			return what + " (timeout)"
		}
	case *fs.PathError:
		what = fmt.Sprintf("%s %q: %s", e.Op, e.Path, s.inner(e.Err))
	case *os.LinkError:
		what = fmt.Sprintf("%s %q %q: %s", e.Op, e.Old, e.New, s.inner(e.Err))
	default:
		what = s.inner(err)
	}
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		what += " (timeout)"
	}
	for _, k := range []error{os.ErrDeadlineExceeded, net.ErrClosed, fs.ErrClosed, fs.ErrExist, fs.ErrNotExist, fs.ErrPermission} {
		if errors.Is(err, k) && !strings.Contains(what, k.Error()) {
			what += " (" + k.Error() + ")"
		}
	}
	return what
}

func (s *side) inner(err error) string {
	switch e := err.(type) {
	case *os.SyscallError:
		return e.Syscall + ": " + s.inner(e.Err)
	case syscall.Errno:
		return e.Error()
	case *net.AddrError:
		return "address: " + e.Err
	case *net.OpError:
		return s.outcome(e)
	}
	if err == io.EOF {
		return "EOF"
	}
	return err.Error()
}

func (s *side) prefixed(prefix string, a net.Addr) string {
	if a == nil {
		return ""
	}
	return prefix + s.where(a)
}

// where is an address and, in its words, how it is written.
func (s *side) where(a net.Addr) string {
	var ip net.IP
	var port int
	switch a := a.(type) {
	case nil:
		return "nowhere"
	case *net.TCPAddr:
		ip, port = a.IP, a.Port
	case *net.UDPAddr:
		ip, port = a.IP, a.Port
	default:
		return fmt.Sprintf("%T", a)
	}
	word := "port"
	if port == 0 {
		word = "0"
	}
	if ip == nil {
		return "unset:" + word
	}
	parsed, _ := netip.AddrFromSlice(ip)
	host := s.hosts[parsed.Unmap()]
	if host == "" {
		host = parsed.Unmap().String()
	}
	return host + ":" + word
}

// portOf is the port of an address.
func portOf(a net.Addr) int {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.Port
	case *net.UDPAddr:
		return a.Port
	}
	return 0
}
