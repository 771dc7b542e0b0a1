//go:build linux

package netns

import (
	"errors"
	"net"
	"os"
	"testing"
)

// A socket that is opened inside stays inside: the same port is free on both sides.
func TestWhatIsOpenedInsideStaysThere(t *testing.T) {
	n, err := New()
	if errors.Is(err, os.ErrPermission) {
		t.Skip("making a network namespace needs root or a user namespace:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	outside, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	address := outside.Addr().String()
	if again, err := net.Listen("tcp4", address); err == nil {
		again.Close()
		t.Fatalf("%s can be taken twice in one namespace", address)
	}
	var names []string
	err = n.Do(func() error {
		inside, err := net.Listen("tcp4", "0.0.0.0"+address[len("127.0.0.1"):])
		if err != nil {
			return err
		}
		defer inside.Close()
		all, err := net.Interfaces()
		for _, i := range all {
			names = append(names, i.Name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if len(names) != 1 || names[0] != "lo" {
		t.Errorf("want lo alone in a new namespace, have %v", names)
	}
	if _, err := net.Dial("tcp4", address); err != nil {
		t.Errorf("the caller is not where it was: %v", err)
	}
}

// moved is whether the process was in another namespace after it had made some: what /proc/self shows is that of its first
// thread. It is found out in that thread, where main runs, as a rule.
var moved bool

func TestMain(m *testing.M) {
	before, _ := os.Readlink("/proc/self/ns/net")
	for range 50 {
		if n, err := New(); err == nil {
			n.Close()
		}
	}
	after, err := os.Readlink("/proc/self/ns/net")
	moved = after != before || err != nil
	os.Exit(m.Run())
}

func TestTheProcessStaysWhereItIs(t *testing.T) {
	if moved {
		t.Error("the process is in a namespace that it only made")
	}
}
