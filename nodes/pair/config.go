package pair

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"firedrill/nodes"
)

// Readings of "number of checks", which the vendor explains in two ways (D-Q1).
const (
	Spaced = "spaced" // so many retries, an interval apart
	Within = "within" // so many retries, spread over the interval of the check that failed
	Total  = "total"  // so many checks in all, an interval apart
)

// Config is what a unit is before anybody touches it, and what the vendor leaves open (spec 1.1, 5.5).
type Config struct {
	Firmware    string     `yaml:"firmware" doc:"version of the firmware; both units need the same"`
	Volume      nodes.Size `yaml:"volume" doc:"size of the RAID volume; a number that is compared, not filled"`
	Data        nodes.Size `yaml:"data" doc:"what the volume holds at the first boot; real bytes"`
	RaidVolumes int        `yaml:"raid_volumes" doc:"how many RAID volumes there are; pairing needs one"`
	Services    []string   `yaml:"services" choices:"power-schedule wake-on-lan snmp iscsi" doc:"switched on; each forbids pairing"`
	Modules     []string   `yaml:"modules" doc:"installed modules; they do not move with the role"`
	Peripherals []string   `yaml:"peripherals" choices:"printer ups" doc:"attached devices; they do not move with the role"`

	CheckSemantics string        `yaml:"check_semantics" choices:"spaced within total" doc:"what the number of checks means"`
	CheckTimeout   time.Duration `yaml:"check_timeout" doc:"how long a check waits for its answer"`
	TakeoverWork   time.Duration `yaml:"takeover_work" doc:"what may pass between the decision to take over and serving"`
	PairWait       time.Duration `yaml:"pair_wait" doc:"how long a standby tries to reach the active"`
	BootGrace      time.Duration `yaml:"boot_grace" doc:"for how long after its boot a standby counts no failed checks"`
	Return         string        `yaml:"return" choices:"probe naive" doc:"whether a returned active asks if its address is taken"`
	Sync           string        `yaml:"sync" choices:"atomic in-place" doc:"whether an image is committed as a whole"`
}

// newConfig holds the defaults of spec 1.1 and 5.5.
func newConfig() any {
	return &Config{
		Firmware: "5.03.02", Volume: 4e12, RaidVolumes: 1,
		CheckSemantics: Spaced, CheckTimeout: 2 * time.Second, TakeoverWork: 3 * time.Second,
		PairWait: time.Minute, BootGrace: 2 * time.Minute, Return: "probe", Sync: "atomic",
	}
}

// Check finds what is wrong with the config as a whole.
func (c *Config) Check() error {
	for _, w := range []struct {
		key, word string
		choices   []string
	}{
		{"check_semantics", c.CheckSemantics, []string{Spaced, Within, Total}},
		{"return", c.Return, []string{"probe", "naive"}},
		{"sync", c.Sync, []string{"atomic", "in-place"}},
	} {
		if !slices.Contains(w.choices, w.word) {
			return fmt.Errorf("want %s to be one of %s, have %q", w.key, strings.Join(w.choices, ", "), w.word)
		}
	}
	for _, s := range c.Services {
		if !slices.Contains(blocking, s) {
			return fmt.Errorf("want services out of %s, have %q", strings.Join(blocking, ", "), s)
		}
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"check_timeout", c.CheckTimeout}, {"takeover_work", c.TakeoverWork}, {"pair_wait", c.PairWait}} {
		if d.value <= 0 {
			return fmt.Errorf("want a %s above zero, have %s", d.key, nodes.FormatDuration(d.value))
		}
	}
	switch {
	case c.BootGrace < 0:
		return fmt.Errorf("want a boot_grace of 0s or more, have %s", nodes.FormatDuration(c.BootGrace))
	case c.Firmware == "":
		return fmt.Errorf("want a firmware version such as 5.03.02, have none")
	case c.RaidVolumes < 0:
		return fmt.Errorf("want 0 raid_volumes or more, have %d", c.RaidVolumes)
	case c.Data > c.Volume:
		return fmt.Errorf("want data that fits the volume of %s, have %s", c.Volume, c.Data)
	case c.Data > dataMax:
		return fmt.Errorf("want at most %s of data, since its bytes are real; have %s", dataMax, c.Data)
	}
	return nil
}

// dataMax is the most that a unit is made to hold from the start.
const dataMax nodes.Size = 1e9
