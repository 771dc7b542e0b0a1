package scenarios

import (
	"fmt"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/program"
	"firedrill/scenarios/expect"
)

// unitConfig has the keys of a pair's unit, and one of each sort of field.
type unitConfig struct {
	Volume         nodes.Size     `yaml:"volume"`
	Data           nodes.Size     `yaml:"data"`
	Firmware       string         `yaml:"firmware"`
	RaidVolumes    int            `yaml:"raid_volumes"`
	Services       []string       `yaml:"services" choices:"power-schedule wake-on-lan snmp iscsi"`
	CheckTimeout   time.Duration  `yaml:"check_timeout"`
	TakeoverWork   time.Duration  `yaml:"takeover_work"`
	PairWait       time.Duration  `yaml:"pair_wait"`
	CheckSemantics string         `yaml:"check_semantics" choices:"spaced within total"`
	Return         string         `yaml:"return" choices:"probe naive"`
	Sync           string         `yaml:"sync" choices:"atomic in-place"`
	Limits         map[string]int `yaml:"limits"`
	Alarm          unitAlarm      `yaml:"alarm"`
	Ports          []uint16       `yaml:"ports"`
}

type unitAlarm struct {
	Mail  string      `yaml:"mail"`
	Every *nodes.Rate `yaml:"every"`
}

func (c *unitConfig) Check() error {
	if c.Data > c.Volume {
		return fmt.Errorf("data %s does not fit in volume %s", c.Data, c.Volume)
	}
	return nil
}

var programKind = program.Kind()

func args(required string, optional ...string) []nodes.Arg {
	all := []nodes.Arg{{Name: required, Required: true}}
	for _, name := range optional {
		all = append(all, nodes.Arg{Name: name})
	}
	return all
}

var unitKind = &nodes.Kind{
	Name: "pair",
	Config: func() any {
		return &unitConfig{Volume: 4e12, Data: 1e6, CheckSemantics: "spaced", Return: "probe", Sync: "atomic"}
	},
	New: func(any) nodes.Node { return nil },
	Verbs: []nodes.Verb{
		{Name: "apply", Args: args("role", "pair_ip", "pair_code", "virtual_ip", "heartbeat_ips", "interval", "checks", "schedule")},
		{Name: "disconnect"}, {Name: "shutdown"}, {Name: "reboot"}, {Name: "view-status"},
		{Name: "upgrade", Args: args("firmware")},
		{Name: "change-raid", Args: args("level")},
		{Name: "enable-service", Args: args("service")},
		{Name: "set-notification", Args: args("mail")},
		{Name: "change-settings", Args: []nodes.Arg{{Name: "virtual_ip"}, {Name: "interval"}, {Name: "checks"}, {Name: "schedule"}}},
	},
	Probes: []nodes.Probe{
		{Name: "state", Choices: []string{"standalone", "active", "standby", "active-solo", "stale-active"}},
		{Name: "data", Choices: []string{"intact", "erased", "same-as-active"}},
		{Name: "redundancy", Choices: []string{"full", "none"}},
	},
	Roles:  []string{"active", "standby"},
	States: []string{"standalone", "pairing-a", "pairing-s", "active", "standby", "active-solo", "stale-active"},
	Facts: []nodes.FactKind{{Name: "check-sent"}, {Name: "check-answered"}, {Name: "sync-begun"}, {Name: "sync-committed"},
		{Name: "erased"}},
}

// subject is a claim of any name: what it says is not looked at here.
type claimBase struct{ name string }

func (c claimBase) Name() string                     { return c.name }
func (c claimBase) Judge(*expect.Run) expect.Finding { return expect.Finding{Verdict: expect.Pass} }

type (
	takeoverClaim struct {
		claimBase
		Machine   string        `yaml:"takeover" ref:"machine"`
		Since     string        `yaml:"since" ref:"step"`
		NotBefore time.Duration `yaml:"not_before"`
		Within    time.Duration `yaml:"within"`
	}
	hazardClaim struct {
		claimBase
		ID   string `yaml:"hazard" ref:"hazard"`
		Seen string `yaml:"seen" choices:"every-seed some-seed"`
	}
	lossClaim struct {
		claimBase
		Mode  string `yaml:"lost_writes" choices:"none after-last-image divergent"`
		Since string `yaml:"since" ref:"step"`
	}
	neverClaim struct {
		claimBase
		Fact  string `yaml:"never" ref:"fact"`
		Of    string `yaml:"of" ref:"machine"`
		Since string `yaml:"since" ref:"step"`
	}
	happensClaim struct {
		claimBase
		Fact  string `yaml:"happens" ref:"fact"`
		Of    string `yaml:"of" ref:"machine"`
		Since string `yaml:"since" ref:"step"`
		Times int    `yaml:"times"`
	}
	writersClaim struct {
		claimBase
		All string `yaml:"no_dual_writers" choices:"all"`
	}
	ownerClaim struct {
		claimBase
		Address expect.Service `yaml:"single_address_owner"`
	}
	servingClaim struct {
		claimBase
		Clients string        `yaml:"serving" ref:"clients"`
		By      string        `yaml:"by" ref:"machine"`
		Since   string        `yaml:"since" ref:"step"`
		Within  time.Duration `yaml:"within"`
	}
	imageClaim struct {
		claimBase
		Mode string `yaml:"served_image" choices:"newest-committed"`
	}
	optionClaim struct {
		claimBase
		Option string `yaml:"undocumented"`
	}
)

// testCatalogue has what system D's examples speak of.
func testCatalogue() *Catalogue {
	form := func(name string, make func() expect.Claim, kinds ...string) expect.Form {
		return expect.Form{Name: name, New: make, Kinds: kinds}
	}
	hazards := []expect.Hazard{}
	for i := 1; i <= 7; i++ {
		hazards = append(hazards, expect.Hazard{ID: fmt.Sprintf("HZ-D%d", i)})
	}
	return &Catalogue{
		Kinds: []*nodes.Kind{unitKind, {Name: "web", Config: func() any { return &struct{}{} }}, programKind},
		Claims: []expect.Form{
			form("takeover", func() expect.Claim { return &takeoverClaim{claimBase: claimBase{"takeover"}} }, "pair"),
			form("hazard", func() expect.Claim { return &hazardClaim{claimBase: claimBase{"hazard"}} }),
			form("lost_writes", func() expect.Claim { return &lossClaim{claimBase: claimBase{"lost_writes"}} }),
			form("never", func() expect.Claim { return &neverClaim{claimBase: claimBase{"never"}} }),
			form("happens", func() expect.Claim { return &happensClaim{claimBase: claimBase{"happens"}} }),
			form("no_dual_writers", func() expect.Claim { return &writersClaim{claimBase: claimBase{"no_dual_writers"}} }),
			form("single_address_owner", func() expect.Claim { return &ownerClaim{claimBase: claimBase{"single_address_owner"}} }),
			form("serving", func() expect.Claim { return &servingClaim{claimBase: claimBase{"serving"}} }),
			form("served_image", func() expect.Claim { return &imageClaim{claimBase: claimBase{"served_image"}} }),
			form("undocumented", func() expect.Claim { return &optionClaim{claimBase: claimBase{"undocumented"}} }),
		},
		Hazards: hazards,
	}
}
