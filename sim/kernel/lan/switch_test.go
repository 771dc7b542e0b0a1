//go:build linux

package lan

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"firedrill/sim"
)

// Three machines talk: a question of ARP, a datagram and an answer, a connection with more than a burst in it, and the
// switch knows who answered.
func TestMachinesTalk(t *testing.T) {
	r := newRig(t, 3, sim.Condition{})
	a, b, c := r.machines["a"], r.machines["b"], r.machines["c"]
	for _, pair := range [][2]*machine{{a, b}, {b, c}, {c, a}} {
		from, to := pair[0], pair[1]
		here, there := from.listen(7), to.listen(8)
		here.WriteTo([]byte("hello"), to.at(8))
		if got := hears(t, there, patience); got != "hello" {
			t.Errorf("%s to %s: want hello, have %q", from.name, to.name, got)
		}
		here.Close()
		there.Close()
	}
	b.serve(80, echo)
	conn := must(a.dial(b.addr, 80, patience))(t)
	defer conn.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go conn.Write(sent)
	got := make([]byte, len(sent))
	conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("want the megabyte back, have %v, equal %v", err, bytes.Equal(got, sent))
	}
	if by := r.ServedBy(addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())); by != "b" {
		t.Errorf("want b to have served, have %q", by)
	}
	if by := r.ServedBy(addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr())); by != "" {
		t.Errorf("want nobody to have served b, have %q", by)
	}
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

// A cut in one direction loses what goes that way, and nothing else.
func TestCutOneWay(t *testing.T) {
	r := newRig(t, 2, sim.Condition{})
	a, b := r.machines["a"], r.machines["b"]
	ua, ub := a.listen(9), b.listen(9)
	meet(t, ua, ub, a, b)
	i, lift := r.impose("a", "b", sim.Condition{Cut: true})
	ua.WriteTo([]byte("lost"), b.at(9))
	ub.WriteTo([]byte("back"), a.at(9))
	if got := hears(t, ua, patience); got != "back" {
		t.Errorf("against the cut: want back, have %q", got)
	}
	if got := hears(t, ub, silence); got != "" {
		t.Errorf("along the cut: want nothing, have %q", got)
	}
	lift()
	if i.Lost < 1 {
		t.Errorf("want what was lost to be counted, have %d", i.Lost)
	}
	ua.WriteTo([]byte("again"), b.at(9))
	if got := hears(t, ub, patience); got != "again" {
		t.Errorf("after the cut: want again, have %q", got)
	}
}

// meet lets two machines find each other, so that what follows needs no ARP.
func meet(t testing.TB, ua, ub *net.UDPConn, a, b *machine) {
	t.Helper()
	port := uint16(ub.LocalAddr().(*net.UDPAddr).Port)
	back := uint16(ua.LocalAddr().(*net.UDPAddr).Port)
	finds(t, ua, ub, b.at(port))
	finds(t, ub, ua, a.at(back))
}

// finds sends until something comes, and waits until nothing of it is on its way any more: a kernel that hears of no answer by
// ARP soon, as where true time goes fast and the switch is late, drops what it was to send.
func finds(t testing.TB, from, to *net.UDPConn, at *net.UDPAddr) {
	t.Helper()
	const wait = 10 * silence
	for sent := time.Duration(1); ; sent++ {
		from.WriteTo([]byte("ping"), at)
		switch {
		case hears(t, to, wait) != "":
			for sent > 1 && hears(t, to, wait) != "" {
				sent--
			}
			return
		case sent*wait >= patience:
			t.Fatalf("nothing comes from %v to %v", from.LocalAddr(), at)
		}
	}
}

// What is in flight when a cut begins is lost, even if the cut is over before it would have arrived.
func TestCutTakesWhatIsInFlight(t *testing.T) {
	r := newRig(t, 2, sim.Condition{})
	a, b := r.machines["a"], r.machines["b"]
	ua, ub := a.listen(9), b.listen(9)
	meet(t, ua, ub, a, b)
	flight, _ := r.impose("a", "b", sim.Condition{Latency: ptr(10 * silence)})
	ua.WriteTo([]byte("in flight"), b.at(9))
	r.until("want a frame in flight", func() bool { return flight.Delayed == 1 })
	i, lift := r.impose("a", "b", sim.Condition{Cut: true})
	lift()
	ua.WriteTo([]byte("after"), b.at(9))
	if got := hears(t, ub, patience); got != "after" {
		t.Errorf("want after alone, have %q", got)
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	if i.Lost != 1 {
		t.Errorf("want the one in flight lost, have %d", i.Lost)
	}
}

func ptr[T any](v T) *T { return &v }

// What a hold keeps back comes in the order in which it was sent, at the release and not before.
func TestHoldKeepsOrder(t *testing.T) {
	r := newRig(t, 2, sim.Condition{})
	a, b := r.machines["a"], r.machines["b"]
	ua, ub := a.listen(9), b.listen(9)
	meet(t, ua, ub, a, b)
	i, lift := r.impose("a", "b", sim.Condition{Hold: true})
	const all = 100
	for n := range all {
		ua.WriteTo([]byte{byte(n)}, b.at(9))
	}
	if got := hears(t, ub, silence); got != "" {
		t.Errorf("while held: want nothing, have %q", got)
	}
	lift()
	for n := range all {
		if got := hears(t, ub, patience); got != string([]byte{byte(n)}) {
			t.Fatalf("want %d next, have %q", n, got)
		}
	}
	if i.Held < all {
		t.Errorf("want %d counted, have %d", all, i.Held)
	}
}
