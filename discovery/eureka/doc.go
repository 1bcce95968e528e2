// Package eureka is a client of Eureka registries.
package eureka
