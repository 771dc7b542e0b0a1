package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// box is a system of its own below this one, with processes, mounts, a network and a name in which nothing else goes on: what is
// there after a command and was not there before was left by it. To that command the box is the host.
type box struct {
	*testing.T
	dir string // where commands run, with a scenario in it
	uid uint32
}

// boxKey is in the environment of a test that is played in a box, and says where tests beside it have their folders.
const boxKey = "FIREDRILL_TEST_BOX"

// nobody is an ordinary user that every system has.
const nobody = 65534

// inBoxes plays a test as root and as an ordinary user, in a box for each.
func inBoxes(t *testing.T, play func(*box)) {
	t.Parallel()
	for name, uid := range map[string]uint32{"root": 0, "user": nobody} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if os.Getenv(boxKey) != "" {
				play(newBox(t, uid))
				return
			}
			if uid != 0 && os.Geteuid() != 0 {
				t.Skip("to be somebody else takes root; the user who runs this is root in the other box")
			}
			again(t)
		})
	}
}

// again plays this test in a box, and has its result.
func again(t *testing.T) {
	t.Helper()
	if !mayEnter() {
		t.Skip("a box needs root or user namespaces, and the kernel world /dev/net/tun and /dev/fuse")
	}
	runtime.LockOSThread() // The box ends with this thread.
	defer runtime.UnlockOSThread()
	c := exec.Command("/proc/self/exe", "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), boxKey+"="+os.TempDir(), "TMPDIR=/tmp")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	c.Stdout, c.Stderr = said, said
	ended := make(chan error, 1)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- c.Wait() }()
	select {
	case err = <-ended:
	case <-time.After(4 * time.Minute):
		_ = c.Process.Kill()
		err = errors.New("the box does not end: what hangs in it cannot even be killed, or is very slow")
	}
	out, _ := os.ReadFile(said.Name())
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP: ")):
		t.Skipf("%s", out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name())):
		t.Errorf("it was not played:\n%s", out)
	default:
		t.Logf("%s", out)
	}
}

// newBox furnishes the box: with a file system whose mounts would be seen everywhere, as those of most systems are, and a network
// in which the addresses of a drill are taken.
func newBox(t *testing.T, uid uint32) *box {
	t.Helper()
	b := &box{T: t, uid: uid}
	// What a shell starts in the background ignores SIGINT, and so would all that this starts.
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT)
	b.must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	b.must(unix.Mount("proc", "/proc", "proc", 0, ""))
	b.dropMountsBelow(os.Getenv(boxKey))
	for _, at := range []string{"/tmp", "/dev/shm", "/run"} {
		b.must(unix.Mount("tmpfs", at, "tmpfs", 0, "mode=1777"))
	}
	b.must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
	b.must(unix.Sethostname([]byte("box")))
	b.must(os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0))

	b.must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth1"}))
	for _, name := range []string{"lo", "eth0", "eth1"} {
		if name != "lo" {
			b.must(os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)) // Its addresses take time.
		}
		link, err := netlink.LinkByName(name)
		b.must(err)
		b.must(netlink.LinkSetUp(link))
	}
	for _, name := range []string{"eth0", "eth1"} { // Whether there is a carrier comes out a moment later.
		for link := netlink.Link(nil); link == nil || link.Attrs().OperState != netlink.OperUp; time.Sleep(time.Millisecond) {
			var err error
			link, err = netlink.LinkByName(name)
			b.must(err)
		}
	}
	eth, err := netlink.LinkByName("eth0")
	b.must(err)
	address, err := netlink.ParseAddr("10.0.0.1/24")
	b.must(err)
	b.must(netlink.AddrAdd(eth, address))
	far, gateway := &net.IPNet{IP: net.IPv4(172, 16, 0, 0), Mask: net.CIDRMask(12, 32)}, net.IPv4(10, 0, 0, 2)
	for _, table := range []int{unix.RT_TABLE_MAIN, 77} {
		b.must(netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Dst: far, Gw: gateway, Table: table}))
	}
	rule := netlink.NewRule()
	rule.Table, rule.Priority, rule.Src = 77, 1000, address.IPNet
	b.must(netlink.RuleAdd(rule))
	b.must(netlink.NeighAdd(&netlink.Neigh{LinkIndex: eth.Attrs().Index, IP: gateway, State: netlink.NUD_PERMANENT,
		HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 2}}))

	b.dir = "/tmp/work"
	b.must(os.Mkdir(b.dir, 0o755))
	b.must(os.Chown(b.dir, int(uid), int(uid)))
	b.must(os.WriteFile(filepath.Join(b.dir, "brief.yaml"), []byte(brief), 0o644))
	return b
}

