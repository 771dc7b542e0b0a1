package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"firedrill/sim/kernel/netns"
)

// busy is a drill in which everything happens to machines that have the very addresses of the host.
const busy = `# Machines, their network and their disks have a bad second.
name: busy
world: [virtual, kernel]
time_scale: 10x
seeds: 1..1
stop: 6s
settle: 1s
segments:
  lan:  {subnet: 10.0.0.0/24, latency: 1ms}
  back: {subnet: 172.16.0.0/24}
machines:
  nas-a: {kind: pair, nets: {lan: 10.0.0.1, back: 172.16.0.1}}
  nas-b: {kind: pair, nets: {lan: 10.0.0.2, back: 172.16.0.2}}
clients:
  office: {count: 2, net: lan, to: nas-a, prefix: /data, rate: 5/s, put: 100%}
timeline:
  - {at: 500ms, crash: nas-a}
  - {at: 1s, restart: nas-a}
  - {at: 1500ms, power_off: nas-b}
  - {at: 2s, boot: nas-b}
  - {at: 2500ms, degrade: lan, corrupt: 10%, for: 500ms}
  - {at: 3s, cut: lan, for: 500ms}
  - {at: 3500ms, unplug: back, machine: nas-a, for: 500ms}
  - {at: 4s, freeze: nas-b, for: 500ms}
  - {at: 4500ms, break_disk: nas-a, how: full, for: 500ms}
`

// Links, addresses, routes, rules, neighbours, sysctls and mounts of the host are the same before, during and after a run, and no
// part of Linux that is often missing is asked for.
func TestNothingOfTheHostIsTouched(t *testing.T) {
	inBoxes(t, func(b *box) {
		b.must(os.WriteFile(filepath.Join(b.dir, "busy.yaml"), []byte(busy), 0o644))
		before, all := b.lookAtHost(), b.look()
		looks := 0
		for runs := 0; runs < 10 && looks < 10; runs++ { // On a busy system a run may be over after a few.
			d := b.drill("run", "busy.yaml", "--world", "kernel", "--out", kept).start()
			for ; !d.over(); looks++ {
				if differ := before.against(b.lookAtHost()); len(differ) > 0 {
					b.Fatalf("during the run:\n%s", strings.Join(differ, "\n"))
				}
				time.Sleep(time.Millisecond)
			}
			d.ends(statusPass, statusUnclear)
		}
		if looks < 10 {
			b.Errorf("only %d looks during the run", looks)
		}
		b.nothingLeft(all, "the run")
		b.Logf("%d looks at %d things; this kernel has %v of dummy, vrf, netem", looks, len(before), b.has())
	})
}

// has tries which of the parts of Linux that the kernel world does without there are here.
func (b *box) has() (have []string) {
	n, err := netns.New()
	b.must(err)
	defer n.Close()
	_ = n.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		b.must(err)
		for name, add := range map[string]func() error{
			"dummy": func() error { return netlink.LinkAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "x"}}) },
			"vrf":   func() error { return netlink.LinkAdd(&netlink.Vrf{LinkAttrs: netlink.LinkAttrs{Name: "y"}, Table: 7}) },
			"netem": func() error {
				return netlink.QdiscAdd(netlink.NewNetem(netlink.QdiscAttrs{LinkIndex: lo.Attrs().Index, Parent: netlink.HANDLE_ROOT,
					Handle: netlink.MakeHandle(1, 0)}, netlink.NetemQdiscAttrs{Latency: 1000}))
			},
		} {
			if add() == nil {
				have = append(have, name)
			}
		}
		return nil
	})
	return have
}

