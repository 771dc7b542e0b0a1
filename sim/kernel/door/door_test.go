//go:build linux

package door

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Only its own user and root look into a run, and where users cannot be told apart nobody that may be another.
func TestWhoMayEnter(t *testing.T) {
	for _, x := range []struct {
		who, own  int
		everyUser bool
		want      bool
	}{
		{1000, 1000, true, true}, {0, 1000, true, true}, {1001, 1000, true, false}, {1000, 0, true, false},
		{65534, 65534, true, true}, {65534, 65534, false, false}, {0, 65534, false, true}, {1000, 1000, false, true},
	} {
		if have := mayEnter(x.who, x.own, x.everyUser); have != x.want {
			t.Errorf("%+v: have %t", x, have)
		}
	}
}

// What cannot be understood is refused with a status that is no success.
func TestBadRequests(t *testing.T) {
	for message, want := range map[string]string{
		"x":                                        "want a request: invalid character 'x' looking for beginning of value",
		`{"terminal": true}`:                       "want a request: json: cannot unmarshal",
		`{"command": ["true"]}`:                    "want from 3 to 3 files with the command, have 0",
		`{"command": ["true"], "terminal": {}}`:    "nowhere",
		`{"log": true, "machine": "one"}`:          "nowhere",
		`{"log": "one"}`:                           "want a request: json: cannot unmarshal",
		strings.Repeat(" ", messageLimit+1) + "{}": "want a request: want a message of at most 65536 bytes",
	} {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := packets(fds[0])
		theirs, errTheirs := packets(fds[1])
		if err = errors.Join(err, errTheirs); err != nil {
			t.Fatal(err)
		}
		if _, err := ours.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
		(&Server{House: emptyHouse{}}).Serve(theirs)
		theirs.Close()
		var a answer
		if _, err := hear(ours, &a, 0); err != nil || !strings.HasPrefix(a.Error, want) || a.Status != statusNot {
			t.Errorf("of %.60q: want %q, have %q, status %d, %v", message, want, a.Error, a.Status, err)
		}
		ours.Close()
	}
}

// emptyHouse has no machines.
type emptyHouse struct{}

func (emptyHouse) Plays(func(Play, []*os.File) error) error { return nil }
func (emptyHouse) Log(int, string) (*os.File, <-chan struct{}, error) {
	return nil, nil, errors.New("nowhere")
}
func (emptyHouse) Admit(int, string, func(*Way)) error { return errors.New("nowhere") }
