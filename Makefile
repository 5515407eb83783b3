# Go and make are enough for run, demo, test and build. What else a target could use and does not find, it says in a line
# that begins with SKIPPED TIER.

# The function's architecture in template.yaml. Not `?=`: an ARCH in somebody's shell must not end up in a deployment.
ARCH := arm64
TOOL := go tool -modfile=tools/go.mod

.PHONY: help run demo test bench check check-template contract build build-RelayFunction
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-zA-Z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the whole program on this machine, against simulators, until Ctrl-C
	go run ./cmd/relay local

demo: ## the same show, which then ends
	go run ./cmd/relay local --once

test: ## every test, with the race detector where there is a C compiler
	$(if $(RACE),,@echo "SKIPPED TIER: race detector (it needs cgo and a C compiler); the tests run without it")
	go test $(RACE) -shuffle=on ./...
	@command -v moto_server >/dev/null || echo "SKIPPED TIER: moto_server is not on the PATH; our AWS simulator was not compared with it"
	@command -v curl >/dev/null || echo "SKIPPED TIER: curl is not on the PATH; the commands that the local run offers were not tried"

# Go itself turns cgo off where it finds no C compiler.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

bench: ## time and allocations
	go test -run '^$$' -bench . -benchmem ./...

check: ## formatting, vet, staticcheck, go.mod, template
	@unformatted=$$($(TOOL) gofumpt -l .) && test -z "$$unformatted" || { echo "gofumpt would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	go mod tidy -diff
	cd tools && go mod tidy -diff
	@$(MAKE) --no-print-directory check-template

# Two linters of different makers, since each misses what the other finds. What is ours alone is in cmd/lambda's tests.
check-template:
	@if command -v cfn-lint >/dev/null; then set -x; cfn-lint --regions us-east-1 eu-central-1 us-gov-west-1 -t template.yaml; \
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
  // It takes the word Secret in the name of a parameter for a password. These are the beginning of names, and an ARN.
  exclude: { logicalIds: ["SourceSecretPrefix", "WebhookSecretArn"].map((logicalId) => ({ ruleId: "W2509", logicalId })) },
});
for (const d of report.diagnostics) console.log("template.yaml:" + d.startLine + ": " + d.ruleId + " " + d.message);
process.exitCode = report.status === "OK" && report.diagnostics.length === 0 ? 0 : 1;
endef
export CFN_VALIDATE_JS

contract: ## our client and simulator against Datadog's published description
	cd contract && go vet ./... && go tool -modfile=../tools/go.mod staticcheck ./... && go mod tidy -diff
	cd contract && go test $(if $(AGAINST),-against=$(AGAINST))

build: ## the function's binary, as `sam build` makes it, in .build/
	@mkdir -p .build
	@$(MAKE) --no-print-directory build-RelayFunction ARTIFACTS_DIR=.build
	@wc -c < .build/bootstrap | awk '{ printf ".build/bootstrap: %.2f MB, linux/$(ARCH)\n", $$1 / 1e6 }'

# `sam build` calls this, by the function's logical id in template.yaml.
build-RelayFunction:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) go build -trimpath -tags lambda.norpc -ldflags="-s -w" -o "$(ARTIFACTS_DIR)/bootstrap" ./cmd/lambda
