package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// talkative is a drill of programs. One of them says more than any pipe holds, and loses power.
const talkative = `# Three programs talk, and one of them loses power.
name: held
world: kernel
seeds: 1..1
stop: 1500ms
settle: 2s
segments:
  lan: {subnet: 10.0.0.0/24}
defaults:
  program: {command: [sh, /etc/talk], nets: {lan: auto}}
machines:
  nas-a: {kind: program, files: {/etc/talk: "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"}}
  nas-b: {kind: program, files: {/etc/talk: "seq 100000; exec sleep 100"}}
  nas-c: {kind: program, files: {/etc/talk: "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done"}}
timeline:
  - {at: 300ms, pause: nas-a, for: 200ms}
  - {at: 800ms, power_off: nas-b}
`

// Whoever plays programs reads what they say while they run, others do not, and nothing is left.
func TestReadLogs(t *testing.T) {
	inBoxes(t, func(b *box) {
		b.must(os.WriteFile(filepath.Join(b.dir, "held.yaml"), []byte(talkative), 0o644))
		for _, reads := range []struct {
			name string
			play func(*box)
		}{
			{"so far", (*box).readSoFar},
			{"to the end", (*box).readToTheEnd},
			{"slowly", (*box).readSlowly},
			{"not any more", (*box).readNoMore},
			{"others", (*box).readAsOthers},
		} {
			b.Run(reads.name, func(t *testing.T) {
				here := &box{t, b.dir, b.uid}
				before := here.look()
				reads.play(here)
				here.nothingLeft(before, reads.name)
			})
		}
	})
}

// keptLog is what the results have of a machine.
func (b *box) keptLog(machine string) string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, kept, "held/seed-1", machine+".log"))
	b.must(err)
	return string(text)
}

func (b *box) readSoFar() {
	held := b.hold()
	run := fmt.Sprint(held.Process.Pid)
	have := map[string]*drill{}
	for _, machine := range []string{"nas-a", "nas-b", "nas-c"} {
		have[machine] = b.drill("logs", machine)
		have[machine].start().ends(statusPass)
	}
	have["nas-a"].says(" booted\n", " sh /etc/talk\nup\n", " paused\n", " resumed\n")
	have["nas-b"].says("\n100000\n=== 0.8", " power cut\n")
	for _, x := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"nas-a", "--run", run}, 0, have["nas-a"].out.String()},
		{[]string{"--run", run + "/1", "nas-a"}, 0, have["nas-a"].out.String()},
		{[]string{"--run", run + "/2", "nas-a"}, 2, "firedrill: no run \"" + run + "/2\" is up; the runs are " + run + "\n"},
		{[]string{"operator"}, 2, "firedrill: operator has no log: it runs no program; those that do are nas-a, nas-b, nas-c\n"},
		{[]string{"nas-d", "-f"}, 2, "firedrill: no machine \"nas-d\"; the machines are nas-a, nas-b, nas-c, operator\n"},
		{nil, 2, "firedrill: want one machine, have 0: firedrill logs lb-a\n"},
		{[]string{"nas-a", "nas-b"}, 2, "firedrill: want one machine, have 2: firedrill logs lb-a\n"},
	} {
		d := b.drill(append([]string{"logs"}, x.args...)...)
		d.start().ends(x.status)
		if said := d.out.String(); said != x.says {
			b.Errorf("logs %q: want %q, have %q", x.args, x.says, said)
		}
	}
	d := b.drill("__complete", "logs", "")
	d.start().ends(0)
	if words, _, _ := strings.Cut(d.out.String(), ":"); words != "nas-a\tprogram of held, up\n"+
		"nas-b\tprogram of held, powered-off\nnas-c\tprogram of held, up\n" {
		b.Errorf("the machines offered are\n%s", words)
	}
	held.letGo()
	held.says(" logs nas-a\n")
	for machine, d := range have {
		if kept := b.keptLog(machine); !strings.HasPrefix(kept, d.out.String()) {
			b.Errorf("of %s it said\n%.500s\nand the results have\n%.500s", machine, &d.out, kept)
		}
	}
}

