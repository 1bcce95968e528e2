package laboratory

import (
	"slices"
	"time"
)

// antagonists are those that come and go.
var antagonists = Antagonists(3 * time.Second)

// Scenarios returns scenarios that are worth trying, each time new ones.
func Scenarios() []Scenario {
	var all []Scenario
	for _, group := range [][]Scenario{ordinary(), shared(), sick(), changing(), mixed(), sizes()} {
		all = append(all, group...)
	}
	return all
}

// ordinary is where nothing happens.
func ordinary() []Scenario {
	return []Scenario{
		{
			Name: "equal-25", About: "equal copies in quiet times",
			Servers: []Servers{{Count: 50}}, Load: 0.25,
		},
		{
			Name: "equal-70", About: "equal copies",
			Servers: []Servers{{Count: 50}}, Load: 0.7,
		},
		{
			Name: "equal-16-cores", About: "equal copies of 16 cores, at 85 %",
			Clients: 20, Servers: []Servers{{Count: 10, Cores: 16}}, Load: 0.85,
		},
		{
			Name: "slow-copies", About: "a tenth of the copies three times slower",
			Servers: []Servers{{Count: 45}, {Count: 5, Speed: 1. / 3, Bad: true}}, Load: 0.7,
		},
		{
			Name: "weighted", About: "large and small copies, whose weights tell",
			Servers: []Servers{{Count: 10, Cores: 8, Weight: 4}, {Count: 40, Weight: 1}}, Load: 0.7,
		},
		{
			Name: "heavy-tail", About: "some calls take a hundred times as long as most, and antagonists are about",
			Servers: []Servers{{Count: 50, Course: antagonists}}, Load: 1.1,
			Calls: []Calls{{Work: LogNormal(1.2)}},
		},
	}
}

// shared is where copies share their machines with others, as in the Prequal
// paper.
func shared() []Scenario {
	with := func(name, about string, load float64) Scenario {
		return Scenario{
			Name: name, About: about,
			Clients: 100, Servers: []Servers{{Count: 100, Course: antagonists}}, Load: load,
			Measured: 9 * time.Second,
		}
	}
	rules := func(name, about string, load float64) Scenario {
		room := slices.Concat(
			repeat(2, State{Cores: 3}), repeat(3, State{Cores: 1.5, Speed: 0.9}), repeat(5, State{Speed: 0.7}))
		lasting := Antagonists(30*time.Second, room...)
		return Scenario{
			Name: name, About: about,
			Clients: 50, Servers: []Servers{
				{Count: 15, Cores: 8, Course: lasting},
				{Count: 15, Cores: 8, Speed: 0.5, Bad: true, Course: lasting},
			},
			Load: load, Deadline: 5 * time.Second,
		}
	}
	return []Scenario{
		with("antagonists-75", "copies share their machines, at 75 % of their allocation", 0.75),
		with("antagonists-95", "the same at 95 %", 0.95),
		with("antagonists-127", "the same at 127 %, of which the antagonists leave room for 185 %", 1.27),
		with("antagonists-157", "the same at 157 %", 1.57),
		{
			Name: "antagonists-16-cores", About: "copies of 16 cores share their machines, at 140 %",
			Clients: 30, Servers: []Servers{{Count: 12, Cores: 16, Course: antagonists}}, Load: 1.4,
		},
		rules("half-slow-70", "half of the copies at half speed, and antagonists that stay, at 70 %", 0.7),
		rules("half-slow-90", "the same at 90 %", 0.9),
		{
			Name: "overload", About: "more calls than all copies can answer",
			Servers: []Servers{{Count: 30}}, Load: 1.15,
		},
		{
			Name: "overload-limited", About: "the same with copies that take twelve calls at a time, and clients that try twice",
			Servers: []Servers{{Count: 30, Limit: 12}}, Load: 1.15, Retries: 1,
		},
	}
}

