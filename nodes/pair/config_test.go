package pair

import (
	"testing"
	"time"
)

// TestConfig: the defaults are right, and each thing that can be wrong is refused (spec 1.1).
func TestConfig(t *testing.T) {
	if err := newConfig().(*Config).Check(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	right := newConfig().(*Config)
	right.Services, right.Data, right.Volume, right.BootGrace = []string{"snmp", "iscsi"}, 1e6, 1e6, 0
	if err := right.Check(); err != nil {
		t.Error(err)
	}
	for name, wrong := range map[string]func(*Config){
		"check_semantics": func(c *Config) { c.CheckSemantics = "often" },
		"return":          func(c *Config) { c.Return = "never" },
		"sync":            func(c *Config) { c.Sync = "" },
		"services":        func(c *Config) { c.Services = []string{"ftp"} },
		"check_timeout":   func(c *Config) { c.CheckTimeout = 0 },
		"takeover_work":   func(c *Config) { c.TakeoverWork = -time.Second },
		"pair_wait":       func(c *Config) { c.PairWait = 0 },
		"boot_grace":      func(c *Config) { c.BootGrace = -1 },
		"firmware":        func(c *Config) { c.Firmware = "" },
		"raid_volumes":    func(c *Config) { c.RaidVolumes = -1 },
		"data > volume":   func(c *Config) { c.Data = c.Volume + 1 },
		"data":            func(c *Config) { c.Data = dataMax + 1 },
	} {
		c := newConfig().(*Config)
		wrong(c)
		if c.Check() == nil {
			t.Errorf("a wrong %s is taken", name)
		}
	}
}
