package laboratory

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// work runs a processor until nothing ends any more, and returns when each job
// ended.
func work(p *processor, ends map[int32]time.Duration, until time.Duration) {
	for {
		at, ok := p.next()
		if !ok || at > until {
			p.advance(until)
			return
		}
		p.advance(at)
		for {
			id, ok := p.done()
			if !ok {
				break
			}
			ends[id] = at
		}
	}
}

// Two cores, and a schedule worked out by hand.
func TestProcessorSharesItsCores(t *testing.T) {
	p := processor{cores: 2, speed: 1}
	ends := make(map[int32]time.Duration)

	p.add(1, 100) // 0 to 30: alone, 30 done
	work(&p, ends, 30)
	p.add(2, 100) // 30 to 50: two jobs, two cores: 1 has 50, 2 has 20
	work(&p, ends, 50)
	p.add(3, 40)         // 50 to 110: three jobs at 2/3
	work(&p, ends, 1000) // 110: 1 has 90, 2 has 60, 3 is done; 120: 1; 150: 2
	assert.Equal(t, map[int32]time.Duration{3: 110, 1: 120, 2: 150}, ends)

	// Between 0 and 30 one core, until 120 two, then one.
	assert.InDelta(t, 30+2*90+30, p.used, 1e-6)
}

// A job that is taken away gives its share to the others; a slower core takes
// longer; one that stands still takes for ever.
func TestProcessorChanges(t *testing.T) {
	p := processor{cores: 1, speed: 1}
	ends := make(map[int32]time.Duration)

	p.add(1, 100)
	p.add(2, 100)
	work(&p, ends, 100) // each has 50
	require.True(t, p.remove(2))
	require.False(t, p.remove(2))
	work(&p, ends, 120) // 1 has 70
	p.speed = 0.5
	work(&p, ends, 140) // 80
	p.speed = 0
	_, ok := p.next()
	require.False(t, ok)
	work(&p, ends, 1000)
	assert.Empty(t, ends)
	p.speed = 1
	work(&p, ends, 2000)
	assert.Equal(t, map[int32]time.Duration{1: 1020}, ends)
	assert.Empty(t, p.jobs)
}

// Whatever comes and goes, the work done is that of the jobs.
func TestProcessorLosesNoWork(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	p := processor{cores: 3, speed: 1}
	ends := make(map[int32]time.Duration)
	var all float64
	now := time.Duration(0)
	for id := range int32(2000) {
		w := chance.ExpFloat64() * 1e6
		all += w
		p.add(id, w)
		now += time.Duration(chance.ExpFloat64() * 0.4e6)
		work(&p, ends, now)
	}
	work(&p, ends, now+time.Hour)
	assert.Len(t, ends, 2000)
	// Each job ends less than a nanosecond late, during which it has no more
	// than a core.
	assert.InDelta(t, all, p.used, 2000)
}
