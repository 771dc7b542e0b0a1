package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever plays a scenario looks into it from another terminal, others do not, and nothing is left.
func TestLookInside(t *testing.T) {
	inBoxes(t, func(b *box) {
		b.writeHeld()
		for _, looks := range []struct {
			name string
			play func(*box)
		}{
			{"no run is up", (*box).lookAtNothing},
			{"commands", (*box).lookByCommands},
			{"the list", (*box).lookAtTheList},
			{"others", (*box).lookAsOthers},
			{"a command is called off", (*box).callOff},
			{"in a terminal", (*box).lookInTerminal},
			{"the run ends", (*box).endUnderACommand},
			{"keys", (*box).letGoByKeys},
			{"several runs", (*box).lookIntoSeveral},
		} {
			b.Run(looks.name, func(t *testing.T) {
				here := &box{t, b.dir, b.uid}
				before := here.look()
				looks.play(here)
				here.nothingLeft(before, looks.name)
			})
		}
	})
}

// writeHeld writes held.yaml, a drill that can be held when a machine is off.
func (b *box) writeHeld() {
	b.Helper()
	text := strings.NewReplacer("name: brief", "name: held", "settle: 100ms", "settle: 2s").Replace(brief) +
		"  - {at: 1800ms, power_off: nas-b}\n"
	b.must(os.WriteFile(filepath.Join(b.dir, "held.yaml"), []byte(text), 0o644))
}

// hold begins a run that is held, and waits until it is.
func (b *box) hold(flags ...string) *drill {
	b.Helper()
	d := b.drill(append([]string{"run", "held.yaml", "--world", "kernel", "--out", kept, "--hold"}, flags...)...)
	d.start()
	d.Cleanup(func() { _ = d.Process.Kill() }) // Of one that has ended there is nothing to kill.
	d.isHeld()
	return d
}

func (d *drill) isHeld() {
	d.Helper()
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		for _, line := range d.listed() {
			if line.Run == d.Process.Pid && line.Held {
				return
			}
		}
		if time.Now().After(limit) {
			d.Fatalf("it is not held, and says\n%s", &d.out)
		}
	}
}

// listed is what ps tells programs.
func (b *box) listed() (lines []machineLine) {
	b.Helper()
	d := b.drill("ps", "--json")
	d.start().ends(statusPass)
	for line := range strings.Lines(d.out.String()) {
		var l machineLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			b.Fatalf("%v in %s", err, line)
		}
		lines = append(lines, l)
	}
	return lines
}

// letGo ends a hold as Ctrl-C does, and as timeout does, which signals both its child and its group: that is one signal.
func (d *drill) letGo() {
	d.Helper()
	d.must(unix.Kill(d.Process.Pid, unix.SIGINT))
	d.must(unix.Kill(d.Process.Pid, unix.SIGTERM))
	d.ends(statusPass, statusUnclear)
	d.says("held, seed 1, is held at ", " exec nas-a -- ip addr", "the quiet phase goes on to its end", "1 scenario, 1 play")
}

func (b *box) lookAtNothing() {
	d := b.drill("ps")
	d.start().ends(statusPass)
	d.says(noRun + "\n")
	d = b.drill("exec", "nas-a", "--", "true")
	d.start().ends(statusUsage)
	d.says(noRun + "\n")
	if lines := b.listed(); len(lines) != 0 {
		b.Errorf("there is %+v", lines)
	}
}

