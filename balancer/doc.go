// Package balancer chooses, for each attempt of a call, one endpoint of a
// service.
package balancer
