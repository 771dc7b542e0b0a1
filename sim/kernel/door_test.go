//go:build linux

package kernel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/sim"
	"firedrill/sim/kernel/door"
	"firedrill/sim/kernel/supervisor"
)

// called is somebody at the door, whom the process outside has let in.
type called struct {
	*net.UnixConn
	t    *testing.T
	over chan struct{} // closed when they were served
}

func call(t *testing.T) *called {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := packets(t, fds[0]), packets(t, fds[1])
	c := &called{ours, t, make(chan struct{})}
	go func() {
		defer close(c.over)
		reception.Serve(theirs)
		theirs.Close()
	}()
	t.Cleanup(func() { ours.Close() })
	return c
}

func packets(t *testing.T, fd int) *net.UnixConn {
	t.Helper()
	f := os.NewFile(uintptr(fd), "packets")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn)
}

// request is what a caller wants, and follow what comes after that.
type request struct {
	Command []string `json:"command,omitempty"`
	Play    int      `json:"play"`
	Machine string   `json:"machine"`
	Log     bool     `json:"log,omitempty"`
}

type follow struct {
	Signal unix.Signal `json:"signal"`
}

// answer is what a caller is told.
type answer struct {
	Error   string
	Play    *door.Play
	Machine *door.Standing
	Done    bool
	Status  int
}

func (c *called) say(message any, fds ...int) {
	c.t.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		c.t.Fatal(err)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, _, err = c.WriteMsgUnix(text, rights, nil); err != nil {
		c.t.Fatal(err)
	}
}

// hear waits for an answer, with at most one file.
func (c *called) hear() (a answer, file *os.File, err error) {
	text, rights := make([]byte, 1<<16), make([]byte, unix.CmsgSpace(4))
	n, rn, _, _, err := c.ReadMsgUnix(text, rights)
	if err != nil {
		return a, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rn])
	if err == nil && len(messages) > 0 {
		var fds []int
		if fds, err = unix.ParseUnixRights(&messages[0]); err == nil {
			file = os.NewFile(uintptr(fds[0]), "passed")
		}
	}
	if err == nil {
		err = json.Unmarshal(text[:n], &a)
	}
	return a, file, err
}

// ordered is a command that somebody wants on a machine.
type ordered struct {
	*called
	said  said
	shown chan struct{} // closed when no more will be written
	end   chan answer
}

func (h *hall) order(machine string, command ...string) *ordered {
	h.t.Helper()
	read, write, err := os.Pipe()
	h.must(err)
	defer write.Close()
	null, err := os.Open(os.DevNull)
	h.must(err)
	defer null.Close()
	o := &ordered{called: call(h.t), shown: make(chan struct{}), end: make(chan answer, 1)}
	o.say(request{Command: command, Play: h.number, Machine: machine}, int(null.Fd()), int(write.Fd()), int(write.Fd()))
	go func() {
		defer close(o.shown)
		_, _ = io.Copy(&o.said, read)
		read.Close()
	}()
	go func() {
		a, _, err := o.hear()
		if err != nil {
			a.Error = err.Error()
		}
		o.end <- a
	}()
	return o
}

// said is what a command has written so far.
type said struct {
	mu   sync.Mutex
	text []byte
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, b...)
	return len(b), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// shows lets the world go on until the command has written this.
func (h *hall) shows(o *ordered, text string) {
	h.t.Helper()
	h.until(text, func() bool { return o.said.String() == text })
}

// answered lets the world go on until the command has ended.
func (h *hall) answered(o *ordered) (a answer, said string) {
	h.t.Helper()
	h.until("the end of the command", func() bool {
		select {
		case a = <-o.end:
			return true
		default:
			return false
		}
	})
	h.until("its last word", func() bool { return isClosed(o.shown) })
	return a, o.said.String()
}

