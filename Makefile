# Go and make are enough for run, demo, test and build. What else a target could use and does not find, it says in a line
# that begins with SKIPPED TIER.

# Named and spelled as template.yaml's parameter, which `sam build` keeps to itself: it hands make its environment and no
# more. Nobody has a variable of this name in the shell by accident, as one may have ARCH.
Architecture ?= arm64
GOARCH.arm64  := arm64
GOARCH.x86_64 := amd64
GOARCH_OR_STOP = $(or $(GOARCH.$(Architecture)),$(error Architecture is "$(Architecture)": type Architecture=arm64 or Architecture=x86_64))

TOOL := go tool -modfile=tools/go.mod

.PHONY: help run demo test bench check check-template emulate contract build reproducible \
	build-RelayFunction build-WebhookFunction build-ReconcileFunction build-RotationFunction
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-zA-Z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the whole program here, against simulators, until Ctrl-C
	go run ./cmd/relay local

demo: ## the same show, which then ends
	go run ./cmd/relay local --once

test: ## every test, with the race detector where it can be had
	$(if $(RACE),,@echo "SKIPPED TIER: race detector (it needs cgo and a C compiler); the tests run without it")
	go test $(RACE) -shuffle=on ./...
	@command -v moto_server >/dev/null || echo "SKIPPED TIER: moto_server is not on the PATH; our AWS simulator was not compared with it"
	@command -v curl >/dev/null || echo "SKIPPED TIER: curl is not on the PATH; the commands that the local run offers were not tried"

# Go itself turns cgo off where it finds no C compiler.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

bench: ## time and allocations
	go test -run '^$$' -bench . -benchmem ./...

check: ## formatting, vet, staticcheck, go.mod, template and documents
	@unformatted=$$($(TOOL) gofumpt -l .) && test -z "$$unformatted" || { echo "gofumpt would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	go mod tidy -diff
	cd tools && go mod tidy -diff
	@$(MAKE) --no-print-directory check-template
	go test -skip Scenarios ./cmd/lambda

# Two linters of different makers, since each misses what the other finds. What is ours alone is in cmd/lambda's tests,
# which hold the template to the code and to the lines that the function really logs. One region at a time: for several
# together cfn-lint takes minutes over the template's conditions.
check-template:
	@if command -v cfn-lint >/dev/null; then for region in us-east-1 eu-central-1 us-gov-west-1; do \
		(set -x; cfn-lint --regions $$region -t template.yaml) || exit 1; done; \
	else echo "SKIPPED TIER: cfn-lint is not on the PATH"; fi
	@if ! command -v npm >/dev/null; then echo "SKIPPED TIER: cloudformation-validate (npm is not on the PATH)"; \
	elif ! npm install --prefix .build/npm --no-save --no-audit --no-fund --loglevel=error $(CFN_VALIDATE) >/dev/null; then \
		echo "SKIPPED TIER: cloudformation-validate (npm could not install $(CFN_VALIDATE))"; \
	else echo "+ $(CFN_VALIDATE) template.yaml"; NODE_PATH=.build/npm/node_modules node -e "$$CFN_VALIDATE_JS"; fi

# It is a library without a command of its own.
CFN_VALIDATE := @aws/cloudformation-validate@1.9.0-beta
define CFN_VALIDATE_JS
const { RegoEngine, TemplateFile } = require("@aws/cloudformation-validate");
const report = new RegoEngine().validateStandard(new TemplateFile("template.yaml"), {
  severityLevel: "WARN",
  // It puts in the defaults, and would find these too short.
  parameterOverrides: { AlarmTopicArn: "arn:aws:sns:us-east-1:111122223333:alarms" },
  exclude: {
    // It does not know SAM's !Ref Function.Alias. That every reference leads somewhere is in cmd/lambda's tests.
    ids: ["F1020"],
    logicalIds: [
      // It takes the word Secret in the name of a parameter for a password. These are beginnings of names, names and ARNs.
      ...["SourceSecretPrefix", "SourceSecretArns", "BindingSecret", "WebhookSecretArn"].map((id) => ["W2509", id]),
      // It does not look at the conditions inside a !Join.
      ...["RolesToMap", "RoleArns"].map((id) => ["W1001", id]),
    ].map(([ruleId, logicalId]) => ({ ruleId, logicalId })),
  },
});
for (const d of report.diagnostics) console.log("template.yaml:" + d.startLine + ": " + d.ruleId + " " + d.message);
process.exitCode = report.status === "OK" && report.diagnostics.length === 0 ? 0 : 1;
endef
export CFN_VALIDATE_JS

# What the linters cannot see: whether it can be created.
emulate: ## the template, created as stacks in an emulator of AWS
	@if python3 -c 'import boto3, moto.cloudformation.parsing, samtranslator' 2>/dev/null; then python3 tools/emulate.py; \
	else echo "SKIPPED TIER: emulated stacks (python3 needs aws-sam-translator, and moto with its extra cloudformation)"; fi

contract: ## our client and simulator against Datadog's description
	cd contract && go vet ./... && go tool -modfile=../tools/go.mod staticcheck ./... && go mod tidy -diff
	cd contract && go test $(if $(AGAINST),-against=$(AGAINST))

build: ## the functions' binary, for arm64 or with Architecture=x86_64
	@mkdir -p .build
	@$(MAKE) --no-print-directory build-RelayFunction ARTIFACTS_DIR=.build
	@wc -c < .build/bootstrap | awk '{ printf ".build/bootstrap: %.2f MB, $(Architecture), sha256 ", $$1 / 1e6 }'
	@{ sha256sum .build/bootstrap 2>/dev/null || shasum -a 256 .build/bootstrap; } | cut -d ' ' -f 1

# The copy has another path, no git and nothing in its build cache; the checkout has all three, and Go is told to say so,
# lest somebody's own GOFLAGS hide it. The default architecture comes last, and so stays in .build/.
reproducible: ## that a build elsewhere gives the same bytes; takes a minute
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && mkdir "$$copy/src" && \
	tar -cf - --exclude=./.git --exclude=./.build --exclude=./.aws-sam . | tar -xf - -C "$$copy/src" && \
	for architecture in x86_64 arm64; do \
		GOFLAGS=-buildvcs=auto $(MAKE) --no-print-directory build Architecture=$$architecture && \
		GOCACHE="$$copy/cache" $(MAKE) --no-print-directory -C "$$copy/src" build Architecture=$$architecture && \
		cmp .build/bootstrap "$$copy/src/.build/bootstrap" || exit 1; \
	done && echo "the same bytes in another directory, from an empty build cache"

# `sam build` calls these, by the logical ids in template.yaml: functions of different rights that run one binary.
#
# The same sources make the same bytes, wherever they lie. Hence no path in it, no processor but the plainest, and no commit:
# with that, a clone would differ from a tarball, and a change of the README would deploy new versions of all functions.
# Nothing reads the commit; whoever asks which one is deployed can build it and compare.
build-RelayFunction build-WebhookFunction build-ReconcileFunction build-RotationFunction:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_OR_STOP) GOARM64=v8.0 GOAMD64=v1 \
		go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags="-s -w" \
		-o "$(ARTIFACTS_DIR)/bootstrap" ./cmd/lambda
