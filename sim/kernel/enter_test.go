//go:build linux

package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What a system says of user namespaces decides which advice its users get.
func TestAdvice(t *testing.T) {
	const (
		appArmor = "kernel/apparmor_restrict_unprivileged_userns"
		debian   = "kernel/unprivileged_userns_clone"
		limit    = "user/max_user_namespaces"
	)
	for _, x := range []struct {
		name     string
		err      error
		settings map[string]string
		want     string // "": none
	}{
		{"Ubuntu", syscall.EACCES, map[string]string{appArmor: "1", limit: "9999"}, "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"Debian of old", syscall.EPERM, map[string]string{debian: "0", limit: "9999"}, "sysctl kernel.unprivileged_userns_clone=1"},
		{"switched off", syscall.ENOSPC, map[string]string{appArmor: "0", debian: "1", limit: "0"}, "sysctl user.max_user_namespaces=10000"},
		{"a container", syscall.EPERM, map[string]string{appArmor: "0", debian: "1", limit: "9999"}, "inside a container"},
		{"an old kernel", syscall.EINVAL, nil, "the kernel does not allow user namespaces here"},
		{"something else", syscall.ENOMEM, map[string]string{appArmor: "1", debian: "0", limit: "0"}, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, value := range x.settings {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if have := advice(x.err, dir); !strings.Contains(have, x.want) || (have == "") != (x.want == "") {
				t.Errorf("want %q in %q", x.want, have)
			}
		})
	}
}
