package transport

// For tests of what cannot be seen from outside.
var (
	ServiceName     = serviceName
	ParseRetryAfter = parseRetryAfter
	Sendable        = sendable
	AskURL          = askURL
)
