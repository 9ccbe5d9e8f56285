# Writ. `make run` starts the whole house on localhost; `make test` installs what the tests need and runs them all.
SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export CGO_ENABLED ?= 0
export GOFLAGS     += -trimpath -buildvcs=false
PKG        := ./...
DATA       := data
FUZZTIME   ?= 10s
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help deps build run test check race fuzz bench interop browser story nightly

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

deps: ## install what the tests need (Debian 12): PostgreSQL, Chromium, real clients and peers; the only step that installs
	@scripts/deps

build: ## one static binary, bin/writ
	@go build -ldflags "-s -w -X writ/cli.Version=$(VERSION)" -o bin/writ .

run: build ## the whole house on localhost, with sample people, staff and an agency
	@bin/writ dev --data $(DATA)

test: deps build ## all tests: rooms, both databases, pages in a browser, real clients, the story
	@go test -timeout 18m $(PKG)

check: ## vet, formatting, staticcheck, known vulnerabilities (offline database)
	@scripts/check

race: ## the race detector, on small volumes
	@CGO_ENABLED=1 go test -race -short -timeout 30m $(shell go list $(PKG) | grep -v -e /interop -e /bench)

fuzz: ## each fuzz target for FUZZTIME
	@scripts/fuzz $(FUZZTIME)

interop: deps build ## only the real clients and the browser
	@go test -count 1 -v ./interop/...

story: build ## Hong Kong 2019-2021 through public interfaces alone, beside the news' figures
	@go test -count 1 -v -run '^TestStory$$' ./interop/story

bench: deps build ## benchmarks beside the code, then Writ, ejabberd and prosody under the same load
	@go test -run '^$$' -bench . -benchmem $(PKG)
	@bench/run

nightly: test check race ## everything, with longer fuzzing
	@$(MAKE) fuzz FUZZTIME=5m
	@$(MAKE) bench
