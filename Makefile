# Each target is one line that works by hand as well.
.DEFAULT_GOAL := help
.PHONY: help test work registries race lint bench fuzz cover tidy quickstart ci

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile

test: ## all tests
	go test ./...

work: ## all tests of all modules; those with programs of others are skipped where these are missing
	go test work

registries: ## tests with real registries, which are installed and built if need be
	.ci/run registries

race: ## all tests with the race detector, in random order
	go test -race -shuffle=on ./...

lint: ## golangci-lint, at the version that CI uses
	.ci/run lint

bench: ## all benchmarks; for one: go test -run '^$' -bench Pick ./balancer
	go test -run '^$$' -bench . -benchmem ./...

fuzz: ## each fuzz target for a minute
	FUZZTIME=1m .ci/run fuzz

cover: ## which share of the code the tests reach, by function
	go test -coverprofile cover.out ./... && go tool cover -func cover.out

tidy: ## format, modernize, and bring go.mod up to date
	gofmt -s -w . && go fix -stringsbuilder=false ./... && go mod tidy

quickstart: ## the library at work while things change and break
	go run ./examples/quickstart

ci: ## all that must hold before a change lands
	.ci/run
