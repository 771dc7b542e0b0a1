//go:build linux

package lan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"strconv"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// A kernel measures its own time, and most of what it waits for can be told to it for each namespace. So where true time is
// faster than the kernel's, these waits are shorter by as much, down to the limits below:
//
//   - ARP: how long an entry is trusted, how soon and how often it is asked for again, within which time a second answer does not
//     displace the first. The kernel's clock ticks every 1 to 10 ms, and it asks no sooner than after 10 ms.
//   - TCP: the least and the longest wait before data are sent again, and with the former how long an acknowledgement may be held
//     back. Not less than rtoLeast, nor is the longest one less than a second: kernels take no other.
//   - TCP: how long half of a connection is kept open for the other, in whole seconds of life; and where time is faster at all, a
//     port that has just been used is taken again, or clients would run out of them: TIME_WAIT is a minute of life.
//   - How often a machine says by ICMP that a port is unreachable.
//
// What cannot be told, and is as long as in life: the first wait before a SYN or its answer is sent again, a second,
// which doubles each time (package env begins connections anew instead); it is sent less often, so that a connect to silence
// ends near the 127 s of true time (at the earliest after 3 s in life); keepalive, which Go's sockets set themselves,
// TIME_WAIT, and the minutes after which a kernel draws anew how long it trusts ARP.

// rtoLeast is the least that data wait before they are sent again, in life: a loaded system delays frames by as much.
const rtoLeast = 10 * time.Millisecond

// setting is what a kernel is told for a namespace: a file below /proc/sys/net, and what is to be in it.
type setting struct{ name, value string }

// timing are the settings of a kernel whose time is slower by scale. At 1 they are what every kernel has by itself, unless the
// host's was told otherwise.
func timing(scale int64) []setting {
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	reuse := int64(2) // On the loopback interface.
	if scale > 1 {
		reuse = 1
	}
	return []setting{
		{"ipv4/tcp_rto_min_us", whole(max(rtoLeast, 200*time.Millisecond/time.Duration(scale)).Microseconds())},
		{"ipv4/tcp_rto_max_ms", whole(max(time.Second, 120*time.Second/time.Duration(scale)).Milliseconds())},
		{"ipv4/tcp_syn_retries", whole(synRetries(scale))},
		{"ipv4/tcp_fin_timeout", whole(max(1, 60/scale))},
		{"ipv4/tcp_tw_reuse", whole(reuse)},
		{"ipv4/tcp_tw_reuse_delay", whole(max(1, 1000/scale))},
		{"ipv4/icmp_ratelimit", whole(max(1, 1000/scale))},
	}
}

// synRetries is how often a SYN is sent again. The first wait is a second and each is twice the one before, so that n of
// them, and the last wait, are 2^(n+1)-1 s: of 6 they are 127.
func synRetries(scale int64) int64 {
	const ofLife = 128 // s, and one to spare
	return int64(max(1, bits.Len64(uint64((ofLife-1)/scale))-1))
}

// tell gives the namespace of the calling thread its settings. Some are of newer kernels, or of a part that may be left out; an
// older kernel behaves as they say, but for its timing.
func tell(all []setting) error {
	for _, s := range all {
		err := os.WriteFile("/proc/sys/net/"+s.name, []byte(s.value), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// The parameters of a neighbour table that a kernel can be told by netlink, in milliseconds each: those below
// /proc/sys/net/ipv4/neigh, some of which are in seconds there.
const (
	tableName       = 1  // NDTA_NAME
	tableParms      = 6  // NDTA_PARMS
	parmDevice      = 1  // NDTPA_IFINDEX
	parmTrusted     = 4  // NDTPA_BASE_REACHABLE_TIME
	parmRetry       = 5  // NDTPA_RETRANS_TIME
	parmUnused      = 6  // NDTPA_GC_STALETIME
	parmDelay       = 7  // NDTPA_DELAY_PROBE_TIME
	parmLock        = 15 // NDTPA_LOCKTIME
	tableMessageLen = 4  // of a struct ndtmsg
)

// arpWaits are what Linux has by itself: an entry is trusted for half as long to one and a half times as long as the
// first one says.
var arpWaits = []struct {
	parm int
	wait time.Duration
}{
	{parmTrusted, sim.ARPTrust},
	{parmRetry, sim.ARPRetry},
	{parmUnused, time.Minute},
	{parmDelay, sim.ARPDelay},
	{parmLock, sim.ARPLock},
}

// timeARP tells the kernel of the calling thread's namespace how long ARP waits on an interface, where time is slower by scale.
func timeARP(device int, scale int64) error {
	head := make([]byte, tableMessageLen)
	head[0] = unix.AF_INET
	parms := nl.NewRtAttr(tableParms|unix.NLA_F_NESTED, nil)
	parms.AddRtAttr(parmDevice, nl.Uint32Attr(uint32(device)))
	for _, w := range arpWaits {
		ms := max(1, w.wait.Milliseconds()/scale)
		parms.AddRtAttr(w.parm, binary.NativeEndian.AppendUint64(nil, uint64(ms)))
	}
	ask := nl.NewNetlinkRequest(unix.RTM_SETNEIGHTBL, unix.NLM_F_ACK)
	ask.AddRawData(bytes.Join([][]byte{head, nl.NewRtAttr(tableName, nl.ZeroTerminated("arp_cache")).Serialize(),
		parms.Serialize()}, nil))
	if _, err := ask.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("set how long ARP waits: %w", err)
	}
	return nil
}
