//go:build linux

package kernel

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"firedrill/nodes"
	"firedrill/sim"
	"firedrill/sim/kernel/room"
	"firedrill/sim/kernel/supervisor"
)

// A program that writes more than anybody reads holds nobody up: the harness keeps the beginning and the end, and tells
// so many lines.
func TestProgramThatWritesAGigabyte(t *testing.T) {
	h := newShop(t, actor("wait 0s", "write 16384", "end 0"))
	h.within(2*time.Minute, "its end", func() bool { return h.noted("one", sim.FactStopped) == 1 })
	lines := h.lines("one")
	const enough = "in the log of the machine alone"
	if n := len(lines); n != supervisor.LinesMax+1 || lines[0] != "wait 0s <nil>" || !strings.Contains(lines[n-1], enough) {
		t.Errorf("%d lines, the last of them %q", n, lines[n-1])
	}
	text := h.close("one")
	if !strings.Contains(text[:100], "\nwait 0s <nil>\nxxx") ||
		!strings.Contains(text[len(text)-100:], "\nwrite 16384 done\n=== ") ||
		len(text) > 2*supervisor.LogHalf+100 || !strings.Contains(text, "bytes are left out here\n") {
		t.Errorf("the log has %d bytes, %q and %q", len(text), text[:100], text[len(text)-100:])
	}
}

// A line without an end is told as far as it is of use, and at once.
func TestProgramThatWritesALineWithoutEnd(t *testing.T) {
	h := newShop(t, script("head -c 100000000 /dev/zero | tr '\\0' x; echo y; echo after; printf unfinished; exit 1"))
	h.endOf("one", 1)
	lines := h.lines("one")
	if len(lines) != 3 || lines[0] != strings.Repeat("x", supervisor.LineMax) || lines[1] != "after" || lines[2] != "unfinished" {
		t.Errorf("%d lines, the first of %d bytes", len(lines), len(lines[0]))
	}
	for _, e := range h.Trace().Events() {
		if e.Name == sim.FactLogLine && (e.Attr("cut") == "after 4096 bytes") != (len(e.Value) == supervisor.LineMax) {
			t.Errorf("line of %d bytes: cut %q", len(e.Value), e.Attr("cut"))
		}
	}
}

// Whatever bytes a program writes, the trace has text.
func TestProgramThatWritesBytes(t *testing.T) {
	h := newShop(t, script(`printf 'a\377\376\303(\0b\r\n'; head -c 100000 /dev/urandom; echo; printf 'end\n'; exec sleep 100`))
	h.says("one", "end", 1)
	for _, line := range h.lines("one") {
		if !utf8.ValidString(line) {
			t.Errorf("%q is no UTF-8", line)
		}
	}
	if have := h.lines("one")[0]; have != "a\uFFFD(\x00b" {
		t.Errorf("have %q", have)
	}
}

// A disk that is full is full for a program, and what it has in memory has an end too. Neither is the host's.
func TestProgramThatFillsItsDisk(t *testing.T) {
	h := newHall(t)
	fill := "dd if=/dev/zero of=%/big bs=64k count=4096 2>&1 | grep -v records; "
	full := strings.ReplaceAll(fill, "%", "/srv") + strings.ReplaceAll(fill, "%", "/tmp")
	h.open("one", 1, script(full+"echo > /run/more && echo room; exit 1"), sim.DiskSpec{Size: 1 << 20})
	h.endOf("one", 1)
	text := strings.Join(h.lines("one"), "\n")
	if strings.Count(text, "No space left on device") < 2 || strings.Contains(text, "room") {
		t.Errorf("it says\n%s", text)
	}
	if used := h.Machine("one").Disk().Used(); used > 1<<20 {
		t.Errorf("%d bytes are on its disk", used)
	}
	h.Machine("one").PowerOff()
	h.must(h.Run(h.Now() + 100*time.Millisecond))
	if left, _ := filepath.Glob(room.Store + "/*-memory"); len(left) != 0 {
		t.Errorf("memory is held by %v", left)
	}
}