// A command finds what is the machine's own, in whatever state that is.
func TestCommandOnAMachine(t *testing.T) {
	const look = `hostname; tr '\0' ' ' </proc/1/cmdline; echo; test -e /srv/unsynced && echo disk; grep -c : /proc/net/dev; pwd; id -u; echo $HOME`
	const joined, alone = "one\n# machine one \ndisk\n2\n/\n0\n/run/home\n", "one\n# exec one -- sh -c X \n2\n/\n0\n/run/home\n"
	for name, x := range map[string]struct {
		machine string
		before  func(sim.Machine) bool
		want    string
		refused string
	}{
		"up":           {"one", func(sim.Machine) bool { return true }, joined, ""},
		"paused":       {"one", sim.Machine.Pause, joined, ""},
		"frozen":       {"one", sim.Machine.Freeze, joined, ""},
		"crashed":      {"one", sim.Machine.Crash, alone, ""},
		"off":          {"one", sim.Machine.PowerOff, "", "one is powered off: nothing runs there"},
		"no software":  {"visitor", func(sim.Machine) bool { return true }, strings.ReplaceAll(alone, "one", "visitor"), ""},
		"no such":      {"three", func(sim.Machine) bool { return true }, "", `no machine "three"; the machines are one, two, visitor`},
		"comes up":     {"one", func(m sim.Machine) bool { return m.PowerOff() && m.Boot(nil) }, "", "one is coming up; try again in a moment"},
		"nothing said": {"", func(sim.Machine) bool { return true }, "", `no machine ""; the machines are one, two, visitor`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, "one", "two")
			h.until("both", func() bool { return ready(h, "one", 1)() && ready(h, "two", 1)() })
			if !x.before(h.Machine("one")) {
				t.Fatal("it does not get into this state")
			}
			a, said := h.answered(h.order(x.machine, "sh", "-c", look))
			said = strings.ReplaceAll(strings.ReplaceAll(said, os.Args[0], "#"), look, "X")
			if x.refused == "" && (a.Error != "" || !a.Done || a.Status != 0 || said != x.want) {
				t.Errorf("want\n%s, have %+v\n%s", x.want, a, said)
			}
			if x.refused != "" && (a.Error != x.refused || a.Status != 2 || said != "") {
				t.Errorf("want %s, have %+v %s", x.refused, a, said)
			}
		})
	}
}

// A command finds the names of the world and none of the host's, whatever runs on its machine.
func TestNames(t *testing.T) {
	const look = "for f in hosts hostname resolv.conf; do test -e /etc/$f && cat /etc/$f; done"
	want := func(machine string) string {
		var all string
		for _, f := range []struct{ name, text string }{
			{"hosts", "127.0.0.1 localhost\n10.0.0.1 one\n10.0.0.2 two\n10.0.0.100 visitor\n"}, {"hostname", machine + "\n"},
			{"resolv.conf", "# Of the host's name servers none can be reached.\n"},
		} {
			if _, err := os.Stat("/etc/" + f.name); err == nil {
				all += f.text
			}
		}
		return all
	}
	h := newHall(t, "one", "two")
	h.until("both", func() bool { return ready(h, "one", 1)() && ready(h, "two", 1)() })
	h.Machine("two").Crash()
	for _, machine := range []string{"one", "two", "visitor"} {
		if a, said := h.answered(h.order(machine, "sh", "-c", look)); said != want(machine) {
			t.Errorf("%s: want\n%s, have %+v\n%s", machine, want(machine), a, said)
		}
	}
}

// A command has what it needs, and no more than the machine's software may do.
func TestCommandIsKeptFromTheHost(t *testing.T) {
	h := newHall(t, "one")
	h.until("it", ready(h, "one", 1))
	for _, machine := range []string{"one", "visitor"} {
		_, said := h.answered(h.order(machine, "ls", "/proc/self/fd"))
		if said != "0\n1\n2\n3\n" { // The last is the folder.
			t.Errorf("%s: open are %q", machine, said)
		}
		for _, refused := range []string{"umount /proc", "mount -o remount,rw /", "echo >/etc/firedrill", "echo 1 >/proc/sys/kernel/sysrq", "echo h >/proc/sysrq-trigger", "ls /proc/1/root/"} {
			if a, said := h.answered(h.order(machine, "sh", "-c", refused)); a.Status == 0 || a.Error != "" {
				t.Errorf("%s: %s: %+v %s", machine, refused, a, said)
			}
		}
		if a, said := h.answered(h.order(machine, "sh", "-c", "echo x >/tmp/file && cat /etc/passwd")); a.Status != 0 {
			t.Errorf("%s: %+v %s", machine, a, said)
		}
	}
}