// dropMountsBelow takes away what tests beside this one have mounted: the kernel does, in every namespace, as soon as they remove
// the folder on which it is mounted.
func (b *box) dropMountsBelow(dir string) {
	b.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	b.must(err)
	for line := range strings.Lines(string(mounts)) {
		const where = 4
		if fields := strings.Fields(line); len(fields) > where && strings.HasPrefix(fields[where], dir+"/") {
			if err := unix.Unmount(fields[where], unix.MNT_DETACH); err != nil && err != unix.EINVAL {
				b.Fatal(err) // EINVAL: it is gone already.
			}
		}
	}
}

// brief is a drill that takes a third of a second.
const brief = `# Two units and a client live for a moment.
name: brief
world: [virtual, kernel]
time_scale: 10x
seeds: 1..1
stop: 2s
settle: 100ms
segments:
  lan: {subnet: 10.0.0.0/24}
machines:
  nas-a: {kind: pair, nets: {lan: 10.0.0.1}}
  nas-b: {kind: pair, nets: {lan: 10.0.0.2}}
clients:
  office: {count: 1, net: lan, to: nas-a, prefix: /data, rate: 5/s, put: 100%}
timeline:
  - {at: 1s, unplug: lan, machine: nas-b}
  - {at: 1500ms, plug: lan, machine: nas-b}
`

func (b *box) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// drill is a firedrill that runs.
type drill struct {
	*box
	*exec.Cmd
	out      bytes.Buffer   // what it said
	terminal *os.File       // the side of who sits there; nil: there is none
	shown    sync.WaitGroup // what it said there
	began    time.Time
}

// drill makes a command of firedrill, not yet begun.
func (b *box) drill(args ...string) *drill {
	d := &drill{box: b, Cmd: exec.Command("/proc/self/exe", args...)}
	d.Args[0] = "firedrill"
	d.Dir = b.dir
	d.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, boxKey) })
	d.Stdout, d.Stderr = &d.out, &d.out
	d.WaitDelay = time.Second // What outlives the command may hold on to what it writes to.
	d.SysProcAttr = &syscall.SysProcAttr{Setpgid: true,
		Credential: &syscall.Credential{Uid: b.uid, Gid: b.uid, NoSetGroups: b.uid == 0}}
	return d
}

// start begins it.
func (d *drill) start() *drill {
	d.Helper()
	d.began = time.Now()
	d.must(d.Start())
	return d
}

// end waits for the end, however long the system takes, and returns the exit status; -1 is a signal.
func (d *drill) end() int {
	d.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = d.Process.Kill() })
	_ = d.Wait()
	if d.terminal != nil {
		defer time.AfterFunc(d.WaitDelay, func() { d.terminal.Close() }).Stop()
	}
	d.shown.Wait()
	if !timer.Stop() {
		d.Fatalf("goes on after a minute, and said\n%s", &d.out)
	}
	if strings.Contains(d.out.String(), "goroutine ") {
		d.Errorf("it broke:\n%s", &d.out)
	}
	return d.ProcessState.ExitCode()
}

