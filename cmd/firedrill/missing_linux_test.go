package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Where something is missing that the kernel world needs, one line says what, and how to get it.
func TestWhatIsMissingIsSaid(t *testing.T) {
	inBoxes(t, func(b *box) {
		b.install()
		before := b.look()
		for _, m := range missing {
			if m.user && b.uid == 0 {
				continue // Root may open what it likes.
			}
			b.Run(m.name, func(t *testing.T) {
				here := &box{t, b.dir, b.uid}
				d := here.without(m.takeAway)
				if len(m.words) == 0 {
					d.ends(statusPass, statusUnclear)
					return
				}
				if status := d.end(); status == unable {
					t.Skipf("it cannot be taken away here:\n%s", &d.out)
				} else if status != statusFault {
					t.Errorf("want status %d, have %d", statusFault, status)
				}
				d.says(append(m.words, "firedrill: the kernel world: ")...)
				if strings.Count(d.out.String(), "\n") != 1 {
					t.Errorf("want one line, have\n%s", &d.out)
				}
				here.nothingLeft(before, m.name)
			})
		}
	})
}

// missing are things to take away, by a shell in a mount namespace of its own that then is firedrill, with $AS as the user.
var missing = []struct {
	name     string
	user     bool // for an ordinary user alone
	takeAway string
	words    []string
}{
	{"nothing", false, `exec $AS "$@"`, nil},
	{"no TAP", false, `mount -t tmpfs none /dev/net; exec $AS "$@"`,
		[]string{"open /dev/net/tun: no such file or directory: the kernel world needs it; load it with modprobe tun as root"}},
	{"no FUSE", false, `cd /run; mkdir -p dev/net dev/shm; touch dev/null; mount --bind /dev/null dev/null; mount --bind /dev/net dev/net
		mount --rbind dev /dev; cd - >/dev/null; exec $AS "$@"`,
		[]string{"open /dev/fuse: no such file or directory: the kernel world needs it; load it with modprobe fuse as root"}},
	{"no driver of FUSE", false, node + `node 666 240 99 /dev/fuse; exec $AS "$@"`,
		[]string{"open /dev/fuse: no such device or address: the kernel world needs it; load it with modprobe fuse as root"}},
	{"a TAP that is closed", true, node + `node 600 10 200 /dev/net/tun; exec $AS "$@"`,
		[]string{"open /dev/net/tun: permission denied: the kernel world needs it; open it to users with chmod 666 /dev/net/tun as root"}},
	{"FUSE that is closed", true, node + `node 600 10 229 /dev/fuse; exec $AS "$@"`,
		[]string{"open /dev/fuse: permission denied: the kernel world needs it; open it to users with chmod 666 /dev/fuse as root"}},
	{"FUSE that is forbidden", false, node + `node 666 10 229 /dev/fuse; mount -o remount,bind,nodev /dev/fuse; exec $AS "$@"`,
		[]string{"open /dev/fuse: permission denied: the kernel world needs it; its mode allows it, so what this system runs in does not: " +
			"a container has to be given the device"}},
	{"a TAP that is a file", false, `touch /run/node; chmod 666 /run/node; mount --bind /run/node /dev/net/tun; exec $AS "$@"`,
		[]string{"/dev/net/tun is no device, and the kernel world needs it"}},
	// The limit is one of a user namespace: in one below, it can be 0 without a change for anybody else.
	{"no user namespaces", false, `exec $AS unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"' sh "$@"`,
		[]string{"no space left on device: user namespaces are switched off; allow them with sysctl user.max_user_namespaces=10000"}},
	// Who has another root may make none.
	{"no leave for user namespaces", false, `mkdir /run/root; mount --rbind / /run/root; exec chroot --userspec=$ID:$ID /run/root "$@"`,
		[]string{"operation not permitted: the kernel does not allow user namespaces here (inside a container they may have to be " +
			"allowed from outside)"}},
	{"a masked /proc", false, `mount -t tmpfs none /proc/sys; exec $AS "$@"`,
		[]string{"mount /proc: operation not permitted (inside a container it may have to be unmasked from outside)"}},
}

// node is a function of the shell that puts a device in the place of another file: node MODE MAJOR MINOR FILE.
const node = `node() { mknod -m $1 /run/node c $2 $3 || exit 77; mount --bind /run/node $4; }; `

// unable is the status of a shell that cannot take something away.
const unable = 77

// installed is where firedrill lies in a box, for shells.
const installed = "/tmp/firedrill"

func (b *box) install() {
	b.Helper()
	b.must(os.Mkdir("/run/mount", 0o755)) // As mount would.
	from, err := os.Open("/proc/self/exe")
	b.must(err)
	defer from.Close()
	to, err := os.OpenFile(installed, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	b.must(err)
	_, err = io.Copy(to, from)
	b.must(errors.Join(err, to.Close()))
}

// without begins a short drill where a script has taken something away.
func (b *box) without(takeAway string) *drill {
	b.Helper()
	const private = `set -e; mount --make-rprivate /; mount -t tmpfs none /run; `
	d := b.drill("-c", private+takeAway, "sh", installed, "run", "brief.yaml", "--world", "kernel", "--out", kept)
	d.Path, d.Args[0] = "/bin/sh", "sh"
	as, id := "", "0"
	if b.uid != 0 {
		as, id = "setpriv --reuid=65534 --regid=65534 --clear-groups", "65534"
	}
	d.Env = append(d.Env, "AS="+as, "ID="+id)
	d.SysProcAttr.Credential = nil
	d.SysProcAttr.Cloneflags = unix.CLONE_NEWNS
	return d.start()
}
