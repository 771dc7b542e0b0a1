//go:build linux

package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// hangs are calls that hang, one for each operation that there is, with what comes of them when they go on.
var hangs = []struct {
	operation sim.DiskOperation
	call      string
	outcome   string
}{
	{sim.DiskRead, "pread f 0 9", "5 bytes `hello`"},
	{sim.DiskRead, "list /d", "x ok"},
	{sim.DiskRead, "stat /a", ""},
	{sim.DiskWrite, "pwrite f 0 HE", "2"},
	{sim.DiskWrite, "truncate f 1", "ok"},
	{sim.DiskSync, "sync f", "ok"},
	{sim.DiskSync, "sync-path /d", "ok"},
	{sim.DiskOpen, "cat /a", "5 bytes `hello`"},
	{sim.DiskCreate, "put /new x", "1"},
	{sim.DiskCreate, "mkdir /e", "ok"},
	{sim.DiskCreate, "link /a /b", "ok"},
	{sim.DiskRename, "rename /a /b", "ok"},
	{sim.DiskRemove, "unlink /a", "ok"},
	{sim.DiskRemove, "unlink /d/x", "ok"},
}

// A call that hangs goes on when the disk is healed, whatever signals came meanwhile; who is killed in one dies at once,
// whether somebody of the machine did that or the machine ended, and the mount is as it was for all others.
func TestHangs(t *testing.T) {
	for _, h := range hangs {
		t.Run(h.call, func(t *testing.T) {
			m := mounted(t)
			hung := func() (*software, *sim.DiskImposition, func()) {
				s := m.start()
				s.want(`open f /a rw: ok`)
				i, lift := m.impose(sim.DiskCondition{How: sim.DiskHang, Operations: []sim.DiskOperation{h.operation}})
				s.tell(h.call)
				until(t, "it hangs", func() bool { return read(m, func() bool { return i.Hung == 1 }) })
				return s, i, lift
			}
			first := m.start()
			first.want(`
				put /a hello: 5
				mkdir /d: ok
				put /d/x y: 1`)

			s, _, lift := hung()
			s.dies("it is killed by one of its own", func() { s.signal(unix.SIGKILL) })
			lift()

			s, _, lift = hung()
			s.signal(unix.SIGURG) // Which every Go program hears, and lives on.
			if s.answered() {
				t.Error("a signal ends the call: ", s.hear())
			}
			s.dies("it has heard a signal already", func() { s.signal(unix.SIGKILL) })
			lift()

			s, _, lift = hung()
			s.signal(unix.SIGURG)
			lift()
			if have := s.hear(); h.outcome != "" && have != h.outcome {
				t.Errorf("goes on and comes to %s, want %s", have, h.outcome)
			}
			first.want(`put /later z: 1`)
			s.kill()
		})
	}
}

// Machines that end while software hangs end at once, and nothing of it acts later.
func TestEndWhileSoftwareHangs(t *testing.T) {
	for _, x := range []struct {
		name string
		end  func(*Mount)
	}{{"the power fails", (*Mount).Cut}, {"the software is killed", (*Mount).Drop}} {
		for _, h := range hangs {
			t.Run(x.name+" during "+h.call, func(t *testing.T) {
				m := mounted(t)
				s := m.start()
				s.want(`
					put /a hello: 5
					mkdir /d: ok
					put /d/x y: 1
					open f /a rw: ok`)
				before := m.shown()
				i, lift := m.impose(sim.DiskCondition{How: sim.DiskHang, Operations: []sim.DiskOperation{h.operation}})
				s.tell(h.call)
				until(t, "it hangs", func() bool { return read(m, func() bool { return i.Hung == 1 }) })
				m.lock.Lock()
				x.end(m.mount)
				m.lock.Unlock()
				other := m.start()
				other.tell("put /late x")
				lift()
				for _, s := range []*software{s, other} {
					if s.answered() {
						t.Error("a call was answered")
					}
					s.dies("its machine is at an end", func() { s.signal(unix.SIGKILL) })
				}
				m.end()
				if have := m.shown(); have != before {
					t.Errorf("have %s\nwant %s", have, before)
				}
			})
		}
	}
}

// What hangs by the hundred is not in the way of the rest.
func TestManyHang(t *testing.T) {
	m := mounted(t)
	s := m.start()
	s.want(`
		mkdir /h: ok
		put /a hello: 5`)
	i, lift := m.impose(sim.DiskCondition{How: sim.DiskHang, Path: "/h"})
	var all []*software
	for range 60 {
		one := m.start()
		one.tell("sync-path /h")
		all = append(all, one)
	}
	until(t, "all hang", func() bool { return read(m, func() bool { return i.Hung == int64(len(all)) }) })
	s.want("cat /a: 5 bytes `hello`")
	for _, one := range all[:30] {
		one.dies("it is killed", func() { one.signal(unix.SIGKILL) })
	}
	lift()
	for _, one := range all[30:] {
		if have := one.hear(); have != "ok" {
			t.Error(have)
		}
	}
}

