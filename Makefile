GO       ?= go
FUZZTIME ?= 30s
TOOL     := $(GO) tool -modfile=go.tool.mod
MODULES  := . test test/controlplane test/prometheus
GENERATED := config/crd docs/spec apis
PROGRAMS := sluice-controller kubectl-sluice

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Start here
.PHONY: help demo test
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Watch three releases on a real control plane; UNATTENDED=1 checks them and leaves
	cd test && $(GO) run -v ./prepare && $(GO) run -v ./demo $(if $(UNATTENDED),-unattended)

test: ssh ## Run every test; the first time it builds a control plane, once for all clones
	$(GO) test $$($(GO) list ./... | grep -v -e /sluice/strategy -e /sluice/gitsync$$)
	@mkdir -p bin; $(GO) test -v ./strategy/... ./gitsync > bin/model.log 2>&1; status=$$?; grep -E '^(model|sync model|ok|FAIL)' bin/model.log; \
	  test $$status = 0 || { tail -n 200 bin/model.log; exit $$status; } # without -v, go test keeps to itself how many states the models explored
	cd test && $(GO) run ./prepare && $(GO) test -p 1 ./... # one real control plane at a time

.PHONY: ssh
ssh: # git has no SSH of its own, and Debian does not always install one with it
	@command -v ssh >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends openssh-client; } || \
	  { echo "the tests of Git over SSH need the program ssh: install openssh-client"; exit 1; }

##@ Build
.PHONY: build image $(PROGRAMS)
build: $(PROGRAMS) ## Build the controller and the kubectl plugin into bin/

sluice-controller:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/$@ ./cmd/controller
kubectl-sluice:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/$@ ./cmd/kubectl-sluice

image: ## Make the controller's image in dist/: a folder for the Containerfile, and an archive that needs no Docker
	GOOS=linux CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags=-s -o dist/root/sluice-controller ./cmd/controller
	arch=$$($(GO) env GOARCH); GOARCH= $(GO) run ./internal/image -root dist/root -out dist/sluice-controller.tar -arch $$arch

##@ Change
.PHONY: generate golden fuzz
generate: ## Rewrite what is made from the types: deep copies, CRDs, docs/spec
	$(TOOL) controller-gen object paths=./apis/...
	$(TOOL) controller-gen crd:maxDescLen=200 paths=./apis/... output:crd:dir=config/crd
	$(GO) run ./internal/generate

golden: ## Rewrite the golden files from what the code does now; read the difference before you keep it
	$(GO) test $$(grep -rl --include='*_test.go' 'sluice/internal/golden"' . | xargs -n1 dirname | sort -u | grep -v '^./test') -update

fuzz: ## Fuzz each parser of user text for FUZZTIME (30s)
	@grep -ro --include='*_test.go' '^func Fuzz[A-Za-z]*' --exclude-dir=test . | sed 's/_test.go:func / /' | while read -r file target; do \
	  echo "$$target in $$(dirname $$file)"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$(dirname $$file) || exit 1; done

##@ Check
# The vectors of Git-sync lie beside those of Rollouts.
GITOPS_VECTORS ?= $(VECTORS)/../../conformance/gitops
.PHONY: integration soak conformance bench lint verify
integration: ## Run the tests that need an API server, alone
	cd test && $(GO) run ./prepare && $(GO) test ./integration/...

soak: ## Let OPERATIONS (1000) random acts come to Rollouts under load; SEED repeats a run
	cd test && $(GO) run ./prepare && $(GO) test ./integration/ -run '^TestRandomOperationsUnderLoadLoseNoRequest$$' -count=1 -v -timeout 3h \
	  -args -seed=$(or $(SEED),$(shell date +%s)) -operations=$(or $(OPERATIONS),1000)

conformance: ## Compare with vectors of the reference: make conformance VECTORS=<folder>
	@test -d "$(VECTORS)" || { echo "make conformance VECTORS=<folder>: the folder holds the vectors, one JSON document a line"; exit 2; }
	@mkdir -p bin; VECTORS="$(abspath $(VECTORS))" GITOPS_VECTORS="$(abspath $(GITOPS_VECTORS))" $(GO) test -count=1 -tags conformance -v \
	  $$(grep -rl --include='*_test.go' '^//go:build conformance' . $(if $(wildcard $(GITOPS_VECTORS)),,--exclude-dir=gitsync) | xargs -n1 dirname | sort -u) > bin/conformance.log 2>&1; status=$$?; \
	  grep -E 'conformance: |^ok|^FAIL|^--- FAIL' bin/conformance.log | sed 's/^ *[a-z_]*\.go:[0-9]*: //'; \
	  test $$status = 0 || { tail -n 60 bin/conformance.log; exit $$status; }

bench: ## Measure writes, reaction times and memory; results go to docs/benchmarks.md
	cd test && $(GO) run -v ./prepare && CGO_ENABLED=0 $(GO) run -v ./bench # what is measured is built as it is shipped

lint: bin/golangci-lint ## Run the linters of .golangci.yaml
	bin/golangci-lint run --allow-parallel-runners ./...
	cd test && ../bin/golangci-lint run --allow-parallel-runners --config ../.golangci.yaml ./...

bin/golangci-lint: go.tool.mod
	$(GO) build -modfile=go.tool.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

verify: generate lint ## Check that generated files are current and that code, modules and house rules are in order
	git diff --exit-code -- $(GENERATED)
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./... && $(GO) vet -tags conformance ./... && cd test && $(GO) vet ./...
	@for module in $(MODULES); do echo "go mod tidy -diff in $$module"; (cd $$module && $(GO) mod tidy -diff) || exit 1; done
	$(GO) test -count=1 ./internal/house
