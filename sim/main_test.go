package sim

import (
	"flag"
	"os"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := flag.Set("rewrite", "true"); err != nil { // datadriven's own switch.
			panic(err)
		}
	}
	syscall.Umask(umask) // The real file system is to do as the simulated one does.
	os.Exit(m.Run())
}