func (b *box) lookByCommands() {
	held := b.hold()
	run := fmt.Sprint(held.Process.Pid)
	for _, x := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"nas-a", "--", "hostname"}, 0, "nas-a\n"},
		{[]string{"nas-a", "hostname"}, 0, "nas-a\n"},
		{[]string{"--run", run, "nas-a", "hostname"}, 0, "nas-a\n"},
		{[]string{"nas-a", "--", "sh", "-c", "exit 7"}, 7, ""},
		{[]string{"nas-a", "--", "sh", "-c", "kill -9 $$"}, 137, ""},
		{[]string{"nas-a", "--", "nosuch", "--help"}, 127, "firedrill: nas-a: nosuch: executable file not found in $PATH\n"},
		{[]string{"nas-a", "/etc/passwd"}, 126, "firedrill: nas-a: /etc/passwd: permission denied\n"},
		{[]string{"nas-a", "--", "sh", "-c", "tr '\\0' ' ' </proc/1/cmdline"}, 0, "firedrill machine nas-a "},
		{[]string{"nas-a", "--", "grep", "-o", "^ *[a-z]*:", "/proc/net/dev"}, 0, "    lo:\n   lan:\nmanagement:\n"},
		{[]string{"nas-a", "--", "test", "-d", "/srv/volume"}, 0, ""},
		{[]string{"office-1", "--", "ls", "/srv"}, 0, ""},
		{[]string{"nas-a", "--", "sh", "-c", "kill -PIPE $$"}, 141, ""}, // It is ignored by the harness alone.
		{[]string{"office-1", "--", "grep", "10.0.0.2 ", "/etc/hosts"}, 0, "10.0.0.2 nas-b\n"},
		{[]string{"nas-b", "true"}, 2, "firedrill: nas-b is powered off: nothing runs there\n"},
		{[]string{"nas-c", "true"}, 2, "firedrill: no machine \"nas-c\"; the machines are nas-a, nas-b, operator, office-1\n"},
		{[]string{"--run", "1", "nas-a", "true"}, 2, "firedrill: no run \"1\" is up; the runs are " + run + "\n"},
		{[]string{"--run", run + "/1", "nas-a", "hostname"}, 0, "nas-a\n"},
		{[]string{"--run", run + "/2", "nas-a", "true"}, 2, "firedrill: no run \"" + run + "/2\" is up; the runs are " + run + "\n"},
		{[]string{"nas-a", "--", "--help"}, 127, "firedrill: nas-a: --help: executable file not found in $PATH\n"},
		{[]string{"nas-a", "--run", run, "true"}, 2,
			"firedrill: want flags such as --run before the machine: firedrill exec --run PID nas-a -- ip addr\n"},
		{[]string{"nas-a"}, 2, "firedrill: want a machine and a command: firedrill exec nas-a -- ip addr\n"},
		{[]string{"nas-b", "--"}, 2, "firedrill: want a machine and a command: firedrill exec nas-b -- ip addr\n"},
	} {
		d := b.drill(append([]string{"exec"}, x.args...)...)
		d.start().ends(x.status)
		if have := d.out.String(); have != x.says {
			b.Errorf("exec %q: want %q, have %q", x.args, x.says, have)
		}
	}
	for _, x := range []struct{ needs, command, says string }{
		{"ip", "ip addr", "inet 10.0.0.1/"},
		{"tcpdump", "timeout --preserve-status -s INT 1 tcpdump -ni lan", "listening on lan"},
		{"curl", "curl -sS -m 5 -o /dev/null -w %{http_code} http://10.0.0.1/", "404"},
	} {
		if _, err := exec.LookPath(x.needs); err != nil {
			b.Logf("%s is not installed here", x.needs)
			continue
		}
		d := b.drill(append([]string{"exec", "nas-a", "--"}, strings.Fields(x.command)...)...)
		d.start().ends(0)
		d.says(x.says)
	}
	d := b.drill("exec", "office-1", "cat")
	d.Stdin = strings.NewReader("what is typed")
	d.start().ends(0)
	d.says("what is typed")
	d = b.drill("__complete", "exec", "nas")
	d.start().ends(0)
	d.says("nas-a\tpair of held, up\nnas-b\tpair of held, powered-off\n")
	held.letGo()
}

