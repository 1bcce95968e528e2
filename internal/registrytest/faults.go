package registrytest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// TestFaults breaks a registry in every way for which there are means, while a
// service is called that it lists. No call may fail; and when all is well again,
// changes must be seen.
func TestFaults(t *testing.T, h Harness) {
	Enabled(t)
	faults := []struct {
		name string
		run  func(t *testing.T, h Harness, s Subject)
		may  func(s Subject) bool
	}{
		{"killed and restarted", killed, func(s Subject) bool { return s.Server != nil }},
		{"registrations come back", comeBack, func(s Subject) bool { return s.Server != nil && s.Registrar != nil }},
		{"frozen", frozen, func(s Subject) bool { return s.Server != nil }},
		{"connections cut", cut, func(s Subject) bool { return s.Proxy != nil }},
		{"connections half open", halfOpen, func(s Subject) bool { return s.Proxy != nil }},
		{"slow", slow, func(s Subject) bool { return s.Proxy != nil }},
		{"credentials revoked", revoked, func(s Subject) bool { return s.Revoke != nil }},
		{"emptied and filled", emptied, nil},
		{"a thousand instances", thousand, nil},
		{"a hundred changes in a second", churn, nil},
	}
	means := h.New(t) // only to see what there is
	for _, f := range faults {
		if f.may == nil || f.may(means) {
			t.Run(f.name, func(t *testing.T) { f.run(t, h, h.New(t)) })
		}
	}
}

// A scene is a service with three copies that are listed and called, and one
// more that is not.
type scene struct {
	Subject
	t       *testing.T
	service string
	all     []*replica
	held    map[string]registered
	traffic *traffic
	h       Harness
}

func begin(t *testing.T, h Harness, s Subject) *scene {
	t.Helper()
	sc := &scene{Subject: s, t: t, h: h, service: newService(), held: make(map[string]registered)}
	sc.all = s.replicas(t, sc.service, 4)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for _, r := range sc.held {
			_ = r.Close(ctx) // the registry may be gone
		}
	})
	sc.list(3)
	sc.traffic = s.call(t, sc.service)
	sc.traffic.reaches(h.patience(), sc.all[:3]...)
	return sc
}

// list makes the registry list the first n copies.
func (sc *scene) list(n int) {
	sc.t.Helper()
	sc.set(sc.t, sc.held, sc.service, instances(sc.all[:n])...)
}

// end changes the set, and fails the test if nobody sees it or a call has
// failed.
func (sc *scene) end() {
	sc.t.Helper()
	sc.list(4)
	sc.traffic.reaches(sc.h.patience(), sc.all...)
	sc.traffic.noneFailed()
}

func killed(t *testing.T, h Harness, s Subject) {
	sc := begin(t, h, s)
	sc.traffic.forget()
	s.Server.Kill()
	t.Logf("complaint: %v", sc.traffic.complaint(h.patience()))
	s.Server.Restart()
	if s.Forgets && s.Set != nil {
		sc.list(3)
	}
	sc.traffic.reaches(h.patience(), sc.all[:3]...)
	sc.end()
}

// comeBack registers copies, and has the registry restart: they are listed
// afterwards, whether it forgot them or not.
func comeBack(t *testing.T, h Harness, s Subject) {
	s.Set = nil
	sc := begin(t, h, s)
	s.Server.Kill()
	time.Sleep(time.Second)
	s.Server.Restart()
	fresh := watch(t, s.Watcher, sc.service)
	fresh.until(h.patience(), "three copies", func(set []discovery.Instance) bool { return len(set) == 3 })
	sc.traffic.reaches(h.patience(), sc.all[:3]...)
	sc.end()
}

func frozen(t *testing.T, h Harness, s Subject) {
	sc := begin(t, h, s)
	s.Server.Freeze()
	time.Sleep(2 * time.Second)
	s.Server.Thaw()
	sc.end()
}

func cut(t *testing.T, h Harness, s Subject) {
	sc := begin(t, h, s)
	sc.traffic.forget()
	s.Proxy.Cut()
	t.Logf("complaint: %v", sc.traffic.complaint(h.patience()))
	s.Proxy.Heal()
	sc.end()
}

func halfOpen(t *testing.T, h Harness, s Subject) {
	sc := begin(t, h, s)
	s.Proxy.Strand()
	sc.end()
}

