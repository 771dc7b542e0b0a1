//go:build linux

package room

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asOtherUser are the calls by which a process becomes another user, or gives a file to one.
var asOtherUser = []uint32{unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID,
	unix.SYS_SETRESGID, unix.SYS_SETGROUPS, unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT}

// olderCalls are further ones that only some processors have: chown and lchown.
var olderCalls = map[string][]uint32{"amd64": {92, 94}}

// auditArch are the processors by whose numbers the calls above go here.
var auditArch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// stayOneUser lets what the calling thread starts stay the one user that there is, where it wants to become another: it is told
// that it has. Many programs give up root before they begin, and end if they cannot: tcpdump does, and daemons. Where there are
// other users, or the processor is an uncommon one, nothing is changed.
func stayOneUser() error {
	arch, known := auditArch[runtime.GOARCH]
	if EveryUser() || !known {
		return nil
	}
	const number, architecture = 0, 4 // Where they are in what the kernel shows to a filter.
	const done = unix.SECCOMP_RET_ERRNO
	calls := slices.Concat(asOtherUser, olderCalls[runtime.GOARCH])
	n := uint8(len(calls))
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: architecture},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: arch, Jf: n + 1},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
	}
	for i, call := range calls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jt: n - uint8(i)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: done})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("let a command be the one user that there is: %w", errno)
	}
	return nil
}

// EveryUser reports whether every user of the system has a number of its own here.
func EveryUser() bool {
	have, err := os.ReadFile("/proc/self/uid_map")
	words := strings.Fields(string(have))
	return err == nil && len(words) == 3 && words[2] == fmt.Sprint(uint32(math.MaxUint32))
}