// readToTheEnd follows to the end of the play, to that of a run that is killed, and until it is called off.
func (b *box) readToTheEnd() {
	held := b.hold()
	follow := map[string]*drill{}
	for _, machine := range []string{"nas-a", "nas-b", "nas-c"} {
		follow[machine] = b.drill("logs", "--follow", machine)
		follow[machine].start()
	}
	off, _ := b.follow("nas-a")
	b.must(off.Process.Signal(unix.SIGINT))
	off.ends(-1)
	held.letGo()
	for machine, d := range follow {
		d.ends(statusPass)
		if kept := b.keptLog(machine); kept != d.out.String() {
			b.Errorf("of %s it said\n%.500s\nand the results have\n%.500s", machine, &d.out, kept)
		}
	}
	if !strings.HasSuffix(follow["nas-a"].out.String(), "exit status 0\n") {
		b.Errorf("the last words of nas-a are missing:\n%s", &follow["nas-a"].out)
	}

	held = b.hold()
	d, said := b.follow("nas-a")
	b.must(held.Process.Kill())
	held.ends(-1)
	text, err := io.ReadAll(said)
	b.must(err)
	d.ends(statusPass)
	if !strings.Contains(string(text), " resumed\n") {
		b.Errorf("of a run that is killed it has said\n%s", text)
	}
}

// pipe is what a command is to write to.
func (d *drill) pipe() (said *os.File) {
	d.Helper()
	said, screen, err := os.Pipe()
	d.must(err)
	d.Cleanup(func() { said.Close() })
	d.Stdout = screen
	return said
}

// follow begins to follow a log, and returns when it has. Of what is said nothing is read until somebody does.
func (b *box) follow(machine string) (d *drill, said io.Reader) {
	b.Helper()
	d = b.drill("logs", "-f", machine)
	screen := d.pipe()
	d.start()
	b.must(d.Stdout.(*os.File).Close())
	first := make([]byte, 1)
	if _, err := screen.Read(first); err != nil {
		b.Fatal(err)
	}
	return d, io.MultiReader(bytes.NewReader(first), screen)
}

// readSlowly lets a run end while its reader reads nothing. It has all of it.
func (b *box) readSlowly() {
	held := b.hold()
	d, said := b.follow("nas-b")
	held.letGo()
	text, err := io.ReadAll(said)
	b.must(err)
	d.ends(statusPass)
	if kept := b.keptLog("nas-b"); string(text) != kept {
		b.Errorf("read were %d bytes, and the results have %d", len(text), len(kept))
	}
}

// readNoMore ends readers who write to nobody: at once, after a while, and where nothing comes that could be written.
func (b *box) readNoMore() {
	held := b.hold()
	for _, x := range []struct {
		args []string
		wait bool
	}{
		{[]string{"logs", "nas-a"}, false},
		{[]string{"logs", "-f", "nas-a"}, true},
		{[]string{"logs", "-f", "nas-b"}, false},
		{[]string{"logs", "-f", "nas-c"}, true},
	} {
		d := b.drill(x.args...)
		said := d.pipe()
		if !x.wait {
			b.must(said.Close())
		}
		d.start()
		b.must(d.Stdout.(*os.File).Close())
		if x.wait {
			if _, err := said.Read(make([]byte, 1<<16)); err != nil {
				b.Error(err)
			}
			b.must(said.Close())
		}
		if d.ends(statusUnread); d.out.Len() > 0 {
			b.Errorf("%q says\n%s", x.args, &d.out)
		}
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	b.must(err)
	defer full.Close()
	d := b.drill("logs", "-f", "nas-a")
	d.Stdout = full
	d.start().ends(statusFault)
	d.says("no space left on device")
	held.letGo()
}

// readAsOthers shows who may read: the user who plays, and root its own alone.
func (b *box) readAsOthers() {
	held := b.hold()
	for _, uid := range []uint32{0, 1} {
		if uid == b.uid {
			continue
		}
		d := b.drill("logs", "nas-a")
		d.SysProcAttr.Credential.Uid, d.SysProcAttr.Credential.Gid = uid, uid
		if err := d.Start(); err != nil {
			b.Logf("there is no user %d here: %v", uid, err)
			continue
		}
		d.began = time.Now()
		d.ends(statusUsage)
		want := noRun
		if uid == 0 {
			want = fmt.Sprintf("run %d is that of user %d; a log of it is that user's to read", held.Process.Pid, b.uid)
		}
		if d.out.String() != "firedrill: "+want+"\n" {
			b.Errorf("user %d: want %q, have %q", uid, want, &d.out)
		}
	}
	held.letGo()
}
