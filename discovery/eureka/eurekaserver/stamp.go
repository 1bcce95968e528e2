package eurekaserver

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A stamp says when something happened, so that all servers of a cluster order
// it alike: by a hybrid logical clock, which follows the time of day but is
// never behind what its server has heard of, and then by server. The zero
// stamp is before all others.
type stamp struct {
	time uint64 // milliseconds since 1970, and below them a counter
	node uint32
}

// counterBits is how much of a stamp's time counts within a millisecond.
// Should that not be enough, the count goes on into the milliseconds.
const counterBits = 16

// maxAhead is how far the clocks of two servers may be apart. What a clock
// says that is further ahead is not believed, since it would order all that
// happens from then on.
const maxAhead = 24 * time.Hour

func (s stamp) compare(t stamp) int {
	return cmp.Or(cmp.Compare(s.time, t.time), cmp.Compare(s.node, t.node))
}

func (s stamp) after(t stamp) bool { return s.compare(t) > 0 }

func (s stamp) isZero() bool { return s == stamp{} }

// at returns the time of day of a stamp.
func (s stamp) at() time.Time { return time.UnixMilli(int64(s.time >> counterBits)) }

func later(s, t stamp) stamp {
	if t.after(s) {
		return t
	}
	return s
}

// append writes the stamp as it travels: "0", or two numbers in base 36 with a
// dot between them.
func (s stamp) append(b []byte) []byte {
	b = strconv.AppendUint(b, s.time, 36)
	if s.node != 0 {
		b = append(b, '.')
		b = strconv.AppendUint(b, uint64(s.node), 36)
	}
	return b
}

func parseStamp(text string) (stamp, error) {
	digits, node, dotted := strings.Cut(text, ".")
	t, err := strconv.ParseUint(digits, 36, 64)
	if err != nil {
		return stamp{}, fmt.Errorf("eurekaserver: stamp %.40q is none", text)
	}
	s := stamp{time: t}
	if dotted {
		n, err := strconv.ParseUint(node, 36, 32)
		if err != nil {
			return stamp{}, fmt.Errorf("eurekaserver: stamp %.40q is none", text)
		}
		s.node = uint32(n)
	}
	return s, nil
}

// A clock makes stamps. It belongs to one registry, whose lock guards it.
type clock struct {
	node uint32
	last uint64
}

// tick returns a stamp that is after all that the clock has made or heard of.
func (c *clock) tick() stamp {
	now := uint64(max(time.Now().UnixMilli(), 0)) << counterBits
	c.last = max(now, c.last+1)
	return stamp{c.last, c.node}
}

// heard takes note of a stamp of another server.
func (c *clock) heard(s stamp) { c.last = max(c.last, s.time) }

// versions are when the parts of what is known of an instance were last
// changed. Each part is a register of its own, of which the last writer wins.
type versions struct {
	registered stamp // the instance said that it is there
	canceled   stamp // somebody said that it is not
	data       stamp // decides among registrations with the same timestamp
	status     stamp // the status that it has but for an override
	override   stamp // an operator set or removed an override
	renewed    stamp // its lease, by whoever heard the heartbeat
}

// errVersions says that versions of another server cannot be read.
var errVersions = errors.New("eurekaserver: versions of a peer make no sense")

// stamps returns the parts in the order in which append writes them.
func (v *versions) stamps() [6]*stamp {
	return [...]*stamp{&v.registered, &v.canceled, &v.data, &v.status, &v.override, &v.renewed}
}

// String returns the versions as they travel.
func (v versions) String() string {
	return string(v.append(nil))
}

func (v *versions) append(b []byte) []byte {
	for i, s := range [...]stamp{v.registered, v.canceled, v.data, v.status, v.override, v.renewed} {
		if i > 0 {
			b = append(b, ' ')
		}
		b = s.append(b)
	}
	return b
}

// parseVersions reads versions of another server, unless its clock is far
// ahead of now.
func parseVersions(text string, now time.Time) (v versions, err error) {
	limit := now.Add(maxAhead)
	parts := v.stamps()
	fields := strings.Split(text, " ")
	if len(fields) != len(parts) {
		return versions{}, errVersions
	}
	for i, field := range fields {
		if *parts[i], err = parseStamp(field); err != nil {
			return versions{}, errVersions
		}
		if parts[i].at().After(limit) {
			return versions{}, fmt.Errorf("eurekaserver: the clock of the peer is more than %v ahead", maxAhead)
		}
	}
	return v, nil
}