// A box in which something is left, or changed, shows it: each kind of thing that the tests look for.
func TestABoxShowsWhatIsLeft(t *testing.T) {
	inBoxes(t, func(b *box) {
		eth, err := netlink.LinkByName("eth0")
		b.must(err)
		gateway := net.IPv4(10, 0, 0, 2)
		other := &net.IPNet{IP: net.IPv4(192, 168, 7, 0), Mask: net.CIDRMask(24, 32)}
		address, err := netlink.ParseAddr("10.0.0.9/32")
		b.must(err)
		rule := netlink.NewRule()
		rule.Table, rule.Priority = 77, 1001
		write := func(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }
		forward := "/proc/sys/net/ipv4/conf/eth0/forwarding"

		for want, leave := range map[string]func() (undo func() error, err error){
			"new: process":   func() (func() error, error) { return started("sleep", "60") },
			"new: namespace": func() (func() error, error) { return started("unshare", "--net", "sleep", "60") },
			"new: memory file": func() (func() error, error) {
				fd, err := unix.MemfdCreate("left", 0)
				return func() error { return unix.Close(fd) }, err
			},
			"new: namespace net": func() (func() error, error) {
				n, err := netns.New() // Held by a descriptor alone.
				return n.Close, err
			},
			"new: mount": func() (func() error, error) {
				return func() error { return unix.Unmount("/srv", 0) }, unix.Mount("left", "/srv", "tmpfs", 0, "")
			},
			"new: file /tmp/left": func() (func() error, error) {
				return func() error { return os.Remove("/tmp/left") }, write("/tmp/left", "")
			},
			"new: file /dev/shm/left": func() (func() error, error) {
				return func() error { return os.Remove("/dev/shm/left") }, write("/dev/shm/left", "")
			},
			"new: socket unix": func() (func() error, error) { return listening("unixpacket", "@left") },
			"new: socket tcp":  func() (func() error, error) { return listening("tcp4", "127.0.0.1:7") },
			"new: socket packet": func() (func() error, error) {
				fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
				return func() error { return unix.Close(fd) }, err
			},
			"new: link left": func() (func() error, error) {
				l := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "left"}, PeerName: "right"}
				return func() error { return netlink.LinkDel(l) }, netlink.LinkAdd(l)
			},
			"changed: link eth0": func() (func() error, error) {
				return func() error { return netlink.LinkSetMTU(eth, 1500) }, netlink.LinkSetMTU(eth, 1400)
			},
			"new: address": func() (func() error, error) {
				return func() error { return netlink.AddrDel(eth, address) }, netlink.AddrAdd(eth, address)
			},
			"new: route": func() (func() error, error) {
				r := &netlink.Route{LinkIndex: eth.Attrs().Index, Dst: other, Gw: gateway, Table: 78}
				return func() error { return netlink.RouteDel(r) }, netlink.RouteAdd(r)
			},
			"new: rule": func() (func() error, error) {
				return func() error { return netlink.RuleDel(rule) }, netlink.RuleAdd(rule)
			},
			"gone: neighbour": func() (func() error, error) {
				n := &netlink.Neigh{LinkIndex: eth.Attrs().Index, IP: gateway, State: netlink.NUD_PERMANENT,
					HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 2}}
				return func() error { return netlink.NeighSet(n) }, netlink.NeighDel(n)
			},
			"changed: sysctl net/ipv4/conf/eth0/forwarding": func() (func() error, error) {
				return func() error { return write(forward, "1") }, write(forward, "0")
			},
			"changed: sysctl kernel/hostname": func() (func() error, error) {
				return func() error { return unix.Sethostname([]byte("box")) }, unix.Sethostname([]byte("left"))
			},
		} {
			b.Run(want, func(t *testing.T) {
				here := &box{t, b.dir, b.uid}
				before := here.look()
				undo, err := leave()
				here.must(err)
				var seen string // A process takes a moment to become what it is to be.
				for end := time.Now().Add(time.Second); !strings.Contains(seen, want) && time.Now().Before(end); {
					seen = strings.Join(before.against(here.look()), "\n")
				}
				if !strings.Contains(seen, want) {
					t.Errorf("want %q, have\n%s", want, seen)
				}
				here.must(undo())
				here.nothingLeft(before, "undone")
			})
		}
	})
}

func started(name string, args ...string) (stop func() error, err error) {
	c := exec.Command(name, args...)
	err = c.Start()
	return func() error {
		err := c.Process.Kill()
		_ = c.Wait() // It says that it was killed.
		return err
	}, err
}

func listening(network, address string) (stop func() error, err error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return l.Close, nil
}
