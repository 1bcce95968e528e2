package eurekaserver

// Start begins what a server does beside answering: it reads the snapshot of
// [WithSnapshot], so that the registry is filled before the first request, and
// keeps it up to date; and it begins to talk to the peers of [WithPeers]. The
// first request does the same, so that calling Start is only needed to have it
// done before. It returns when the server is ready to answer. Calls after the
// first do nothing, as does Start after [Server.Close].
func (s *Server) Start() {
	s.startOnce.Do(func() {
		for _, start := range s.starters() {
			start()
		}
	})
}

// starters are what Start calls, one after the other. What they leave running
// belongs to s.background and ends when s.done is closed, or to the cluster.
func (s *Server) starters() []func() {
	return []func(){s.startSnapshots, s.startPeers}
}
