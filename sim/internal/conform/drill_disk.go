//go:build linux

package conform

import (
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

func diskDrill(name string, play func(*drill)) Row { return Row{name: "disk: " + name, drill: play} }

// drawnDrill is a drill in which the disk draws lots: the same in both worlds, and others with another seed.
func drawnDrill(name string, play func(*drill)) Row {
	r := diskDrill(name, play)
	r.once = true
	return r
}

// furnished are calls after which there is something, all of it durable.
var furnished = []string{"put /a one", "sync /a", "mkdir /d", "put /d/b two", "sync /d/b", "sync /d", "sync /"}

// everything is a call of each operation, and two of those that have several ways.
var everything = []string{"cat /a", "list /d", "stat /a", "append /a x", "cut /d/b 1", "sync /a", "sync /d", "put /c new",
	"mkdir /e", "rename /a /f", "remove /d/b"}

// drillOf is a drill of a condition that acts while the disk is in use, and not on what is durable afterwards.
func drillOf(name string, c sim.DiskCondition) Row {
	return diskDrill(name, func(d *drill) {
		d.plays(furnished...)
		_, heal := d.breaks(c)
		d.Crash()
		d.plays(everything...)
		heal()
		d.Crash()
		d.plays("list /", "list /d", "cat /a", "cat /f", "put /later x", "sync /later", "sync /")
		d.power("list /", "list /d", "cat /later")
	})
}

// drillOfHang is a drill of a call that hangs, and of each way in which that ends.
func drillOfHang(call string, o sim.DiskOperation) Row {
	return diskDrill(call+" that hangs in "+string(o), func(d *drill) {
		var i *sim.DiskImposition
		var heal func()
		hang := func() {
			i, heal = d.breaks(sim.DiskCondition{How: sim.DiskHang, Operations: []sim.DiskOperation{o}})
			d.begin(call)
			d.until("the call hangs", func() bool { return i.Hung == 1 })
		}
		d.plays(furnished...)
		d.Crash()
		hang()
		d.must(d.Run(d.Now() + 20*time.Millisecond))
		heal()
		d.until("the call goes on", func() bool { return d.noted[nodes.FactReady] == 2 })
		d.power(furnished...)

		for _, way := range []struct {
			name string
			end  func() bool
		}{{"crash", d.Crash}, {"power off", d.PowerOff}} {
			d.Crash()
			hang()
			d.say("%s: %t", way.name, way.end())
			d.must(d.Run(d.Now() + 20*time.Millisecond))
			heal()
			d.plays("list /", "list /d", "cat /a")
		}
		d.Crash()
		hang() // And so it is left, for the world to end.
		d.say("the end")
	})
}

var half = nodes.ShareAll / 2

var diskDrills = []Row{
	diskDrill("power loss takes what was not synced, and nothing else", func(d *drill) {
		d.plays("put /a one", "sync /a", "mkdir /d", "put /d/named x", "sync /d/named", "sync /", "put /content y", "sync /content",
			"append /a more", "rename /d/named /d/other", "list /", "list /d", "cat /a")
		d.power("list /", "list /d", "cat /a", "append /a again", "sync /a", "remove /a", "put /b z", "sync /b")
		d.power("list /", "cat /a", "remove /a", "sync /", "put /a new")
		d.power("list /")
	}),
	diskDrill("a crash of the software takes nothing", func(d *drill) {
		d.plays("put /a one", "put /b two", "rename /a /c", "cut /b 1")
		d.Crash()
		d.say("crash")
		d.plays("list /", "cat /b", "cat /c")
		d.power("list /")
	}),
	diskDrill("what is noted of syncs", func(d *drill) {
		_, heal := d.breaks(sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{sim.DiskSync}, Nth: 2})
		d.plays("put /a one", "sync /a", "sync /a", "sync /", "mkdir /d", "put /d/b two", "sync /d/b", "sync /d")
		heal()
		d.say("noted of %v", d.syncs)
	}),
	diskDrill("a sync that fails loses its data, and the next one says ok", func(d *drill) {
		d.plays(furnished...)
		_, heal := d.breaks(sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{sim.DiskSync}, Nth: 1})
		d.Crash()
		d.plays("append /a lost", "sync /a", "sync /a", "append /a !", "cat /a")
		heal()
		d.power("cat /a")
	}),
	drillOf("every call fails", sim.DiskCondition{How: sim.DiskEIO}),
	drillOf("reading fails", sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{sim.DiskRead}}),
	drillOf("writing fails", sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{sim.DiskWrite}}),
	drillOf("syncs fail", sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{sim.DiskSync}}),
	drillOf("renames and removals fail",
		sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{sim.DiskRename, sim.DiskRemove}}),
	drillOf("creating fails", sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{sim.DiskCreate}}),
	drillOf("opening fails", sim.DiskCondition{How: sim.DiskEIO, Operations: []sim.DiskOperation{sim.DiskOpen}}),
	drillOf("one directory fails", sim.DiskCondition{How: sim.DiskEIO, Path: "/d"}),
	drillOf("full", sim.DiskCondition{How: sim.DiskFull}),
	drillOf("read-only", sim.DiskCondition{How: sim.DiskReadOnly}),
	drillOf("slow", sim.DiskCondition{How: sim.DiskSlow, Latency: 3 * time.Millisecond}),
	drillOf("lying syncs", sim.DiskCondition{How: sim.DiskLyingSync}),
	diskDrill("what a lying sync said is lost with the power", func(d *drill) {
		d.plays(furnished...)
		_, heal := d.breaks(sim.DiskCondition{How: sim.DiskLyingSync, Path: "/a"})
		d.Crash()
		d.plays("append /a lost", "sync /a", "append /d/b kept", "sync /d/b")
		d.power("cat /a", "cat /d/b")
		heal()
	}),
	diskDrill("no more than there is room for", func(d *drill) {
		d.plays("put /a x*1000000", "put /b y*100000", "stat /b", "put /c z", "remove /a", "put /c z", "append /b y", "stat /b",
			"sync /b", "sync /c", "sync /")
		d.power("list /", "stat /b", "stat /c", "cat /c")
	}),
	diskDrill("a fault outlives software, power and a boot", func(d *drill) {
		d.plays("put /a one", "sync /a", "sync /")
		_, heal := d.breaks(sim.DiskCondition{How: sim.DiskReadOnly})
		d.Crash()
		d.plays("append /a x")
		d.power("append /a y")
		heal()
		d.Crash()
		d.plays("append /a z", "cat /a")
	}),
	drawnDrill("bit rot of what is read", func(d *drill) {
		d.plays("put /a x*2000", "sync /a", "sync /")
		d.Crash()
		_, heal := d.breaks(sim.DiskCondition{How: sim.DiskBitRot, Nth: 2})
		d.plays("stat /a", "cat /a", "cat /a")
		heal()
		d.power("cat /a")
	}),
	drawnDrill("bit rot of what is written", func(d *drill) {
		_, heal := d.breaks(sim.DiskCondition{How: sim.DiskBitRot, Operations: []sim.DiskOperation{sim.DiskWrite}, Share: &half})
		d.plays("put /a x*300", "put /b x*300", "put /c x*300", "cat /a", "cat /b", "cat /c")
		heal()
	}),
	drawnDrill("the last write is torn", func(d *drill) {
		d.plays("put /a x*5000", "sync /a", "sync /")
		_, heal := d.breaks(sim.DiskCondition{How: sim.DiskTornWrite})
		d.Crash()
		d.plays("write /a 100 y*4000")
		d.power("cat /a")
		heal()
	}),
	drawnDrill("some of what was not synced is lost, in no order", func(d *drill) {
		d.plays("put /a .*9", "sync /a", "sync /")
		_, heal := d.breaks(sim.DiskCondition{How: sim.DiskUnsyncedLoss})
		d.Crash()
		d.plays("write /a 0 1", "write /a 1 2", "write /a 2 3", "write /a 3 4", "write /a 4 5", "write /a 5 6", "put /b x", "put /c x",
			"put /d x", "put /e x")
		d.power("cat /a", "list /")
		heal()
	}),
	diskDrill("the power fails at the second sync, which is not answered", func(d *drill) {
		d.plays("put /a one", "sync /a", "sync /")
		_, heal := d.breaks(sim.DiskCondition{How: sim.DiskCrashAtSync, Nth: 2})
		d.Crash()
		syncs := len(d.syncs)
		d.begin("append /a two", "sync /a", "append /a three", "sync /a", "put /never x")
		d.until("the machine is off", func() bool { return d.State() == sim.StateOff })
		d.must(d.Run(d.Now() + 30*time.Millisecond))
		d.say("%d syncs", len(d.syncs)-syncs)
		heal()
		d.plays("list /", "cat /a")
	}),
	drillOfHang("cat /a", sim.DiskOpen),
	drillOfHang("cat /a", sim.DiskRead),
	drillOfHang("append /a more", sim.DiskWrite),
	drillOfHang("sync /a", sim.DiskSync),
	drillOfHang("sync /d", sim.DiskSync),
	drillOfHang("put /new x", sim.DiskCreate),
	drillOfHang("rename /a /f", sim.DiskRename),
	drillOfHang("remove /d/b", sim.DiskRemove),
	diskDrill("another disk after a power loss", func(d *drill) {
		d.plays("put /a one", "sync /a", "sync /")
		earlier := d.Disk().Snapshot()
		d.Crash()
		d.plays("append /a more", "sync /a", "put /b two", "sync /b", "sync /")
		d.off()
		d.Disk().Restore(earlier)
		d.say("the copy is put in its place")
		d.plays("list /", "cat /a", "put /c three", "sync /c", "sync /")
		d.off()
		d.Disk().Erase()
		d.say("an empty one is put in its place")
		d.plays("list /", "put /d four", "sync /d", "sync /")
		d.power("list /", "cat /d")
	}),
}