// What software changed of mapped files is its kernel's when it is killed, and lost with the power.
func TestMappedFilesAtTheEnd(t *testing.T) {
	for _, x := range []struct {
		name, want string
		end        func(*Mount)
	}{
		{"the software is killed", `/a="HELLO"`, (*Mount).Drop},
		{"the power fails", `/a="hello"`, (*Mount).Cut},
	} {
		t.Run(x.name, func(t *testing.T) {
			m := mounted(t)
			s := m.start()
			s.want(`
				put /a hello: 5
				open f /a rw: ok
				map f 0 HELLO: ok`)
			m.lock.Lock()
			x.end(m.mount)
			m.lock.Unlock()
			s.dies("it is killed", func() { s.signal(unix.SIGKILL) })
			m.end()
			if have := m.shown(); have != x.want {
				t.Errorf("have %s, want %s", have, x.want)
			}
		})
	}
}

// A process that hangs where no signal reaches it, as its mapped files cannot be written, ends when the disk fails.
func TestFailEndsWhatNoSignalDoes(t *testing.T) {
	m := mounted(t)
	s := m.start()
	s.want(`
		put /a hello: 5
		open f /a rw: ok
		map f 0 HELLO: ok`)
	i, _ := m.impose(sim.DiskCondition{How: sim.DiskHang, Operations: []sim.DiskOperation{sim.DiskWrite}})
	s.tell("flush")
	until(t, "it hangs", func() bool { return read(m, func() bool { return i.Hung == 1 }) })
	s.signal(unix.SIGKILL)
	time.Sleep(5 * glance)
	if have := s.state(); have != "D" && have != "Z" { // Z: of its threads, another one is that.
		t.Error("it does not wait any more:", have)
	}
	s.dies("the disk fails", m.mount.Fail)
}

// A sync in which the power fails is never answered, though it takes no time, and nothing of it is durable.
func TestCrashAtSync(t *testing.T) {
	m := mounted(t)
	crashed := make(chan struct{})
	m.disk.OnCrash = func() { // As a world does.
		m.mount.Cut()
		m.disk.PowerLoss()
		close(crashed)
	}
	s := m.start()
	s.want(`
		put /a one: 3
		sync-path /: ok
		sync-path /a: ok
		put /a two: 3`)
	i, _ := m.impose(sim.DiskCondition{How: sim.DiskCrashAtSync, Nth: 2})
	s.want(`sync-path /a: ok`)
	s.want(`put /a three: 5`)
	s.tell("sync-path /a")
	<-crashed
	if s.answered() {
		t.Error("the sync is answered: ", s.hear())
	}
	s.dies("its machine is off", func() { s.signal(unix.SIGKILL) })
	if i.Crashed != 1 {
		t.Error("crashes:", i.Crashed)
	}
	m.end()
	if have := m.shown(); have != `/a="two"` {
		t.Errorf("have %s", have)
	}
}

// signal sends a signal to each thread of the process.
func (s *software) signal(number unix.Signal) {
	s.Helper()
	if number == unix.SIGKILL {
		_ = unix.Kill(s.command.Process.Pid, number)
		return
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", s.command.Process.Pid))
	for _, path := range threads {
		if id, err := strconv.Atoi(filepath.Base(path)); err == nil {
			_ = unix.Tgkill(s.command.Process.Pid, id, number)
		}
	}
}

// dies waits for the end of the process, which something is to bring about.
func (s *software) dies(why string, act func()) {
	s.Helper()
	over := make(chan struct{})
	act()
	s.dead = true
	go func() { _ = s.command.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(10 * time.Second):
		s.Fatalf("%s, and yet it lives on, in state %s", why, s.state())
	}
}

// answered reports whether an outcome is there, or comes in a while that is long for a call.
func (s *software) answered() bool {
	s.Helper()
	if err := s.pipe.SetReadDeadline(time.Now().Add(3 * glance)); err != nil {
		s.Fatal(err)
	}
	_, err := s.out.Peek(1)
	if err := s.pipe.SetReadDeadline(time.Time{}); err != nil {
		s.Fatal(err)
	}
	return err == nil
}

// shown is what the disk holds, each file and directory with its path.
func (m *machine) shown() string {
	m.Helper()
	m.lock.Lock()
	defer m.lock.Unlock()
	return shown(m.TB, m.disk)
}

func shown(t testing.TB, d *sim.Disk) string {
	t.Helper()
	var all []string
	err := afero.Walk(d.Fs(nil), "/", func(path string, i os.FileInfo, err error) error {
		if err != nil || path == "/" {
			return err
		}
		var text []byte
		if !i.IsDir() {
			text, err = afero.ReadFile(d.Fs(nil), path)
		}
		all = append(all, fmt.Sprintf("%s=%q", path, text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}
