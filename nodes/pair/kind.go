package pair

import (
	"encoding/json"

	"firedrill/nodes"
	"firedrill/nodes/client"
)

// Facts that the unit notes beside those of every kind.
const (
	FactSyncBegun      = "sync-begun"
	FactSyncCommitted  = "sync-committed"
	FactSyncAborted    = "sync-aborted"
	FactImageCommitted = "image-committed"
	FactCheckSent      = "check-sent"
	FactCheckAnswered  = "check-answered"
	FactCheckFailed    = "check-failed"
	FactErased         = "erased"
	FactTookOver       = "took-over"
	FactAlarm          = "alarm"
	FactSettings       = "settings"
)

// Kind is system D's unit.
func Kind() *nodes.Kind {
	states := make([]string, len(Phases))
	for i, p := range Phases {
		states[i] = string(p)
	}
	return &nodes.Kind{
		Name:   "pair",
		Doc:    "A NAS unit of an active/standby pair behind one virtual address, copied on a schedule (system D).",
		Config: newConfig,
		New:    func(config any) nodes.Node { return &Unit{config: config.(*Config)} },
		Verbs:  verbs(),
		Probes: probes(),
		Roles:  []string{RoleActive, RoleStandby},
		States: states,
		Facts: []nodes.FactKind{
			{Name: FactSyncBegun, Doc: "The active has fixed the snapshot of an image; value: its id, attribute at: by its clock."},
			{Name: FactSyncCommitted, Doc: "The standby has acknowledged an image; noted by the active, value: its id."},
			{Name: FactSyncAborted, Doc: "An image was given up; noted by the active, value: its id."},
			{Name: FactImageCommitted, Doc: "An image is durable on the standby; value: its id."},
			{Name: FactCheckSent, Doc: "A check has left; noted by the unit that checks."},
			{Name: FactCheckAnswered, Doc: "A check was answered in time; noted by the unit that checks."},
			{Name: FactCheckFailed, Doc: "A check was not answered in time; value: how many in a row count."},
			{Name: FactErased, Doc: "The volume was erased, since the unit has become standby."},
			{Name: FactTookOver, Doc: "A standby serves; attributes image, check_semantics."},
			{Name: FactAlarm, Doc: "The operator should know; value: the reason."},
			{Name: FactSettings, Doc: "Settings in force; attributes interval, checks, check_semantics, schedule."},
		},
		Procedures: runbooks(),
		Dialect:    client.Files,
		Contents:   contents,
	}
}

func verbs() []nodes.Verb {
	post := func(path string) func(nodes.Values) nodes.Request { return request("POST", path) }
	arg := func(name, doc string) nodes.Arg { return nodes.Arg{Name: name, Doc: doc} }
	return []nodes.Verb{
		{Name: string(itemApply), Doc: "set the unit up", Request: post("/failover/apply"), Args: []nodes.Arg{
			{Name: "role", Doc: "active or standby", Required: true},
			{Name: "pair_ip", Doc: "the other unit's address", Required: true},
			{Name: "pair_code", Doc: "the secret of the pair, 1 to 32 characters", Required: true},
			arg("virtual_ip", "address of the service"),
			arg("virtual_interface", "interface of that address; left out: the one whose subnet it is in"),
			arg("heartbeat_interface", "interface of checks and copies"),
			arg("heartbeat_ips", "heartbeat addresses of the active and the standby"),
			arg("interval", "between two checks, 5s to 10m"),
			arg("checks", "number of checks, 1 to 10"),
			arg("schedule", "of the sync: hourly, daily or weekly"),
		}},
		{Name: string(itemDisconnect), Doc: "stop the service", Request: post("/failover/disconnect")},
		{Name: string(itemSettings), Doc: "change checks or schedule", Request: request("PATCH", "/failover"),
			Args: []nodes.Arg{
				arg("interval", "between two checks"), arg("checks", "number of checks"), arg("schedule", "of the sync"),
				arg("virtual_ip", "cannot be changed"), arg("pair_ip", "cannot be changed"),
				arg("pair_code", "cannot be changed"), arg("role", "cannot be changed"),
				arg("heartbeat_ips", "cannot be changed"),
			}},
		{Name: string(itemStatus), Doc: "look at the unit", Request: request("GET", "/failover/status")},
		{Name: "view-services", Doc: "look at what the machine offers beside files", Request: request("GET", "/system/services")},
		{Name: string(itemNotification), Doc: "say who is told of alarms", Request: post("/system/notification"),
			Args: []nodes.Arg{arg("mail", "address")}},
		{Name: string(itemShutdown), Doc: "switch the unit off", Request: post("/system/shutdown")},
		{Name: string(itemReboot), Doc: "boot the unit again", Request: post("/system/reboot")},
		{Name: string(itemUpgrade), Doc: "install another firmware", Request: post("/system/upgrade"),
			Args: []nodes.Arg{arg("firmware", "version")}},
		{Name: string(itemRAID), Doc: "change the RAID volumes", Request: post("/raid/settings"),
			Args: []nodes.Arg{arg("level", "RAID level"), arg("volumes", "how many there are")}},
		{Name: string(itemEnableService), Doc: "switch a service on", Request: post("/system/services/enable"),
			Args: []nodes.Arg{arg("service", "power-schedule, wake-on-lan, snmp or iscsi")}},
		{Name: string(itemStopService), Doc: "switch a service off", Request: post("/system/services/disable"),
			Args: []nodes.Arg{arg("service", "power-schedule, wake-on-lan, snmp or iscsi")}},
	}
}

// request sends the values as they were written: the unit has to refuse the wrong ones.
func request(method, path string) func(nodes.Values) nodes.Request {
	return func(with nodes.Values) nodes.Request {
		r := nodes.Request{Method: method, Path: path}
		if method == "GET" {
			return r
		}
		members := map[string]any{}
		for _, v := range with {
			if v.List != nil {
				members[v.Key] = v.List
			} else {
				members[v.Key] = v.Text
			}
		}
		body, err := json.Marshal(members) // Sorted by key.
		if err != nil {
			panic("pair: strings cannot be marshalled: " + err.Error())
		}
		r.Body = body
		return r
	}
}

func probes() []nodes.Probe {
	field := func(name string) func(nodes.Answer) string {
		return func(a nodes.Answer) string { return a.Field(name) }
	}
	states := make([]string, len(Phases))
	for i, p := range Phases {
		states[i] = string(p)
	}
	return []nodes.Probe{
		{Name: "state", Doc: "the unit's state, by its own word", Choices: states,
			Request: request("GET", "/failover/status"), Answer: field("state")},
		{Name: "redundancy", Doc: "whether another unit could take over now, by the unit's own word",
			Choices: []string{"full", "none"}, Request: request("GET", "/failover/status"), Answer: field("redundancy")},
		{Name: "data", Doc: "what the files are, all of them read back: the unit's own, none, those of an image, or changed since",
			Choices: []string{"intact", "erased", "same-as-active", "moved-on", "damaged"},
			Request: request("GET", "/failover/data"), Answer: field("data")},
	}
}