// children are the processes that a process has put into namespaces of their own, in the order in which it did; those that have
// ended are not among them, nor what Go starts to find out what the kernel can do.
func children(parent int) []int {
	var pids []int
	own, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", parent))
	for _, pid := range processes() {
		// The name is in brackets and may hold anything; the state and the parent are behind it.
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(parent) {
			continue
		}
		if space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err == nil && space != own {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processes are all that there are, by number.
func processes() []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// looksAtLeast is how often it is looked for what is left, at least. Where a second is enough for fewer looks, the system is busy,
// and whoever is to end is slow too.
const looksAtLeast = 20

// nothingLeft demands that within a second all is as it was before.
func (b *box) nothingLeft(before snapshot, after string) {
	b.Helper()
	var left []string
	end := time.Now().Add(time.Second)
	for looks := 1; ; looks++ {
		for { // The first process of a system takes in orphans, and lets them rest.
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		late := time.Now().After(end) && looks >= looksAtLeast // Known before looking: looking takes time, too.
		if left = before.against(b.look()); len(left) == 0 {
			return
		}
		if late {
			b.Fatalf("%s: a second later there is a difference:\n%s", after, strings.Join(left, "\n"))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// snapshot is what there is in a box, in words, and in what state it is.
type snapshot map[string]string

// against lists what differs later on.
func (s snapshot) against(later snapshot) []string {
	var lines []string
	for what, state := range s {
		if now, there := later[what]; !there {
			lines = append(lines, fmt.Sprintf("gone: %s %s", what, state))
		} else if now != state {
			lines = append(lines, fmt.Sprintf("changed: %s %s -> %s", what, state, now))
		}
	}
	for what, state := range later {
		if _, there := s[what]; !there {
			lines = append(lines, fmt.Sprintf("new: %s %s", what, state))
		}
	}
	slices.Sort(lines)
	return lines
}

// look takes a snapshot of all that a command can leave behind but its results.
func (b *box) look() snapshot {
	b.Helper()
	s := b.lookAtHost()
	for _, pid := range processes() {
		if pid == os.Getpid() {
			continue
		}
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		s[fmt.Sprintf("process %d", pid)] = strings.TrimSpace(string(name))
	}
	for _, pattern := range []string{"/proc/[0-9]*/ns/*", "/proc/[0-9]*/fd/*"} {
		links, _ := filepath.Glob(pattern)
		for _, link := range links {
			what, err := os.Readlink(link)
			if err != nil {
				continue // It has ended meanwhile.
			}
			kind, number, is := strings.Cut(what, ":[")
			switch {
			case is && kind != "socket" && kind != "pipe":
				s["namespace "+kind+" "+strings.TrimSuffix(number, "]")] = ""
			case strings.HasPrefix(what, "/memfd:"):
				s["memory file "+link] = what
			}
		}
	}
	for _, proto := range []string{"unix", "tcp", "tcp6", "udp", "udp6", "raw", "packet"} {
		text, _ := os.ReadFile("/proc/net/" + proto)
		for line := range strings.Lines(string(text)) {
			s["socket "+proto+" "+strings.TrimSpace(line)] = ""
		}
	}
	for _, kind := range []string{"shm", "sem", "msg"} {
		text, _ := os.ReadFile("/proc/sysvipc/" + kind)
		s["sysvipc "+kind] = string(text)
	}
	for _, root := range []string{"/tmp", "/dev/shm", "/run", "/srv"} {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && path == filepath.Join(b.dir, kept) {
				return fs.SkipDir
			}
			if err == nil {
				s["file "+path] = d.Type().String()
			}
			return nil
		})
	}
	return s
}

// kept is the folder that commands write their results to.
const kept = "results"

// lookAtHost takes a snapshot of what belongs to the host and to nobody else: that must not even change while a command runs.
func (b *box) lookAtHost() snapshot {
	b.Helper()
	s := snapshot{}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	b.must(err)
	for line := range strings.Lines(string(mounts)) {
		s["mount "+strings.TrimSpace(line)] = ""
	}
	links, err := netlink.LinkList()
	b.must(err)
	for _, l := range links {
		a := l.Attrs()
		s["link "+a.Name] = fmt.Sprintf("%d %s %s mtu %d queue %d %s %s master %d", a.Index, l.Type(), a.HardwareAddr, a.MTU, a.TxQLen,
			a.Flags, a.OperState, a.MasterIndex)
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	b.must(err)
	for _, a := range addresses {
		s[fmt.Sprintf("address %d %v", a.LinkIndex, a)] = fmt.Sprint(a.Flags, a.Scope)
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		b.must(err)
		for _, r := range routes {
			s[fmt.Sprintf("route %v", r)] = ""
		}
		rules, err := netlink.RuleList(family)
		b.must(err)
		for _, r := range rules {
			s[fmt.Sprintf("rule %v", r)] = ""
		}
		neighbours, err := netlink.NeighList(0, family)
		b.must(err)
		for _, n := range neighbours {
			s[fmt.Sprintf("neighbour %d %v", n.LinkIndex, n.IP)] = fmt.Sprint(n.HardwareAddr, n.State, n.Flags)
		}
	}
	b.sysctls(s)
	return s
}

// sysctls adds what can be set of the kernel, but for what it counts or draws there itself.
func (b *box) sysctls(s snapshot) {
	_ = filepath.WalkDir("/proc/sys", func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, "/proc/sys/")
		switch {
		case err != nil || d.IsDir() && (name == "kernel/random" || name == "fs/binfmt_misc"):
			return fs.SkipDir
		case d.IsDir() || slices.Contains(counted, name):
			return nil
		}
		value, err := os.ReadFile(path)
		if err == nil || !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			s["sysctl "+name] = strings.TrimSpace(string(value))
		}
		return nil
	})
}

// counted are the files below /proc/sys in which the kernel counts what goes on in all of the system.
var counted = []string{"kernel/ns_last_pid", "kernel/hung_task_detect_count", "kernel/pty/nr", "kernel/perf_event_max_sample_rate",
	"fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/dentry-state", "fs/aio-nr", "fs/quota/syncs"}
