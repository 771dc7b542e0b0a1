//go:build linux

package supervisor

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// ended is a channel that says that nothing more comes.
func ended() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// kept is a log with its two writers, and its file as somebody else has it who reads along.
type kept struct {
	*testing.T
	harness, machine *Log
	along            *os.File
}

func newKept(t *testing.T) *kept {
	t.Helper()
	k := &kept{T: t}
	var err error
	k.harness, err = NewLog()
	k.must(err)
	t.Cleanup(k.harness.Close)
	k.machine, err = OpenLog(k.harness.File())
	k.must(err)
	k.along, err = os.Open(fmt.Sprintf("/proc/self/fd/%d", k.harness.File().Fd()))
	k.must(err)
	t.Cleanup(func() { k.along.Close() })
	return k
}

func (k *kept) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

func (k *kept) mark(silences bool) int64 {
	k.Helper()
	number, err := k.harness.Mark(time.Second, "mark", silences)
	k.must(err)
	return number
}

func (k *kept) next(r *Reader, over <-chan struct{}) string {
	k.Helper()
	text, err := r.Next(over)
	k.must(err)
	return string(text)
}

// Whatever is written and befalls a machine, and whenever somebody looks: what is read along is how the log begins in the end,
// and then all of it.
func TestReadAlong(t *testing.T) {
	for seed := range uint64(200) {
		k := newKept(t)
		draw := rand.New(rand.NewPCG(seed, 0))
		readers, have := []*Reader{NewReader(k.along)}, []string{""}
		number := int64(0)
		for range 40 {
			switch draw.IntN(7) {
			case 0:
				number = k.mark(true)
			case 1:
				number = k.mark(false)
			case 2:
				k.must(k.harness.Settle(number))
			case 3:
				k.must(k.harness.Settle(number - 1)) // There is none of this number.
			case 4:
				readers, have = append(readers, NewReader(k.along)), append(have, "")
				fallthrough
			case 5:
				i := draw.IntN(len(readers))
				have[i] += k.next(readers[i], nil)
			default:
				piece := bytes.Repeat([]byte{byte('a' + draw.IntN(26))}, draw.IntN(3)*draw.IntN(1000))
				if draw.IntN(2) == 0 {
					piece = append(piece, '\n')
				}
				k.machine.write(piece)
			}
		}
		want, err := k.harness.Text()
		k.must(err)
		for i, r := range readers {
			if !bytes.HasPrefix(want, []byte(have[i])) {
				t.Fatalf("seed %d: read along was\n%q\nand the log is\n%q", seed, have[i], want)
			}
			if have[i] += k.next(r, ended()); have[i] != string(want) {
				t.Fatalf("seed %d: in the end there is\n%q\nand the log is\n%q", seed, have[i], want)
			}
		}
	}
}

// What befell the machine is told as soon as it has its place, and a mark that is not the last one is settled already.
func TestSettle(t *testing.T) {
	k := newKept(t)
	const line = "=== 1.000s mark\n"
	r := NewReader(k.along)
	k.machine.write([]byte("a\n"))
	first := k.mark(true)
	if have := k.next(r, nil); have != "a\n" {
		t.Errorf("before the mark is settled, have %q", have)
	}
	k.machine.write([]byte("late\n"))
	k.must(k.harness.Settle(first))
	k.must(k.harness.Settle(first))
	k.machine.write([]byte("b\n"))
	if have := k.next(r, nil); have != "late\n"+line+"b\n" {
		t.Errorf("then, have %q", have)
	}
	k.mark(true)
	k.must(k.harness.Settle(first))
	k.machine.write([]byte("c\n"))
	if have := k.next(r, nil); have != "c\n" {
		t.Errorf("a mark is settled by the number of another: have %q", have)
	}
	if have := k.next(r, ended()); have != line {
		t.Errorf("in the end, have %q", have)
	}
}

// While marks change nothing is read that might come behind one of them, unless the harness was killed in the midst.
func TestHarnessKilledAtAMark(t *testing.T) {
	k := newKept(t)
	k.machine.write([]byte("a\n"))
	k.mark(false)
	k.must(k.harness.putWord(marksWord, ^k.harness.marks))
	k.machine.write([]byte("b\n"))
	over, read := make(chan struct{}), make(chan string)
	go func() {
		text, err := NewReader(k.along).Next(over)
		read <- fmt.Sprint(string(text), err)
	}()
	select {
	case have := <-read:
		t.Errorf("in the midst, have %q", have)
	case <-time.After(20 * time.Millisecond):
		close(over)
		if have := <-read; have != "a\n=== 1.000s mark\nb\n<nil>" {
			t.Errorf("after it, have %q", have)
		}
	}
}

// Of what a process was writing when it was killed nothing is read, nor what that has overwritten.
func TestMachineKilledAtAWrite(t *testing.T) {
	k := newKept(t)
	k.machine.write(bytes.Repeat([]byte("x"), 2*LogHalf))
	const lost = 9
	k.must(k.machine.putWord(aheadWord, k.machine.size+lost))
	_, err := k.machine.file.WriteAt(bytes.Repeat([]byte("y"), lost-1), textAt+LogHalf)
	k.must(err)
	want := fmt.Appendf(bytes.Repeat([]byte("x"), LogHalf), "\n=== %d bytes are left out here\n", lost)
	want = append(want, bytes.Repeat([]byte("x"), LogHalf-lost)...)
	again, err := OpenLog(k.harness.File())
	k.must(err)
	for _, piece := range []string{"", "z"} { // The next process has written less so far.
		again.write([]byte(piece))
		want = append(want, piece...)
		if have, err := k.harness.Text(); err != nil || !bytes.Equal(have, want) {
			t.Errorf("have %d bytes, %v, want %d", len(have), err, len(want))
		}
	}
}

// A reader who is slower than the program holds nobody up: what is no more by then is counted, and the rest is as it was written.
func TestReadAlongAFastProgram(t *testing.T) {
	k := newKept(t)
	all := make([]byte, 6*LogHalf)
	_, err := rand.NewChaCha8([32]byte{}).Read(all)
	k.must(err)
	for i := range all {
		all[i] |= 0x80 // Then there is no line that could be taken for one of ours.
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		const piece = 50_000
		for rest := all; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			k.machine.write(rest[:min(piece, len(rest))])
		}
	}()
	gap := regexp.MustCompile(`\n?=== ([0-9]+) bytes are left out here\n`)
	place, gaps, looks := 0, 0, 0
	check := func(piece string) {
		if place+len(piece) > len(all) || piece != string(all[place:place+len(piece)]) {
			t.Fatalf("%d bytes at %d are not as they were written", len(piece), place)
		}
		place += len(piece)
	}
	r := NewReader(k.along)
	for last := false; !last; looks++ {
		select {
		case <-over:
			last = true
		default:
		}
		text := k.next(r, over)
		for m := gap.FindStringSubmatchIndex(text); m != nil; m = gap.FindStringSubmatchIndex(text) {
			check(text[:m[0]])
			n, err := strconv.Atoi(text[m[2]:m[3]])
			k.must(err)
			place, gaps, text = place+n, gaps+1, text[m[1]:]
		}
		check(text)
	}
	t.Logf("looked %d times, with %d gaps", looks, gaps)
	if place != len(all) {
		t.Errorf("read up to %d, want %d", place, len(all))
	}
}
