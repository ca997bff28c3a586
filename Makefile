# Gatehouse: `make help` lists what there is. CI runs .ci/run, which runs check, test and accept.

GO          ?= go
STATICCHECK  = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.1
# The race detector leaves out SQLite itself, which is C turned into Go, and the password hash, whose megabytes it would note
# word by word: tests take a third of the time. No more than that: a package with generic code that others share must be
# watched everywhere or nowhere.
RACE         = -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=golang.org/x/crypto/argon2=-race=false
FUZZTIME    ?= 30s
SOAKTIME    ?= 10m

.DEFAULT_GOAL := help
.PHONY: help deps build check test accept bench fuzz soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install what the tests need (PostgreSQL, a C compiler, xmlsec1, Chromium), on Debian; nothing when it is there
	@scripts/deps

build: ## build bin/gatehouse, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/gatehouse ./cmd/gatehouse

check: ## format, vet, staticcheck, and the table of who may import whom
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags accept ./acceptance
	$(STATICCHECK) ./...
	$(GO) test ./internal/house

test: deps ## every test with the race detector, on SQLite and on PostgreSQL
	GATEHOUSE_REQUIRE_POSTGRES=1 $(GO) test $(RACE) -count=1 -timeout 30m ./...

accept: ## the stories against the real binary, with peers written by others and with faults
	@scripts/deps peers
	GATEHOUSE_ACCEPT=1 GATEHOUSE_REQUIRE_POSTGRES=1 $(GO) test -tags accept -count=1 -timeout 30m ./acceptance/...
	GATEHOUSE_REQUIRE_POSTGRES=1 $(GO) test -tags accept -count=1 -timeout 30m -run 'LocksACompanyOut' ./internal/directory ./internal/signin

bench: deps ## measure, with the machine's limit beside each figure, then with 100,000 and 1,000,000 people (docs/benchmarks.md)
	scripts/bench
	scripts/bench -large

fuzz: ## every fuzz target for FUZZTIME (30s)
	GO=$(GO) scripts/fuzz $(FUZZTIME)

soak: deps ## all clients over 20 workspaces on both databases for SOAKTIME (10m), with the server killed every 30 s
	GO=$(GO) scripts/soak $(SOAKTIME)

clean: ## delete what was built
	rm -rf bin
	$(GO) clean -testcache
