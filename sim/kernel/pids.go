//go:build linux

package kernel

import (
	"fmt"
	"os"
	"strconv"
)

// The numbers of the processes of two births of a machine's software begin so far apart, and are as they were after so many
// births: the largest that there is may be 32,767.
const (
	pidsApart  = 500
	pidsRepeat = 64
)

// number lets the processes of this birth have other numbers than those of the birth before. Its software runs in a namespace of
// its own, whose numbers would begin at 1 again, while the kernel of a machine counts on when software crashes: a daemon that
// finds its own number in the file that its predecessor left takes itself for running already.
func number(birth int) error {
	first := pidsApart * (birth % pidsRepeat)
	if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(first)), 0); err != nil {
		return fmt.Errorf("number processes from %d on: %w", first, err)
	}
	return nil
}