// A program that listens where it should not gets the error that it would get anywhere, and disturbs nobody.
func TestProgramThatListensWhereItShouldNot(t *testing.T) {
	acts := []string{"listen 10.0.0.9:80", "listen 0.0.0.0:80", "listen 0.0.0.0:80", "listen @abstract", "listen @abstract"}
	h := newShop(t, actor(acts...), actor(acts...))
	for _, m := range []string{"one", "two"} {
		h.says(m, "listen", 5)
		lines := strings.Join(h.lines(m), "\n")
		for _, want := range []string{"listen 10.0.0.9:80 listen tcp4 10.0.0.9:80: bind: cannot assign requested address",
			"listen 0.0.0.0:80 <nil>", "listen 0.0.0.0:80 listen tcp4 0.0.0.0:80: bind: address already in use",
			"listen @abstract <nil>", "listen @abstract listen unix @abstract: bind: address already in use"} {
			if !strings.Contains(lines, want) {
				t.Errorf("%s does not say %q, but\n%s", m, want, lines)
			}
		}
	}
	if owners := h.Owners("lan", netip.MustParseAddr("10.0.0.9")); len(owners) != 0 {
		t.Errorf("%v own an address that nobody took", owners)
	}
}

// A program that forks without end reaches a bound of its own machine, and ends with it.
func TestProgramThatForksWithoutEnd(t *testing.T) {
	limit := room.ProcessesMax()
	if limit == 0 {
		t.Skip("this kernel does not count processes by PID namespace (Linux 6.14 does)")
	}
	h := newShop(t, script("trap '' TERM; while :; do (sleep 100; :) & done"),
		script("while :; do echo tick; sleep 0.01; done"))
	h.until("the start", ready(h, "one", 1))
	most := 0
	h.until("the bound", func() bool {
		most = max(most, processes())
		return h.Machine("one").State() != sim.StateUp
	})
	if most < limit/2 || most > limit+100 {
		t.Errorf("%d processes at most, want up to %d", most, limit)
	}
	have, lines := h.endOf("one", 1), strings.Join(h.lines("one"), "\n")
	if have != "exit status 2" || !strings.Contains(lines, "Cannot fork") {
		t.Errorf("it ends with %q: %s", have, lines)
	}
	h.says("two", "tick", len(h.lines("two"))+10)
	h.until("their end", func() bool { return processes() < 10 })
}

// What a program is not to do to its host, and to what looks after it, it cannot do: as root of the machine it has not
// the power.
func TestProgramIsConfined(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, attempt := range map[string]string{
		"write to the host":        "echo x > " + stage + "/new",
		"overwrite a mirror":       "dd if=/dev/null of=/etc/passwd conv=notrunc",
		"remount":                  "mount -o remount,bind,rw " + stage + " && echo x > " + stage + "/new",
		"mount":                    "mount -t tmpfs x /opt",
		"unmount":                  "umount -l /srv || umount -l /run || umount -l /etc",
		"mount in a user of own":   "unshare -Urm sh -c 'mount -o remount,bind,rw /usr || umount -l /run || umount -l /dev'",
		"see hidden folders":       "cat " + secret,
		"set the host's kernel":    "cd /proc/sys/kernel && cp core_pattern /run/as-it-is && cat /run/as-it-is > core_pattern",
		"set the bound":            "echo 100000 > /proc/sys/kernel/pid_max",
		"command the host":         "echo h > /proc/sysrq-trigger",
		"make a device":            "mknod /tmp/disk b 8 0 && cat /tmp/disk",
		"look into the first":      "cat /proc/1/environ || ls /proc/1/fd/ > /dev/null && readlink /proc/1/exe",
		"enter the first":          "nsenter -t 1 -m -p true",
		"open the first's channel": "echo x > /proc/1/fd/3",
		"see the harness":          "test $(ls -d /proc/[0-9]* | wc -l) -gt 20",
		"see the host's network":   "ls /sys/class/net | grep -v -x -e lan -e lo",
		"get it all back":          "unshare -m true",
	} {
		t.Run(name, func(t *testing.T) {
			p := script("(" + attempt + ") > /run/said 2>&1 && { cat /run/said; exit 0; }; exit 1")
			p.Files = map[string]string{"/usr/local/mirrored": ""}
			h := newShop(t, p)
			if have := h.endOf("one", 1); have != "exit status 1" {
				t.Errorf("it ends with %q: %v", have, h.lines("one"))
			}
		})
	}
	if exists(stage + "/new") {
		t.Error("the host has a file of a program")
	}
}

