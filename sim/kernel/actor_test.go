//go:build linux

package kernel

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
)

// actKey makes the test binary a program that does what it says.
const actKey = "FIREDRILL_TEST_ACT"

// stage is where machines find the test binary: a test's own folder is hidden, as all of /tmp is.
const stage = "/mnt"

// showOurselves lets machines find the test binary. The mount is the tree's, and ends with it.
func showOurselves() error {
	if err := unix.Mount("tmpfs", stage, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount a tmpfs at %s: %w", stage, err)
	}
	if err := os.WriteFile(stage+"/actor", nil, 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return unix.Mount(self, stage+"/actor", "", unix.MS_BIND, "")
}

// actor is a program that does some things, one after the other.
func actor(acts ...string) nodes.Program {
	return nodes.Program{Command: []string{stage + "/actor"}, Environment: map[string]string{actKey: strings.Join(acts, "; ")}}
}

// perform does what it is told, says what came of it, and stays.
func perform(acts string) {
	for act := range strings.SplitSeq(acts, "; ") {
		verb, object, _ := strings.Cut(act, " ")
		switch verb {
		case "listen":
			network := "tcp4"
			if object[0] == '@' {
				network = "unix"
			}
			l, err := net.Listen(network, object)
			fmt.Println(act, err)
			if err == nil {
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						fmt.Fprint(c, "hello")
						c.Close()
					}
				}()
			}
		case "log":
			c, err := net.Dial("unixgram", "/dev/log")
			if err == nil {
				_, err = fmt.Fprint(c, object)
			}
			if err != nil {
				fmt.Println(act, err)
			}
		case "write": // So many pieces of lines of 64 bytes, 64 KiB each.
			pieces, _ := strconv.Atoi(object)
			piece := bytes.Repeat([]byte(strings.Repeat("x", 63)+"\n"), 1024)
			for range pieces {
				_, _ = os.Stdout.Write(piece)
			}
			fmt.Println(act, "done")
		case "end":
			status, _ := strconv.Atoi(object)
			os.Exit(status)
		case "wait":
			d, err := time.ParseDuration(object)
			time.Sleep(d)
			fmt.Println(act, err)
		}
	}
	time.Sleep(time.Hour)
}
