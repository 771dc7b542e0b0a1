//go:build linux

package kernel

import (
	"strings"
	"testing"

	"firedrill/nodes"
)

func TestFind(t *testing.T) {
	own := &nodes.Program{Files: map[string]string{"/opt/x/daemon": "#!/bin/sh\n"}, Environment: map[string]string{"PATH": "/nowhere:/opt/x"}}
	for _, test := range []struct {
		about, command string
		p              *nodes.Program
		want           string
	}{
		{"in the path", "sh", &nodes.Program{}, ""},
		{"by its path", "/bin/sh", &nodes.Program{}, ""},
		{"not in the path", "no-such-daemon", &nodes.Program{}, "no-such-daemon is not installed: it is not in /usr/local/sbin:"},
		{"not there", "/usr/sbin/no-such-daemon", &nodes.Program{}, "/usr/sbin/no-such-daemon is not installed"},
		{"a file that it is given", "/opt/x/daemon", own, ""},
		{"one in its own path", "daemon", own, ""},
		{"neither there nor in the usual path", "no-such-daemon", own, "no-such-daemon is not installed: it is not in /nowhere:/opt/x"},
		{"installed, but not in its own path: a play will say so", "sh", own, ""},
		{"on the machine's disk", "/srv/daemon", &nodes.Program{}, ""},
		{"of its working folder, which is the disk", "bin/daemon", &nodes.Program{}, ""},
		{"in memory", "/tmp/daemon", &nodes.Program{}, ""},
		{"not a file that can be run: a play will say so", "/etc/passwd", &nodes.Program{}, ""},
	} {
		have := ""
		if err := Find(test.p, test.command); err != nil {
			have = err.Error()
		}
		if !strings.HasPrefix(have, test.want) || (have == "") != (test.want == "") {
			t.Errorf("%s: want %q, have %q", test.about, test.want, have)
		}
	}
}
