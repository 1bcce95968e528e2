// Package eurekaserver is a registry that Eureka clients can use.
package eurekaserver