// No signal that a program sends ends what looks after it, and it finds nobody else whom to send one to.
func TestProgramThatKills(t *testing.T) {
	h := newShop(t, script("for s in 1 2 3 9 11 15 19; do kill -$s 1; done; kill -9 -1; echo alone; exec sleep 100"),
		script("echo up; exec sleep 100"))
	h.says("one", "alone", 1)
	h.says("two", "up", 1)
	h.must(h.Run(h.Now() + 100*time.Millisecond))
	for _, m := range h.Machines() {
		if m.State() != sim.StateUp {
			t.Errorf("%s is %s", m.Name(), m.State())
		}
	}
}

// What programs may do as root of their machine they can: take addresses, serve low ports, trace their own, set their
// network, change users where there are any, write where daemons write.
func TestProgramMay(t *testing.T) {
	for name, attempt := range map[string]string{
		"take an address":     "ip addr add 10.0.0.77/24 dev lan",
		"set its network":     "echo 1 > /proc/sys/net/ipv4/ip_forward",
		"keep a PID":          "echo $$ > /var/run/daemon.pid && test -s /run/daemon.pid",
		"write where it is":   "mkdir /var/lib/daemon /var/log/daemon && echo x > /var/lib/daemon/x",
		"write to its home":   "touch ~/x",
		"share memory":        "touch /dev/shm/x",
		"add to a mirror":     "echo x > /usr/local/added",
		"see a new folder":    "test -s /new/folder/file && mkdir /another",
		"use the null device": "echo x > /dev/null && head -c 1 /dev/zero",
		"change what is run":  "/usr/local/bin/tool",
		"give up root":        "test ! -x /usr/bin/setpriv || setpriv --reuid=65534 --regid=65534 --clear-groups true",
		"give files away":     "touch /run/x && chown nobody /run/x && touch /srv/x && chown nobody /srv/x",
		"renice":              "nice -n 5 true",
		"change root":         "chroot / true",
		"open a terminal":     "test -c /dev/ptmx && script -qc true /dev/null || test ! -x /usr/bin/script",
	} {
		t.Run(name, func(t *testing.T) {
			p := script(attempt)
			p.Files = map[string]string{"/usr/local/mirrored": "", "/usr/local/bin/tool": "#!/bin/sh\nexit 0\n",
				"/new/folder/file": "x"}
			h := newShop(t, p)
			if have := h.endOf("one", 1); have != "exit status 0" {
				t.Errorf("it ends with %q: %v", have, h.lines("one"))
			}
		})
	}
}

// What a program logs to the system's log is told and kept as its output is, and can make it ready.
func TestProgramThatLogsToTheSystem(t *testing.T) {
	for _, times := range []int{1, 2} {
		p := actor("log <30>Nov 21 16:10:30 daemon: first", "log <30>daemon: up", "end 4")
		p.Ready = nodes.Ready{Log: "up"}
		h := newShop(t, p)
		h.endOf("one", 1)
		if times == 2 {
			h.Machine("one").Restart(nil)
			h.endOf("one", 2)
		}
		want := strings.Repeat(" daemon: first daemon: up", times)[1:]
		if have := strings.Join(h.lines("one"), " "); have != want || h.noted("one", nodes.FactReady) != times {
			t.Errorf("it says %q:\n%s", have, h.story())
		}
		if text := h.close("one"); !strings.Contains(text, "\ndaemon: first\ndaemon: up\n=== ") {
			t.Errorf("its log has\n%s", text)
		}
	}
}
