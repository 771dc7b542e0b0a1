//go:build linux

package kernel

import (
	"os"
	"strconv"
)

// The numbers of the processes of two births of a machine's software begin so far apart, above those of the threads of
// their first process, and are as they were after so many births: a machine with a program has processesMax numbers.
const (
	pidsFrom   = 300
	pidsApart  = 500
	pidsRepeat = 7
)

// number lets the processes of this birth have other numbers than those of the birth before. Its software runs in a
// namespace of its own, whose numbers would begin at 1 again, while the kernel of a machine counts on when software
// crashes: a daemon that finds its own number in the file that its predecessor left takes itself for running already. A
// kernel that cannot do it lets numbers begin again.
func number(birth int) {
	first := pidsFrom + pidsApart*(birth%pidsRepeat)
	_ = os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(first)), 0)
}