// sick is where one copy fails.
func sick() []Scenario {
	one := func(name, about string, s State) Scenario {
		return Scenario{
			Name: name, About: about,
			Servers: []Servers{{Count: 49}, {Count: 1, Bad: true, Course: Always(s)}}, Load: 0.7,
		}
	}
	ejected := one("fails-fast-ejected", "the same, with clients that eject it and repeat calls once", State{Failing: true})
	ejected.Eject, ejected.Retries = true, 1
	ill := one("falls-ill", "one copy becomes ten times slower for six seconds", State{})
	ill.Servers[1].Course = Between(15*time.Second, 21*time.Second, State{Speed: 0.1})
	return []Scenario{
		one("fails-fast", "one copy fails every call at once", State{Failing: true}),
		ejected,
		one("black-hole", "one copy never answers", State{Silent: true}),
		ill,
	}
}

// changing is where copies come, go, and change.
func changing() []Scenario {
	return []Scenario{
		{
			Name: "rolling-deploy", About: "all copies are replaced in turn; new ones are cold",
			Servers: []Servers{{Count: 20, Course: Replaced(10*time.Second, 60*time.Second)}}, Load: 0.5,
			Warmup: 10 * time.Second, Measured: 60 * time.Second,
		},
		{
			Name: "scale-out", About: "copies become too few, and half as many join them, cold",
			Servers: []Servers{{Count: 20}, {Count: 10, Course: Joining(15 * time.Second)}}, Load: 0.6,
			Measured: 24 * time.Second,
		},
		{
			Name: "crashes", About: "copies crash and come back cold; calls are repeated once",
			Servers: []Servers{{Count: 20, Course: Crashing(time.Minute)}}, Load: 0.5, Retries: 1,
			Measured: 24 * time.Second,
		},
		{
			Name: "half-gone", About: "most copies lose half of their cores for five seconds",
			Servers: []Servers{
				{Count: 20}, {Count: 30, Course: Between(14*time.Second, 19*time.Second, State{Cores: 0.5})},
			},
			Load: 0.65,
		},
		{
			Name: "restless", About: "each copy's speed changes every second, between 0.6 and 2.5",
			Clients: 20, Servers: []Servers{{Count: 30, Course: Restless(0.6, 2.5)}}, Load: 1.1,
		},
	}
}

// mixed is where calls are not alike.
func mixed() []Scenario {
	kinds := []Calls{
		{Class: "cheap", Share: 0.9, Mean: 10 * time.Millisecond},
		{Class: "expensive", Share: 0.1, Mean: 410 * time.Millisecond, Work: Constant},
	}
	return []Scenario{
		{
			Name: "mixed", About: "a tenth of the calls costs 41 times as much",
			Servers: []Servers{{Count: 50}}, Load: 0.7, Calls: kinds,
		},
		{
			Name: "mixed-antagonists", About: "the same with antagonists, at 110 %",
			Servers: []Servers{{Count: 50, Course: antagonists}}, Load: 1.1, Calls: kinds,
		},
	}
}

// sizes is where there are few or many clients or copies.
func sizes() []Scenario {
	return []Scenario{
		{
			Name: "one-client", About: "one client, ten copies, antagonists, at 127 %",
			Clients: 1, Servers: []Servers{{Count: 10, Course: antagonists}}, Load: 1.27,
			Measured: 24 * time.Second,
		},
		{
			Name: "four-clients", About: "four clients, 50 copies, antagonists, at 127 %",
			Clients: 4, Servers: []Servers{{Count: 50, Course: antagonists}}, Load: 1.27,
		},
		{
			Name: "500-clients", About: "500 clients, 50 copies, antagonists, at 127 %",
			Clients: 500, Servers: []Servers{{Count: 50, Course: antagonists}}, Load: 1.27,
		},
		{
			Name: "1000-clients", About: "1000 clients that make a call a second each, 50 copies, one three times slower",
			Clients: 1000, Servers: []Servers{{Count: 49}, {Count: 1, Speed: 1. / 3, Bad: true}}, Load: 0.5,
		},
		{
			Name: "three-copies", About: "three copies, one three times slower",
			Clients: 3, Servers: []Servers{{Count: 2}, {Count: 1, Speed: 1. / 3, Bad: true}}, Load: 0.7,
			Measured: 60 * time.Second,
		},
	}
}
