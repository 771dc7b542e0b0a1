package pair

import (
	"slices"

	"firedrill/nodes"
)

// What the applications of both units have in common in every runbook: the blanks are those of settingArgs.
const (
	applyActive = "do: apply, machine: $active, with: {role: active, pair_ip: $standby_ip, pair_code: $pair_code, " +
		"virtual_ip: $virtual_ip, heartbeat_ips: $heartbeat_ips, interval: $interval, checks: $checks, schedule: $schedule}"
	applyStandby = "do: apply, machine: $standby, with: {role: standby, pair_ip: $active_ip, pair_code: $pair_code}"
)

// settingArgs are what an operator has to know to set two units up, which of them is to be the active above all (D-12, D-13).
func settingArgs(active, standby string) []nodes.Arg {
	need := func(name, doc string) nodes.Arg { return nodes.Arg{Name: name, Doc: doc, Required: true} }
	return []nodes.Arg{
		need("active", active), need("standby", standby),
		need("active_ip", "its address, which the standby asks"), need("standby_ip", "its address, from which it asks"),
		need("pair_code", "the secret of the pair"), need("virtual_ip", "address of the service"),
		need("heartbeat_ips", "heartbeat addresses of the active and the standby"),
		need("interval", "between two checks"), need("checks", "number of checks"),
		need("schedule", "of the sync: hourly, daily or weekly"),
	}
}

// runbooks are the vendor's instructions, and what follows from them. Each ends when the pair is redundant, or the unit is off.
func runbooks() []nodes.Procedure {
	return slices.Concat(settingUp(), maintenance())
}

// settingUp are the first set-up (D-12, D-13, D-18, D-19, D-21, D-22, D-27) and the one after a takeover (D-58, D-59, D-60, D-61,
// D-62). There the old active leaves its pair first, as it may still hold the address (D-40, D-56); then the operator makes sure
// that the survivor serves, since the unit that serves has the newest data. What only the old active has is erased with the rest
// of it: rescue it before (D-64).
func settingUp() []nodes.Procedure {
	return []nodes.Procedure{{
		Name: "set-up",
		Doc:  "make a pair of two units: what the standby holds is erased",
		Args: settingArgs("the unit whose data stay", "the unit that is erased"),
		Steps: []string{
			"{step: apply-active, " + applyActive + "}",
			"{step: apply-standby, " + applyStandby + "}",
			"{step: await-copy, probe: redundancy, machine: $active, want: full, within: 1h}",
		},
	}, {
		Name: "set-up-again",
		Doc:  "make a pair again after a takeover: the survivor, which has the newest data, is the active",
		Args: settingArgs("the unit that took over", "the old active, which is erased"),
		Steps: []string{
			"{step: leave-old-pair, do: disconnect, machine: $standby}",
			"{step: see-survivor, probe: owner, with: {address: $virtual_ip}, want: $active}",
			"{step: apply-survivor, " + applyActive + "}",
			"{step: apply-returned, " + applyStandby + "}",
			"{step: await-redundancy, probe: redundancy, machine: $active, want: full, within: 1h}",
			"{step: compare-data, probe: data, machine: $standby, want: same-as-active}",
		},
	}}
}

// maintenance are the planned shutdown of the active and its return, and the replacement of a failed unit. An active cannot be
// shut down while the service runs (D-32, D-35), so the pair is taken apart (D-38), and nothing serves the virtual address until
// it is set up again. A standby that has not heard of it would take over (D-68): that it has is looked at before the active goes.
// A new unit's firmware, volumes and services have to fit (D-02..D-08), and modules and devices are moved by hand (D-53, D-54).
func maintenance() []nodes.Procedure {
	return []nodes.Procedure{{
		Name: "shut-down",
		Doc:  "take the pair apart and switch the active off, without a takeover",
		Args: []nodes.Arg{{Name: "active", Doc: "the unit that is switched off", Required: true},
			{Name: "standby", Doc: "the other one, which stays", Required: true}},
		Steps: []string{
			"{step: stop-service, do: disconnect, machine: $active}",
			"{step: see-standby-told, probe: state, machine: $standby, want: standalone, within: 10m}",
			"{step: switch-off, do: shutdown, machine: $active}",
			"{step: see-off, probe: up, machine: $active, want: down, within: 1m}",
		},
	}, {
		Name: "return-from-shut-down",
		Doc:  "switch the unit on and make it the active again: its data are the newest, since nobody served meanwhile",
		Args: settingArgs("the unit that was switched off", "the other one, which is erased"),
		Steps: []string{
			"{step: switch-back-on, boot: $active}",
			"{step: see-back, probe: state, machine: $active, want: standalone, within: 10m}",
			"{step: apply-back, " + applyActive + "}",
			"{step: apply-other, " + applyStandby + "}",
			"{step: await-other, probe: redundancy, machine: $active, want: full, within: 1h}",
		},
	}, {
		Name: "replace-active",
		Doc:  "put a new unit in place of an active that died; the survivor goes on serving",
		Args: settingArgs("the unit that took over", "the new unit, in place of the old active"),
		Steps: []string{
			"{step: empty-unit, replace_disk: $standby, how: empty}",
			"{step: start-unit, boot: $standby}",
			"{step: see-unit, probe: state, machine: $standby, want: standalone, within: 10m}",
			"{step: see-who-serves, probe: owner, with: {address: $virtual_ip}, want: $active}",
			"{step: apply-server, " + applyActive + "}",
			"{step: apply-unit, " + applyStandby + "}",
			"{step: await-unit, probe: redundancy, machine: $active, want: full, within: 1h}",
		},
	}, {
		Name: "replace-standby",
		Doc:  "put a new unit in place of a standby that died; the service stops while the active changes its partner",
		Args: settingArgs("the unit that serves", "the new unit, in place of the old standby"),
		Steps: []string{
			"{step: empty-new, replace_disk: $standby, how: empty}",
			"{step: start-new, boot: $standby}",
			"{step: see-new, probe: state, machine: $standby, want: standalone, within: 10m}",
			"{step: leave-dead, do: disconnect, machine: $active}",
			"{step: apply-serving, " + applyActive + "}",
			"{step: apply-new, " + applyStandby + "}",
			"{step: await-new, probe: redundancy, machine: $active, want: full, within: 1h}",
		},
	}}
}