func slow(t *testing.T, h Harness, s Subject) {
	sc := begin(t, h, s)
	s.Proxy.Slow(300 * time.Millisecond)
	sc.end()
	s.Proxy.Heal()
}

func revoked(t *testing.T, h Harness, s Subject) {
	sc := begin(t, h, s)
	sc.traffic.forget()
	s.Revoke(t, true)
	if s.Proxy != nil { // what is connected may have been let in for good
		s.Proxy.Cut()
		s.Proxy.Heal()
	}
	t.Logf("complaint: %v", sc.traffic.complaint(h.patience()))
	sc.traffic.reaches(h.patience(), sc.all[:3]...)
	s.Revoke(t, false)
	sc.end()
}

// emptied takes all copies from a service and lists them again. Both are seen;
// calls go on, since an empty set is disbelieved for a while.
func emptied(t *testing.T, h Harness, s Subject) {
	sc := begin(t, h, s)
	w := watch(t, s.Watcher, sc.service)
	w.until(h.patience(), "three copies", func(set []discovery.Instance) bool { return len(set) == 3 })
	sc.list(0)
	w.until(h.patience(), "no copies", func(set []discovery.Instance) bool { return len(set) == 0 })
	sc.list(3)
	w.until(h.patience(), "three copies", func(set []discovery.Instance) bool { return len(set) == 3 })
	sc.end()
}

// thousand lists many copies, and changes one.
func thousand(t *testing.T, h Harness, s Subject) {
	service, n := newService(), s.Thousand
	if n == 0 {
		n = 1000
	}
	held := make(map[string]registered)
	set := make([]discovery.Instance, n)
	for i := range set {
		set[i] = discovery.Instance{ID: fmt.Sprintf("%s-%d", service, i), Addr: fmt.Sprintf("192.0.%d.%d:80", 2+i/250, 1+i%250)}
	}
	begin := time.Now()
	s.set(t, held, service, set...)
	w := watch(t, s.Watcher, service)
	w.until(h.patience(), fmt.Sprint(n, " copies"), func(got []discovery.Instance) bool { return len(got) == n })
	t.Logf("%d copies are known after %v", n, time.Since(begin).Round(time.Millisecond))
	begin = time.Now()
	s.set(t, held, service, set[:n-1]...)
	w.until(h.patience(), fmt.Sprint(n-1, " copies"), func(got []discovery.Instance) bool { return len(got) == n-1 })
	t.Logf("one is known to have gone after %v", time.Since(begin).Round(time.Millisecond))
}

// churn changes one copy again and again. The last state is what remains, and
// no state of before is seen after a later one.
func churn(t *testing.T, h Harness, s Subject) {
	service := newService()
	held := make(map[string]registered)
	state := func(i int) []discovery.Instance {
		return []discovery.Instance{
			{ID: service + "-0", Addr: "192.0.2.1:80"},
			{ID: service + "-1", Addr: fmt.Sprintf("192.0.2.2:%d", 1000+i)},
		}
	}
	s.set(t, held, service, state(0)...)
	w := watch(t, s.Watcher, service)
	changing := func(set []discovery.Instance) (port int) {
		for _, in := range set {
			_, _ = fmt.Sscanf(in.Addr, "192.0.2.2:%d", &port)
		}
		return port - 1000
	}
	w.until(h.patience(), "the first state", func(set []discovery.Instance) bool { return changing(set) == 0 && len(set) == 2 })
	const changes = 100
	begin := time.Now()
	for i := range changes {
		s.set(t, held, service, state(i+1)...)
		time.Sleep(time.Until(begin.Add(time.Duration(i+1) * time.Second / changes)))
	}
	took := time.Since(begin)
	w.until(h.patience(), "the last state", func(set []discovery.Instance) bool { return changing(set) == changes })
	w.mu.Lock()
	defer w.mu.Unlock()
	var order []int
	for _, set := range w.sets {
		if len(set) == 2 {
			order = append(order, changing(set))
		}
	}
	if !slices.IsSorted(order) {
		t.Errorf("a state was seen after a later one: %v", order)
	}
	t.Logf("%d changes in %v were seen as %d sets, the last %v after the last change", changes, took.Round(time.Millisecond), len(w.sets), time.Since(begin)-took)
}