// Whatever a command runs in can end before it does. Then it has ended too, and its caller is told.
func TestCommandEndsWithItsMachine(t *testing.T) {
	const gone = " went down, or its software did, and the command with it"
	for name, x := range map[string]struct {
		machine string
		end     func(h *hall, m sim.Machine)
	}{
		"crash":                     {"one", func(_ *hall, m sim.Machine) { m.Crash() }},
		"power off":                 {"one", func(_ *hall, m sim.Machine) { m.PowerOff() }},
		"power off, no software":    {"visitor", func(_ *hall, m sim.Machine) { m.PowerOff() }},
		"end of world":              {"one", func(h *hall, _ sim.Machine) { h.must(h.Close()) }},
		"end of world, no software": {"visitor", func(h *hall, _ sim.Machine) { h.must(h.Close()) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, "one")
			h.until("it", ready(h, "one", 1))
			// What it starts is in a session of its own, and holds the output open for as long as it lives.
			o := h.order(x.machine, "sh", "-c", "setsid sleep 1000 & echo up; sleep 1000")
			h.shows(o, "up\n")
			x.end(h, h.Machine(x.machine))
			limit := time.After(5 * time.Second)
			if strings.HasPrefix(name, "power") || name == "crash" {
				a, said := h.answered(o)
				if a.Error != x.machine+gone || a.Status != 137 || said != "up\n" {
					t.Errorf("have %+v %q", a, said)
				}
				return
			}
			select { // A world that has ended does not go on.
			case a := <-o.end:
				if a.Error != x.machine+gone || a.Status != 137 {
					t.Errorf("have %+v", a)
				}
			case <-limit:
				t.Error("it goes on after 5s")
			}
		})
	}
}

// A caller who is gone leaves nothing behind, nor does a command that has ended.
func TestCommandLeavesNothing(t *testing.T) {
	for name, x := range map[string]struct {
		command string
		hangUp  bool
	}{
		"ended":  {"setsid sleep 1000 & sleep 1000 & exit 3", false},
		"called": {"trap '' TERM HUP INT; setsid sleep 1000 & sleep 1000; sleep 1000", true},
	} {
		for _, machine := range []string{"one", "visitor"} {
			t.Run(name+" on "+machine, func(t *testing.T) {
				h := newHall(t, "one")
				h.until("it", ready(h, "one", 1))
				o := h.order(machine, "sh", "-c", "echo up; "+x.command)
				if x.hangUp {
					h.shows(o, "up\n")
					h.must(o.CloseWrite())
				}
				// The output ends when nobody can write to it any more.
				if a, said := h.answered(o); said != "up\n" || !x.hangUp && a.Status != 3 {
					t.Errorf("have %+v %q", a, said)
				}
				if h.Machine(machine).State() != sim.StateUp || h.noted("one", sim.FactCrashed) > 0 {
					t.Error("the machine is not up any more")
				}
			})
		}
	}
}

// Signals go to the command, and how it ends comes back.
func TestStatusOfACommand(t *testing.T) {
	h := newHall(t, "one")
	h.until("it", ready(h, "one", 1))
	for _, x := range []struct {
		command []string
		signal  unix.Signal
		status  int
		says    string
	}{
		{[]string{"true"}, 0, 0, ""},
		{[]string{"sh", "-c", "exit 7"}, 0, 7, ""},
		{[]string{"sh", "-c", "kill -9 $$"}, 0, 137, ""},
		{[]string{"nosuch"}, 0, 127, "one: nosuch: executable file not found in $PATH"},
		{[]string{"/nosuch"}, 0, 127, "one: /nosuch: no such file or directory"},
		{[]string{"/etc/passwd"}, 0, 126, "one: /etc/passwd: permission denied"},
		{[]string{"/"}, 0, 126, "one: /: is a directory"},
		{[]string{"sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done"}, unix.SIGTERM, 9, ""},
		{[]string{"sh", "-c", "echo up; exec sleep 1000"}, unix.SIGINT, 130, ""},
	} {
		o := h.order("one", x.command...)
		if x.signal != 0 {
			h.shows(o, "up\n")
			o.say(follow{x.signal})
		}
		if a, _ := h.answered(o); a.Status != x.status || a.Error != x.says {
			t.Errorf("%q: want status %d %q, have %+v", x.command, x.status, x.says, a)
		}
	}
}

