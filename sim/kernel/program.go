//go:build linux

package kernel

import (
	"fmt"
	"os"
	"os/signal"
	"strings"

	"firedrill/sim/kernel/room"
	"firedrill/sim/kernel/supervisor"
)

// logFD is where the process of a program finds the log of its machine.
const logFD = 4

// liveAs is live for a machine whose software is a program.
func (h *host) liveAs(b *birth) error {
	log, err := supervisor.OpenLog(os.NewFile(logFD, "log"))
	if err != nil {
		return err
	}
	h.scale = b.Scale
	signal.Notify(make(chan os.Signal, 1)) // None that a program sends to this process ends it.
	os.Clearenv()
	for _, e := range room.Environment(b.Program.Environment) {
		key, value, _ := strings.Cut(e, "=")
		if err := os.Setenv(key, value); err != nil {
			return fmt.Errorf("set the environment: %w", err)
		}
	}
	fitting, err := b.room().Furnish()
	if err != nil {
		return err
	}
	h.program, err = supervisor.New(supervisor.Config{Program: b.Program, Log: log, Clock: monotonic, Now: h.now,
		Tell: func(all []supervisor.Told) { h.say(word{Told: all}) }})
	if err != nil {
		return err
	}
	go h.listen()
	// From here on it can only be the disk that lets this machine wait, and the drill does not wait for that.
	if err := h.tell(word{Ready: true}); err != nil {
		return err
	}
	wrong := fitting.Lay(b.Program.Files)
	h.laid.Store(true)
	if err := fitting.Close(); err != nil {
		return err
	}
	h.epoch = <-h.begin
	go h.lookOut()
	at, end := h.program.Run(wrong)
	h.say(word{At: at, Stopped: &end})
	return nil
}
