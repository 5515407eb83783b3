# The targets run, demo, test, bench and build need Go and make only. If another target does not find a tool, it skips the
# checks that need it, and prints a line that begins with SKIPPED TIER.

# Architecture has the name and the values of the parameter in template.yaml. `sam build` does not pass the parameter to make,
# but it passes its environment. An environment rarely has a variable of this name by accident, unlike ARCH.
Architecture ?= arm64
GOARCH.arm64  := arm64
GOARCH.x86_64 := amd64
GOARCH_OR_STOP = $(or $(GOARCH.$(Architecture)),$(error Architecture is "$(Architecture)": type Architecture=arm64 or Architecture=x86_64))

TOOL := go tool -modfile=tools/go.mod

.PHONY: help run demo .build/relay test bench check check-template emulate contract build reproducible \
	build-RelayFunction build-WebhookFunction build-ReconcileFunction build-RotationFunction
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-zA-Z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .build/relay ## run everything locally against simulators (Ctrl-C stops it)
	@exec .build/relay local

demo: .build/relay ## run the demo and exit
	@exec .build/relay local --once

# `go run` would say nothing while it compiles, and would make Ctrl-C look like an error.
.build/relay:
	@echo "Compiling cmd/relay. The first time takes about 40 seconds." >&2
	@mkdir -p .build && go build -o .build/relay ./cmd/relay

test: ## run all tests, with the race detector if cgo is available
	$(if $(RACE),,@echo "SKIPPED TIER: race detector (it needs cgo and a C compiler); the tests run without it")
	go test $(RACE) -shuffle=on ./...
	@command -v curl >/dev/null || echo "SKIPPED TIER: curl is not on the PATH; the commands that make run prints were not tried"

# Go sets CGO_ENABLED to 0 if it finds no C compiler.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