// Whoever asks what is up is told so, with the processes.
func TestWhatIsUp(t *testing.T) {
	h := newHall(t, "one", "two")
	h.machine("one").Config = &beaconConfig{Address: "10.0.0.40/24"}
	h.Title, h.Held = "halls", true
	h.until("both", func() bool { return ready(h, "one", 1)() && ready(h, "two", 1)() })
	h.Machine("two").Crash()
	c := call(t)
	c.say(request{})
	h.until("the answer", func() bool { return isClosed(c.over) })
	var have []string
	for {
		a, process, err := c.hear()
		h.must(err)
		switch {
		case a.Play != nil:
			if a.Play.Title != "halls" || !a.Play.Held || a.Play.Seed != 1 || a.Play.At <= 0 || a.Play.Number != h.number {
				t.Errorf("the play is %+v", a.Play)
			}
		case a.Machine != nil:
			line := a.Machine.Name + " " + string(a.Machine.State) + " " + a.Machine.Kind
			for _, i := range a.Machine.Addresses {
				line += " " + i.Segment + " " + i.Address.String()
			}
			if process != nil {
				about, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", process.Fd()))
				want := fmt.Sprintf("\nPid:\t%d\n", h.machine(a.Machine.Name).process.cmd.Process.Pid)
				if err != nil || !strings.Contains(string(about), want) {
					t.Errorf("the process of %s: want%shave %s, %v", a.Machine.Name, want, about, err)
				}
				line += " process"
			}
			have = append(have, line)
		}
		process.Close()
		if a.Done {
			break
		}
	}
	const want = "one up beacon lan 10.0.0.1/24 lan 10.0.0.40/24 process\ntwo crashed beacon lan 10.0.0.2/24\nvisitor up  lan 10.0.0.100/24"
	if strings.Join(have, "\n") != want {
		t.Errorf("want\n%s\nhave\n%s", want, strings.Join(have, "\n"))
	}
}

// readLog asks for the log of a machine.
func (h *hall) readLog(machine string) (c *called, log *os.File, refusal string) {
	h.t.Helper()
	c = call(h.t)
	c.say(request{Play: h.number, Machine: machine, Log: true})
	var a answer
	var err error
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		a, log, err = c.hear()
	}()
	h.until("the log", func() bool { return isClosed(heard) })
	h.must(err)
	if (log == nil) != (a.Error != "") || log == nil && a.Status != 2 {
		h.t.Fatalf("want a log, or why there is none, have %+v", a)
	}
	h.t.Cleanup(func() { log.Close() })
	return c, log, a.Error
}

// Whoever reads along sees what happens, when it has its place, and the end of it all. That they are slow, or read on when the world
// is gone, or do something else with the log, nobody notices.
func TestReadAlong(t *testing.T) {
	h := newShop(t, script("echo up; while :; do sleep 0.01; done"))
	h.must(h.AddMachine(sim.MachineSpec{Name: "spare", Off: true, Kind: programKind, Config: new(script("exit 3")),
		Interfaces: []sim.Interface{{Segment: "lan", Address: prefix("10.0.0.9/24")}}}))
	h.says("one", "up", 1)
	c, log, _ := h.readLog("one")
	asleep, late, _ := h.readLog("one")
	_, none, _ := h.readLog("spare")
	gone, _, _ := h.readLog("one")
	h.must(gone.CloseWrite())
	h.until("the end of who hangs up", func() bool { return isClosed(gone.over) })
	if n, err := log.WriteAt([]byte("x"), 0); err == nil || log.Truncate(0) == nil {
		t.Errorf("who reads along has written %d bytes", n)
	}

	var have []byte
	r, open := supervisor.NewReader(log), make(chan struct{})
	reads := func(want string) {
		t.Helper()
		h.until(fmt.Sprintf("%q in the log", want), func() bool {
			text, err := r.Next(open)
			h.must(err)
			have = append(have, text...)
			return bytes.HasSuffix(have, []byte(want))
		})
	}
	reads("up\n")
	for _, x := range []struct {
		act  func(sim.Machine) bool
		want string
	}{{sim.Machine.Pause, " paused\n"}, {sim.Machine.Resume, " resumed\n"}, {sim.Machine.Crash, " killed (software crash)\n"},
		{func(m sim.Machine) bool { return m.Restart(nil) }, "\nup\n"}} {
		if !x.act(h.Machine("one")) {
			t.Fatalf("no %q", x.want)
		}
		reads(x.want)
	}
	if isClosed(c.over) || isClosed(asleep.over) {
		t.Error("it is over before the end")
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		if a, _, err := c.hear(); err != nil || !a.Done {
			t.Errorf("in the end, have %+v, %v", a, err)
		}
		close(open)
		text, err := r.Next(open)
		if have = append(have, text...); err != nil {
			t.Error(err)
		}
	}()
	h.must(h.Close())
	<-told
	if a, _, err := asleep.hear(); err != nil || !a.Done {
		t.Errorf("who heard nothing so far has %+v, %v", a, err)
	}
	want := h.Logs()["one"]
	if !bytes.Equal(want, have) || !bytes.HasSuffix(want, []byte("signal: terminated\n")) {
		t.Errorf("read along was\n%s\nand the log is\n%s", have, want)
	}
	for _, l := range []struct {
		log  *os.File
		want []byte
	}{{log, want}, {late, want}, {none, nil}} {
		if text, err := supervisor.NewReader(l.log).Next(open); err != nil || !bytes.Equal(text, l.want) {
			t.Errorf("want\n%s, have %v\n%s", l.want, err, text)
		}
	}
	if _, has := h.Logs()["spare"]; has {
		t.Error("that somebody asked has made a log")
	}
}

