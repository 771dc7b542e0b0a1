//go:build linux

package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"

	"firedrill/nodes"
	"firedrill/sim/kernel/room"
)

// Find tells whether a command of a program is on this system, where a machine would look for it. The error says where it is not;
// what only a machine can have, on its disk or among the files that it is given, is taken to be there.
func Find(p *nodes.Program, command string) error {
	if strings.Contains(command, "/") {
		if !filepath.IsAbs(command) || room.Own(command) || strings.HasPrefix(command, room.Disk+"/") || given(p, command) {
			return nil
		}
		if _, err := exec.LookPath(command); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is not installed", command)
		}
		return nil
	}
	path := cmp.Or(p.Environment["PATH"], room.SearchPath)
	for _, folder := range filepath.SplitList(path) {
		if Find(p, filepath.Join("/", folder, command)) == nil {
			return nil
		}
	}
	return fmt.Errorf("%s is not installed: it is not in %s", command, path)
}

// given reports whether a program brings a file along.
func given(p *nodes.Program, path string) bool {
	_, is := p.Files[path]
	return is
}