func (b *box) lookAtTheList() {
	held := b.hold()
	processes := map[string]string{}
	for _, l := range b.listed() {
		if l.Run != held.Process.Pid || l.Case != "held" || l.Seed != 1 || !l.Held || l.At < 2 || l.Play != 1 || l.User != int(b.uid) {
			b.Errorf("the run is %+v", l)
		}
		name := fmt.Sprintf("%s %s %s %s", l.Machine, l.State, l.Kind, l.Addresses["lan"])
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", l.Pid))
		processes[name] = strings.ReplaceAll(string(command), "\x00", " ")
	}
	for _, want := range [][2]string{{"nas-a up pair [10.0.0.1]", "firedrill machine nas-a "}, {"nas-b powered-off pair []", ""},
		{"office-1 up  [10.0.0.3]", ""}} {
		if have, there := processes[want[0]]; !there || have != want[1] {
			b.Errorf("want %q, have %q", want, processes)
		}
	}
	d := b.drill("ps")
	d.start().ends(0)
	head, _, _ := strings.Cut(d.out.String(), "\n")
	if !strings.HasPrefix(head, fmt.Sprintf("run %d: held, seed 1, at ", held.Process.Pid)) || !strings.HasSuffix(head, "s, held") {
		b.Errorf("the first line is %q", head)
	}
	d.says("\nMACHINE   STATE        KIND  PID ", "\nnas-b     powered-off  pair  -", "\noperator  up           -     -")
	for line := range strings.Lines(d.out.String()) {
		if len(line) > 81 {
			b.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
	held.letGo()
}

// lookAsOthers shows who may look in: its own user, and root, which runs no command there, but nobody else.
func (b *box) lookAsOthers() {
	held := b.hold()
	for _, uid := range []uint32{b.uid, 0, 1, 1000} {
		had, err := b.knock(uid)
		if errors.Is(err, unix.EINVAL) {
			b.Logf("there is no user %d here", uid)
			continue
		}
		if want := uid == b.uid || uid == 0; err != nil || had != want {
			b.Errorf("user %d at the door: has an answer: %t, %v; want %t", uid, had, err, want)
		}
		if uid == b.uid {
			continue
		}
		list, command := b.drill("ps"), b.drill("exec", "nas-a", "id")
		said := []string{noRun, noRun}
		if uid == 0 {
			said = []string{fmt.Sprintf("run %d of user %d: held, seed 1", held.Process.Pid, b.uid), fmt.Sprintf("is that of user %d", b.uid)}
		}
		for i, d := range []*drill{list, command} {
			d.SysProcAttr.Credential.Uid, d.SysProcAttr.Credential.Gid = uid, uid
			d.start().end()
			d.says(said[i])
		}
		if command.ProcessState.ExitCode() != statusUsage || strings.Contains(command.out.String(), "uid=") {
			b.Errorf("user %d has run a command: %s", uid, &command.out)
		}
	}
	held.letGo()
}

// knock asks at the door of the one run as another user, and reports whether there was an answer.
func (b *box) knock(uid uint32) (answered bool, err error) {
	text, err := os.ReadFile("/proc/net/unix")
	b.must(err)
	_, name, found := strings.Cut(string(text), " @firedrill/")
	if !found {
		b.Fatal("there is no door")
	}
	name, _, _ = strings.Cut(name, "\n")
	runtime.LockOSThread() // It alone is another user meanwhile.
	defer runtime.UnlockOSThread()
	const same = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, same, uintptr(uid), same); errno != 0 {
		return false, errno
	}
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: "@firedrill/" + name, Net: "unixpacket"})
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, same, 0, same); errno != 0 {
		b.Fatal(errno)
	}
	if err != nil {
		return false, err
	}
	defer c.Close()
	_, _ = c.Write([]byte("{}")) // Whoever is turned away may not be heard.
	n, _ := c.Read(make([]byte, 1<<16))
	return n > 0, nil
}

// callOff ends commands from outside: what the caller is told to do the command is told, and without a caller it ends.
func (b *box) callOff() {
	held := b.hold()
	for _, x := range []struct {
		signal unix.Signal
		status int
	}{{unix.SIGTERM, 9}, {unix.SIGQUIT, 131}, {unix.SIGKILL, -1}} {
		for _, machine := range []string{"nas-a", "office-1"} {
			d := b.drill("exec", machine, "--", "sh", "-c", "trap 'exit 9' TERM; setsid sleep 1000 & while :; do sleep 0.01; done")
			d.start()
			b.sleepers(true)
			b.must(d.Process.Signal(x.signal))
			d.ends(x.status)
			b.sleepers(false)
		}
	}
	held.letGo()
}

// sleepers waits until there is a process that sleeps for long, or none.
func (b *box) sleepers(want bool) {
	b.Helper()
	for limit := time.Now().Add(5 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		found := false
		for _, pid := range processes() {
			command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			found = found || string(command) == "sleep\x001000\x00"
		}
		if found == want {
			return
		}
		if time.Now().After(limit) {
			b.Fatalf("5s later a command is there: %t", found)
		}
	}
}

// lookInTerminal shows that a command has a terminal of its own, in which keys are signals and jobs have control.
func (b *box) lookInTerminal() {
	held := b.hold()
	for _, machine := range []string{"nas-a", "office-1"} {
		d := b.drill("exec", machine, "--", "sh", "-c",
			"test -t 0 && test -t 1 && stty size; tty; test -c $(tty) && echo of hers >$(tty); (: >/dev/tty) && echo own; trap 'echo caught; exit 5' INT; setsid sleep 1000 & while :; do sleep 0.01; done")
		terminal := d.inTerminal()
		b.must(unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 90}))
		b.sleepers(true)
		d.typed(terminal, "\x03")
		d.ends(5)
		d.says("30 90\r\n", "/dev/pts/0\r\nof hers\r\n", "own\r\n", "^Ccaught\r\n")
	}
	d := b.drill("exec", "nas-a", "sh", "-i")
	terminal := d.inTerminal()
	d.typed(terminal, "sleep 1000\r")
	b.sleepers(true)
	d.typed(terminal, "\x1a")
	time.Sleep(100 * time.Millisecond)
	d.typed(terminal, "jobs; kill %1; fg; exit 6\r")
	d.ends(6)
	d.says("Stopped")
	if strings.Contains(d.out.String(), "job control") {
		b.Errorf("the shell says\n%s", &d.out)
	}
	held.letGo()
}

