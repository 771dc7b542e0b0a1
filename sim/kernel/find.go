//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
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
	path, own := p.Environment["PATH"]
	if !own {
		path = room.SearchPath
	}
	// What is installed, and only not where the program is to look for it, is the scenario's mistake: a play will say so.
	if within(p, path, command) || own && within(p, room.SearchPath, command) {
		return nil
	}
	return fmt.Errorf("%s is not installed: it is not in %s", command, path)
}

// within reports whether a command is in one of the folders of a path.
func within(p *nodes.Program, path, command string) bool {
	return slices.ContainsFunc(filepath.SplitList(path), func(folder string) bool {
		return Find(p, filepath.Join("/", folder, command)) == nil
	})
}

// given reports whether a program brings a file along.
func given(p *nodes.Program, path string) bool {
	_, is := p.Files[path]
	return is
}
