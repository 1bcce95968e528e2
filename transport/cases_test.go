package transport_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a RoundTripper that balances can get wrong, and the tests that would
// notice. The numbers are those in the tests' comments. Most tests run over
// HTTP/1, HTTP/1 with TLS, HTTP/2 and h2c, and where connections do not matter
// also around the pools and over a base of the user's.
//
// The contract of http.RoundTripper
//
//	S1   the caller's request is as it was, and may be read meanwhile: TestTheRequestIsNotModified,
//	     TestTheRequestMayBeReadMeanwhile
//	S2   its body is closed on every way out, once: TestTheRequestBodyIsAlwaysClosed, TestNames, TestClose
//	S3   so is each body that GetBody made: TestRequestBodies, TestTheRequestBodyIsAlwaysClosed
//	S4   calls go on while sets change: TestChurn
//	S5   the last response is returned, whatever its status: TestTheLastResponseIsReturned
//	S6   a base that breaks the contract is no excuse: TestUnrulyBase
//	S7   CloseIdleConnections reaches every pool: TestCloseIdleConnections, TestEndpointBase
//	S8   resp.Request and Location bear the service's name: TestTheNameStays, TestTheRequestIsNotModified
//
// Names, hosts, redirects, proxies
//
//	S9   Host is the service, or what the caller says: TestTheNameStays, TestTargets
//	S10  the request's target arrives byte for byte: TestTargets
//	S11  who answers is who was picked: TestWhoAnswersWasPicked
//	S12  one service under all spellings of its name: TestNames, FuzzServiceName, TestAllocations
//	S13  an unknown name is an error, not a dial: TestNames, TestUnknownServiceOfARegistryThatKnows
//	S14  only listed hosts pass through: TestPassThrough
//	S15  each hop of a redirect is balanced, with its credentials: TestCookiesAndRedirects
//	S16  a redirect to an endpoint's address stays inside or fails: TestRedirectToAnEndpointsAddress
//	S17  proxies of the environment are for other hosts: TestProxiesOfTheEnvironment
//	S18  cookies belong to the service: TestCookiesAndRedirects
//
// Cost
//
//	S19  one allocation at most over a bare http.Transport: TestAllocations
//	S20  whatever the number of headers and endpoints: TestAllocationsDoNotGrow
//	S21  the header map is the caller's own: TestTheHeaderIsNotCopied
//	S22  timeouts start no goroutine and cost ten allocations: TestTimeoutsStartNoGoroutine, TestAllocations
//
// Connections
//
//	S23  bursts find the connections of the burst before: TestBursts
//	S24  idle connections of a removed endpoint close: TestIdleConnectionsOfARemovedEndpoint
//	S25  calls that are there finish first: TestRemovedEndpointDrains, TestRemovedEndpointClosesItsConnections
//	S26  over HTTP/2 too: TestRemovedEndpointClosesItsConnections, TestChurn
//	S27  after a lot of change and Close, nothing is left: TestChurn
//	S28  dials that nobody waits for are few and end: TestDialsEnd
//	S29  the client gives up idle connections first: TestIdleTimeoutBelowTheServers
//	S30  of an answer that is thrown away a little is read: TestDiscardedResponses, TestDiscardedGiant
//
// HTTP/2
//
//	S31  it is spoken with whoever offers it: TestTLS
//	S32  by service: TestProtocols
//	S33  a silent peer is found dead: TestSilentPeer
//	S34  refused streams go elsewhere: TestHowStreamsEnd, TestRefusedStreams, TestAStreamRefusedOnce (net/http
//	     tries for long by itself; an attempt's timeout bounds it)
//	S35  servers are replaced one by one, and no POST is lost or doubled: TestRollingRestart
//	S36  more calls than streams: TestMaxConcurrentStreams (all get through; the connections are net/http's
//	     to count)
//	S37  a peer that stops reading is found dead: TestWriteBlocked
//
// TLS
//
//	S38  the name in certificates may be another: TestTLS
//	S39  each service has roots and an identity of its own: TestTLS, identity.TestServices
//	S40  certificates rotate under traffic: identity.TestRotationUnderTraffic, TestMaxAge
//	S41  resumed sessions are checked again: identity.TestResumedSessionsAreChecked
//	S42  an address that is somebody else's by now gets nothing: TestImpostor, identity.TestImpostor
//
// Request bodies
//
//	S43  a retry has the same bytes and length: TestRequestBodies
//	S44  a body that is partly gone is not sent again: TestABodyThatIsLost
//	S45  one that is not gone is sent whole: TestRefusedConnection
//	S46  no body is no body: TestRequestBodies
//	S47  uploads stream: TestStreamingUpload, TestReplayLimit
//	S48  one byte over the limit is sent, and not again: TestReplayLimit
//	S49  an answer before the body's end: TestEarlyAnswer, TestUploadThatGoesOnAfterTheAnswer, TestOneReaderAtATime
//	S50  Expect: 100-continue keeps the body for who wants it: TestExpectContinue
//
// Retries
//
//	S51  a broken connection, by method and key: TestBrokenConnection
//	S52  how often one call can arrive: TestAmplification (attempts and warm connections; what net/http
//	     repeats is not charged to the budget)
//	S53  an outage is not multiplied: TestBudget
//	S54  a retry goes to another endpoint: TestRetriesGoElsewhere
//	S55  Retry-After is honored within the deadline: TestRetryAfter, TestRetryAfterForms
//	S56  who refused the connection got no POST: TestRefusedConnection, TestEveryDialErrorIsRepeated
//	S57  nothing begins after the deadline: TestNothingAfterTheDeadline
//	S58  a backoff ends with the caller: TestCanceledDuringBackoff
//
// Response bodies
//
//	S59  an attempt is over once, however it ends: TestWhenAnAttemptIsOver, TestPanicsLeaveNothingInFlight
//	S60  at once if there is no body: TestWhenAnAttemptIsOver
//	S61  and if nobody reads on: TestAbandonedBodies
//	S62  an attempt's timeout is for the header: TestAttemptTimeout, TestAnswerAtTheAttemptsTimeout
//	S63  upgrades work, also under a reverse proxy: TestUpgrade, TestUnderAReverseProxy,
//	     TestUpgradedConnectionsCloseWrite (HTTP/1 only)
//	S64  events arrive as they are sent: TestServerSentEvents
//	S65  trailers arrive: TestTrailersAndCompression
//	S66  compression is net/http's, or the caller's: TestCompression, TestTrailersAndCompression
//	S67  traces see every attempt and may be shared: TestTraces
//
// Time and errors
//
//	S68  http.Client.Timeout works: TestClientTimeout, TestRequestCancelWhileReadingIsNoFailure
//	S69  timeouts say that they are: TestClientTimeout, TestAttemptTimeoutOfTheLastAttempt
//	S70  causes can be asked for: TestCausesOfErrors, TestErrorOfACallThatFailedEverywhere
//	S71  an attempt that fails is one failure: TestOutcomes, TestTruncatedBodyIsAFailure,
//	     TestABrokenOff500IsOneFailure
//	S72  the first call waits for the registry, within bounds: TestWaitingForTheFirstAnswer,
//	     TestTheFirstAnswerReleasesWaitingCalls
//	S73  a caller who leaves is nobody's failure: TestCancelWithACause, TestCanceledWhileWaiting, TestOutcomes
//
// Health
//
//	S74  hedges that lost are nobody's failure: TestHedgesBlameNobody
//	S75  what is refused here is nobody's failure: TestPlaintextCopiesAmongOthers, TestTheCallersFault
//	S76  when most look sick, all are used: TestPanic, TestRecoveryFromTotalOutage
//	S77  the first answer counts, and nothing of the other is left: TestHedge
//	S78  what must not be repeated is not hedged: TestNeverHedged
//	S79  failing fast attracts nothing: TestFailingFastAttractsNothing, TestOneBadCopyOfThree
//
// Lifecycle
//
//	S80  importing and making does nothing: TestImportingDoesNothing, TestNewDoesNothing
//	S81  it works in virtual time and leaves nothing behind: TestClose
//	S82  calls follow the registry, whatever it says: TestAgainstAModel
//	S83  Close lets calls finish: TestClose
//	S84  a late Close of a body hits nobody else: TestAbandonedBodies
func TestEveryCaseHasATest(t *testing.T) {
	tests := map[string]bool{}
	for prefix, folder := range map[string]string{"": ".", "identity.": "identity"} {
		paths, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		require.NoError(t, err)
		for _, path := range paths {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
					tests[prefix+f.Name.Name] = true
				}
			}
		}
	}
	source, err := os.ReadFile("cases_test.go")
	require.NoError(t, err)
	table, _, _ := strings.Cut(string(source), "\nfunc ")
	names := regexp.MustCompile(`(identity\.)?\b(Test|Fuzz)[A-Z]\w+`)
	cases := regexp.MustCompile(`(?m)^//\tS(\d+) (.*(?:\n//\t     .*)*)`).FindAllStringSubmatch(table, -1)
	for i, c := range cases {
		assert.Equal(t, strconv.Itoa(i+1), c[1])
		named := names.FindAllString(c[2], -1)
		assert.Equal(t, strings.Contains(c[2], "no test"), len(named) == 0, "S%s", c[1])
		for _, name := range named {
			assert.True(t, tests[name], "S%s: there is no %s", c[1], name)
		}
	}
	assert.Len(t, cases, 84)
}
