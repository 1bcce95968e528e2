// Package resilience holds the guards that keep a call alive without making
// an outage worse: retries, their budget, and breakers.
package resilience
