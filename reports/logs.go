package reports

import (
	"net/url"
	"os"
	"path/filepath"
)

// findLogs finds what foreign programs wrote in a play, for a report in a folder. Who moves that folder with the play in it
// moves links that lead to where they did.
func (r *Run) findLogs(from string) {
	r.logs = map[string]string{}
	way, err := wayTo(from, r.dir)
	if err != nil {
		return // There is none: nothing can be linked.
	}
	for _, m := range r.Machines {
		file := m.Name + logSuffix
		if filepath.Base(file) != file {
			continue // No machine is called that: somebody has written this.
		}
		if info, err := os.Lstat(filepath.Join(r.dir, file)); err == nil && info.Mode().IsRegular() {
			r.logs[m.Name] = (&url.URL{Path: filepath.ToSlash(filepath.Join(way, file))}).String()
		}
	}
}

// wayTo is the relative path from a folder to another one. Links on the way are followed first: `..` of a link is not where
// it lies.
func wayTo(from, to string) (string, error) {
	if to == "" {
		return "", os.ErrNotExist
	}
	paths := [2]string{from, to}
	for i, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			paths[i], err = filepath.Abs(real)
		}
		if err != nil {
			return "", err
		}
	}
	return filepath.Rel(paths[0], paths[1])
}

// Logged reports whether there is a log to be linked.
func (s *Shown) Logged() bool { return len(s.logs) > 0 }
