//go:build !linux

package kernel

// Runs returns an error: nothing is played in the kernel world here.
func Runs() ([]*Running, error) { return nil, errElsewhere }

// PassKeys does nothing: Enter will say why.
func PassKeys() error { return nil }

// Exec returns an error.
func (*Running) Exec(*Errand) (int, error) { return 0, errElsewhere }
