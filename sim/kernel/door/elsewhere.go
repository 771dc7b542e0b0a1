//go:build !linux

package door

import (
	"fmt"
	"os"
	"runtime"
)

// errElsewhere is what all that can fail says here.
var errElsewhere = fmt.Errorf("the kernel world is played on Linux, and this is %s", runtime.GOOS)

// Runs returns an error: nothing is played in the kernel world here.
func Runs() ([]*Running, error) { return nil, errElsewhere }

// PassKeys does nothing: whoever enters the kernel world is told why that cannot be.
func PassKeys() error { return nil }

// ReadLog returns an error.
func (*Running) ReadLog(int, string, func(*os.File, <-chan struct{}) error) error {
	return errElsewhere
}

// Exec returns an error.
func (*Running) Exec(*Errand) (int, error) { return 0, errElsewhere }