// endUnderACommand ends the run while somebody looks in.
func (b *box) endUnderACommand() {
	for _, machine := range []string{"nas-a", "office-1"} {
		for _, how := range []unix.Signal{unix.SIGINT, unix.SIGKILL} {
			held := b.hold()
			d := b.drill("exec", machine, "--", "sleep", "1000")
			d.start()
			b.sleepers(true)
			b.must(held.Process.Signal(how))
			if d.ends(137); !strings.Contains(d.out.String(), "and the command with it") {
				b.Errorf("it says %q", &d.out)
			}
			if how == unix.SIGKILL {
				held.ends(-1)
			} else {
				held.ends(statusPass, statusUnclear)
			}
			b.sleepers(false)
		}
	}
}

// letGoByKeys shows that a hold ends when its user hits Enter, and not before, or Ctrl-C, and that once more ends it at once.
func (b *box) letGoByKeys() {
	slow, err := os.ReadFile(filepath.Join(b.dir, "held.yaml"))
	b.must(err)
	slow = bytes.ReplaceAll(bytes.ReplaceAll(slow, []byte("held"), []byte("slow")), []byte("settle: 2s"), []byte("settle: 50s"))
	b.must(os.WriteFile(filepath.Join(b.dir, "slow.yaml"), slow, 0o644))
	defer os.Remove(filepath.Join(b.dir, "slow.yaml"))
	for _, x := range []struct {
		scenario string
		keys     []string
		statuses []int
	}{
		{"held.yaml", []string{"\r"}, []int{statusPass, statusUnclear}},
		{"held.yaml", []string{"\x03"}, []int{statusPass, statusUnclear}},
		{"slow.yaml", []string{"\x03", "\x03"}, []int{statusInterrupted}},
	} {
		d := b.drill("run", x.scenario, "--world", "kernel", "--out", kept, "--hold")
		terminal := d.inTerminal()
		d.typed(terminal, "\r\r") // This is too early.
		d.isHeld()
		for _, keys := range x.keys {
			d.typed(terminal, keys)
			time.Sleep(300 * time.Millisecond) // Two at once would be one.
		}
		d.ends(x.statuses...)
		d.says("is held at ", "the quiet phase goes on to its end")
	}
}

// lookIntoSeveral has to say which.
// The network of a run is its own, but who asks for its metrics is outside.
func TestMetricsOfAKernelWorld(t *testing.T) {
	inBoxes(t, func(b *box) {
		b.writeHeld()
		b.lookAtMetrics()
	})
}

func (b *box) lookAtMetrics() {
	taken, err := net.Listen("tcp", "127.0.0.1:9176")
	b.must(err)
	defer taken.Close()
	d := b.drill("run", "held.yaml", "--world", "kernel", "--out", kept, "--metrics", ":9176")
	d.start().ends(statusUsage)
	d.says("--metrics: listen tcp 127.0.0.1:9176: bind: address already in use")

	d = b.hold("--metrics", ":9177")
	response, err := http.Get("http://127.0.0.1:9177/metrics")
	b.must(err)
	text, err := io.ReadAll(response.Body)
	b.must(errors.Join(err, response.Body.Close()))
	if response.StatusCode != http.StatusOK {
		b.Errorf("%s: %s", response.Status, text)
	}
	http.DefaultClient.CloseIdleConnections()
	d.letGo()
	d.says("metrics at http://127.0.0.1:9177/metrics")
}

func (b *box) lookIntoSeveral() {
	one, two := b.hold(), b.hold()
	d := b.drill("exec", "nas-a", "true")
	d.start().ends(statusUsage)
	for _, held := range []*drill{one, two} {
		d.says(fmt.Sprintf("--run %d (held, seed 1)", held.Process.Pid))
		b.drill("exec", "--run", fmt.Sprint(held.Process.Pid), "nas-a", "true").start().ends(0)
	}
	one.letGo()
	two.letGo()
}
