# What a developer runs; `make` alone lists it. All of it works on a machine that has Go and make: whatever else is needed
# is fetched through Go's module proxy, into ./.bin or the module cache.

.DEFAULT_GOAL := help
.PHONY: help build drill compare check tools lint test mutants bench bench-kernel soak fuzz golden fmt

LINTER_VERSION := v2.15.0
LINTER := .bin/golangci-lint-$(LINTER_VERSION)
FUZZTIME := 10m

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build ./firedrill
	go build -o firedrill ./cmd/firedrill

drill: build ## play every shipped scenario in the virtual world
	./firedrill run

compare: build ## play what ships for both worlds in both; where there is no kernel world, say why and go on
	./firedrill compare --where-possible --jobs 3

check: tools lint test mutants drill compare ## all that CI runs, in this order

tools: ## what tests need beside Go: as root on Debian it is installed, elsewhere you are told
	@sh .ci/tools

lint: $(LINTER) ## format, import arrows, forbidden calls, common mistakes, other systems
	$(LINTER) run ./...
	GOOS=linux GOARCH=arm64 go vet ./...
	GOOS=darwin go vet ./...
	GOOS=windows go build ./...

test: ## unit, property, golden and script tests; behind them, what was skipped and why
	go run ./cmd/tests ./...

mutants: ## plant every bug in testdata/mutants; fail if one survives
	go run ./cmd/mutants

# GOGC is that of the command.
bench: ## benchmarks, one package after the other, with the ratios that the README quotes
	GOGC=400 FIREDRILL_BENCH=1 go test -p 1 -count=1 -run '^TestCompare' -bench . ./sim/... ./scenarios/... ./nodes/...

bench-kernel: ## figures of the kernel world, each beside its peer, as a table; takes some minutes and a quiet system
	go run ./cmd/figures

soak: ## look for two answers from one seed: 10,000 seeds, each played in two processes
	go run ./cmd/soak

fuzz: ## odd input for whatever reads what others wrote: every FuzzX there is, ten minutes for each
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' . | sed 's|/[^/]*:func | |' | sort | while read -r folder name; do \
		echo "$$folder $$name"; \
		go test "$$folder" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s </dev/null || exit 1; \
	done

golden: ## rewrite the golden files; read the diff before committing it
	UPDATE_GOLDEN=1 go test ./...
	git diff --stat

fmt: ## format the code
	gofmt -w .

$(LINTER):
	GOBIN=$(CURDIR)/.bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTER_VERSION)
	mv .bin/golangci-lint $@