check: ## check format, vet, staticcheck, go.mod, template and docs
	@unformatted=$$($(TOOL) gofumpt -l .) && test -z "$$unformatted" || { echo "gofumpt would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	go mod tidy -diff
	cd tools && go mod tidy -diff
	@$(MAKE) --no-print-directory check-template
	go test -skip Scenarios ./cmd/lambda

# The two linters come from different projects: each finds what the other one misses. The tests in cmd/lambda check our own
# rules, which compare the template with the code and with the log. cfn-lint gets one region at a time, because it takes
# minutes over the template's conditions for several together.
check-template:
	@if command -v cfn-lint >/dev/null; then for region in us-east-1 eu-central-1 us-gov-west-1; do \
		(set -x; cfn-lint --regions $$region -t template.yaml) || exit 1; done; \
	else echo "SKIPPED TIER: cfn-lint is not on the PATH"; fi
	@if ! command -v npm >/dev/null; then echo "SKIPPED TIER: cloudformation-validate (npm is not on the PATH)"; \
	elif ! npm install --prefix .build/npm --no-save --no-audit --no-fund --loglevel=error $(CFN_VALIDATE) >/dev/null; then \
		echo "SKIPPED TIER: cloudformation-validate (npm could not install $(CFN_VALIDATE))"; \
	else echo "+ $(CFN_VALIDATE) template.yaml"; NODE_PATH=.build/npm/node_modules node -e "$$CFN_VALIDATE_JS"; fi

# cloudformation-validate is a library and has no command, so this script calls it.
CFN_VALIDATE := @aws/cloudformation-validate@1.9.0-beta
define CFN_VALIDATE_JS
const { RegoEngine, TemplateFile } = require("@aws/cloudformation-validate");
const report = new RegoEngine().validateStandard(new TemplateFile("template.yaml"), {
  severityLevel: "WARN",
  // It checks the parameters' defaults, and this one is empty.
  parameterOverrides: { AlarmTopicArn: "arn:aws:sns:us-east-1:111122223333:alarms" },
  exclude: {
    // It does not know SAM's !Ref Function.Alias. The tests in cmd/lambda check that each reference exists.
    ids: ["F1020"],
    logicalIds: [
      // It thinks that a parameter with Secret in its name is a password. These are prefixes of names, names and ARNs.
      ...["SourceSecretPrefix", "SourceSecretArns", "BindingSecret", "WebhookSecretArn"].map((id) => ["W2509", id]),
      // It ignores the conditions inside a !Join.
      ...["RolesToMap", "RoleArns"].map((id) => ["W1001", id]),
    ].map(([ruleId, logicalId]) => ({ ruleId, logicalId })),
  },
});
for (const d of report.diagnostics) console.log("template.yaml:" + d.startLine + ": " + d.ruleId + " " + d.message);
process.exitCode = report.status === "OK" && report.diagnostics.length === 0 ? 0 : 1;
endef
export CFN_VALIDATE_JS

# moto is another project's simulator of AWS. It shows whether our simulator invents rules, and whether CloudFormation can
# create the template's stacks, which no linter checks.
emulate: ## check our simulator and the template against moto
	@if command -v moto_server >/dev/null; then (set -x; go test -count=1 -run Moto ./internal/awssim -moto); \
	else echo "SKIPPED TIER: our AWS simulator against moto (moto_server is not on the PATH)"; fi
	@if python3 -c 'import boto3, moto.cloudformation.parsing, samtranslator' 2>/dev/null; then (set -x; python3 tools/emulate.py); \
	else echo "SKIPPED TIER: emulated stacks (python3 needs aws-sam-translator, and moto with its extra cloudformation)"; fi

contract: ## check our client and simulator against Datadog's API spec
	cd contract && go vet ./... && go tool -modfile=../tools/go.mod staticcheck ./... && go mod tidy -diff
	cd contract && go test $(if $(AGAINST),-against=$(AGAINST))

build: ## build the functions' binary (arm64, or Architecture=x86_64)
	@mkdir -p .build
	@$(MAKE) --no-print-directory build-RelayFunction ARTIFACTS_DIR=.build
	@wc -c < .build/bootstrap | awk '{ printf ".build/bootstrap: %.2f MB, $(Architecture), sha256 ", $$1 / 1e6 }'
	@{ sha256sum .build/bootstrap 2>/dev/null || shasum -a 256 .build/bootstrap; } | cut -d ' ' -f 1

# The copy has another path, no git and an empty build cache. The checkout has all three: GOFLAGS makes Go look at git, even if
# the user's own GOFLAGS say otherwise. The default architecture comes last, so that its binary stays in .build/.
reproducible: ## check that builds are identical everywhere (about a minute)
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && mkdir "$$copy/src" && \
	tar -cf - --exclude=./.git --exclude=./.build --exclude=./.aws-sam . | tar -xf - -C "$$copy/src" && \
	for architecture in x86_64 arm64; do \
		GOFLAGS=-buildvcs=auto $(MAKE) --no-print-directory build Architecture=$$architecture && \
		GOCACHE="$$copy/cache" $(MAKE) --no-print-directory -C "$$copy/src" build Architecture=$$architecture && \
		cmp .build/bootstrap "$$copy/src/.build/bootstrap" || exit 1; \
	done && echo "The builds are identical: in another directory and from an empty build cache too."

# `sam build` runs these targets. Their names have the logical ids in template.yaml: the functions have different permissions
# and the same binary.
#
# The same sources make the same bytes in every directory. So the binary contains no path, no commit, and no instructions of
# newer processors. With the commit in it, a clone and a tarball would differ, and a change of the README would deploy new
# versions of all functions. To find out which commit is deployed, build it and compare.
build-RelayFunction build-WebhookFunction build-ReconcileFunction build-RotationFunction:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_OR_STOP) GOARM64=v8.0 GOAMD64=v1 \
		go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags="-s -w" \
		-o "$(ARTIFACTS_DIR)/bootstrap" ./cmd/lambda