// What has no log says so, and who has one.
func TestNoLog(t *testing.T) {
	shop, nodes := newShop(t, script("exec sleep 100"), script("exec sleep 100")), newHall(t, "beacon")
	for _, x := range []struct {
		h             *hall
		machine, want string
	}{
		{shop, "visitor", "visitor has no log: it runs no program; those that do are one, two"},
		{shop, "three", `no machine "three"; the machines are visitor, one, two`},
		{nodes, "beacon", "beacon has no log: it runs no program, and nor does any other machine of the play"},
	} {
		x.h.must(x.h.Run(x.h.Now() + time.Millisecond)) // It is up from then on.
		if _, _, have := x.h.readLog(x.machine); have != x.want {
			t.Errorf("of %s: want %s, have %s", x.machine, x.want, have)
		}
	}
}

// Nonsense at the door is turned away, whoever says nothing holds nobody up, and the world goes on.
func TestNonsenseAtTheDoor(t *testing.T) {
	h := newHall(t, "one")
	h.until("it", ready(h, "one", 1))
	silent := call(t)
	before := descriptorsOpen(t)
	draw := rand.New(rand.NewPCG(1, 1))
	zero, err := os.Open("/dev/zero")
	h.must(err)
	for n := range 2000 {
		text := []byte(`{"command":["true"],"play":1,"machine":"one"}`)
		switch n % 4 {
		case 0:
			text = make([]byte, draw.IntN(300))
			for i := range text {
				text[i] = byte(draw.Uint32())
			}
		case 1:
			text[draw.IntN(len(text))] = byte(draw.Uint32())
		case 2:
			text = text[:draw.IntN(len(text))]
		case 3:
			text = append(text[:len(text)-1], bytes.Repeat([]byte("["), draw.IntN(64<<10))...)
		}
		var rights []byte
		for range draw.IntN(3) * draw.IntN(5) { // Never as many as a command has to have, but for 4 and more.
			rights = append(rights, unix.UnixRights(int(zero.Fd()))...)
		}
		c := call(t)
		_, _, err := c.WriteMsgUnix(text, rights, nil)
		h.must(err)
		if n%8 == 0 {
			c.Close()
		}
		h.until("an end", func() bool { return isClosed(c.over) })
		c.Close()
	}
	zero.Close()
	if after := descriptorsOpen(t); after > before {
		t.Errorf("%d descriptors are open, %d were", after, before)
	}
	if isClosed(silent.over) {
		t.Log("whoever said nothing was not waited for that long")
	}
	if a, _ := h.answered(h.order("one", "true")); a.Status != 0 || !a.Done {
		t.Errorf("after all, a command: %+v", a)
	}
	h.until("the end of patience", func() bool { return isClosed(silent.over) })
}

func descriptorsOpen(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// A command on a machine with a program finds what that finds: its environment, files, names and processes. Where that stands
// still, commands do not.
func TestCommandBesideAProgram(t *testing.T) {
	p := script("echo kept >/srv/file; sleep 1000 & until grep -q sleep /proc/$!/comm; do :; done; echo up; wait")
	p.Environment = map[string]string{"COLOUR": "green"}
	p.Files = map[string]string{"/etc/shop/name": "corner shop\n"}
	h := newShop(t, p)
	h.says("one", "up", 1)
	const look = "echo $COLOUR; cat /srv/file /etc/shop/name; hostname; grep -c visitor /etc/hosts; grep -al sleep /proc/[0-9]*/comm | wc -l"
	const want = "green\nkept\ncorner shop\none\n1\n1\n"
	for _, still := range []bool{false, true} {
		if still && !h.Machine("one").Pause() {
			t.Fatal("it cannot be paused")
		}
		h.must(h.Run(h.Now() + 100*time.Millisecond)) // The first process has heard of it, and has stopped all that is there.
		if a, said := h.answered(h.order("one", "sh", "-c", look)); a.Status != 0 || said != want {
			t.Errorf("stands still %t: want\n%s, have %+v\n%s", still, want, a, said)
		}
	}
	o := h.order("one", "sh", "-c", "echo up; exec sleep 1000")
	h.shows(o, "up\n")
	if !h.Machine("one").Resume() || !h.Machine("one").Crash() {
		t.Error("it does not crash")
	}
	if a, _ := h.answered(o); a.Status != 137 {
		t.Errorf("after a crash, have %+v", a)
	}
}
