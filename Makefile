# What one does with refit. `make test` and `make demo` set up all they need on a Debian machine that has the toolchains.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PREFIX ?= /usr/local
# refit.pc is read from anywhere.
override PREFIX := $(abspath $(PREFIX))
TARGET := $(or $(CARGO_TARGET_DIR),target)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# --workspace: the features of its dependencies are those of the tests, so that they are compiled once.
LAB := cargo build -q --workspace --bin lab && $(TARGET)/debug/lab run --
NEED := tests/lab/need

help: ## this list
	@sed -n 's/^\([a-z-]*\)%*:.*## /\1\t/p' Makefile | expand -t 16

test: ## every test, on a real engine and registry
	$(NEED) rust c go service node
	mkdir -p $(TARGET)
	$(LAB) $(MAKE) test-rust test-go test-service 2>&1 | tee $(TARGET)/test.log
	@grep -a '^UNSTEADY: ' $(TARGET)/test.log || true
	# Every login of the tests has such a secret, and nothing that was written may hold one.
	! grep -anE 'REFIT-SECRET|lab-secret|proxy-secret' $(TARGET)/test.log

# tests/lab/timed sets how many tests run at once, and reports a time a suite.
TEST := cargo --config 'target."cfg(all())".runner = ["$(abspath tests/lab/timed)"]' test

test-rust: ## the library's tests, those of the C ABI among them
	$(NEED) rust c
	$(LAB) $(TEST) --no-fail-fast --workspace --lib --bins --tests
	cargo test --workspace --doc

test-kills: ## the kills and faults of recreations and recoveries at every call, the reading ones too, with every kind of fault
	$(NEED) rust c
	$(LAB) env REFIT_EVERY_KILL=1 $(TEST) --test it -- container::recover container::recreate::faults volume::kills volume::restore_in_rollback

test-swarm: ## a service on three engines, one of which is lost in the middle of an update: 4 minutes
	$(NEED) rust c
	$(LAB) cargo test --test swarm -- --nocapture --test-threads=1

test-c: ## the tests of the C ABI alone
	$(NEED) rust c
	$(LAB) cargo test --test abi

test-go: ## the tests of the Go binding
ifneq ($(wildcard bindings/go/go.mod),)
	$(NEED) rust c go
	cargo test -q --test abi --no-run
	$(MAKE) go REFIT_BUILT=$(or $(REFIT_BUILT),$(TARGET)/debug/deps)
	cargo build -q --workspace --bin lab
	cd bindings/go && go vet ./... && REFIT_BUILT=$(or $(REFIT_BUILT),$(TARGET)/debug/deps) $(abspath $(TARGET))/debug/lab run -- sh -c 'go test -race ./... && GOGC=1 go test -run "$(GO_ENDS)" ./...'
endif

# The tests of calls that are cancelled and clients that are closed. With GOGC=1 the Go runtime collects all the time.
GO_ENDS := Clos|Ends|Goexit|Panic|Survives|Silent

test-go-stress: ## the Go tests with checks of each pointer that goes to C, and twenty times those of cancelling and closing; 20 minutes
	$(NEED) rust c go
	cargo test -q --test abi --no-run
	$(MAKE) go REFIT_BUILT=$(or $(REFIT_BUILT),$(TARGET)/debug/deps)
	cargo build -q --workspace --bin lab
	cd bindings/go && REFIT_BUILT=$(or $(REFIT_BUILT),$(TARGET)/debug/deps) $(abspath $(TARGET))/debug/lab run -- sh -c 'GOGC=1 GOEXPERIMENT=cgocheck2 go test -timeout 30m ./... && GOGC=1 go test -race -count=20 -timeout 1h -run "$(GO_ENDS)" ./...'

test-go-oldest: ## the Go tests with the oldest Go that go.mod allows, which the go command gets
	GOTOOLCHAIN=go$$(sed -n 's/^go //p' bindings/go/go.mod).0 $(MAKE) test-go

# Linked with what the tests of the binding are linked with: the debug build, or what REFIT_BUILT names.
SERVICE := examples/server-manager
service-build:
	$(NEED) rust c service node
	cargo test -q --test abi --no-run
	$(MAKE) go REFIT_BUILT=$(or $(REFIT_BUILT),$(TARGET)/debug/deps)
	cargo build -q --workspace --bin lab
	cd $(SERVICE)/page && npm ci --loglevel=error && npm run -s build
	find $(SERVICE)/service/internal/page/dist -mindepth 1 ! -name about.txt -delete
	cp -r $(SERVICE)/page/dist/. $(SERVICE)/service/internal/page/dist/
	cd $(SERVICE)/service && go build -o $(abspath $(TARGET))/server-manager .

service: service-build ## the example service with its page and the demo's images, until Ctrl-C: prints its address and the first administrator's link
	$(LAB) $(SERVICE)/run

test-service: service-build ## the example service: its routes, what its OpenAPI document allows, its page in a browser
	$(NEED) python chromium
	cd $(SERVICE)/service && go vet ./... && SERVER_MANAGER=$(abspath $(TARGET))/server-manager $(abspath $(TARGET))/debug/lab run -- go test ./...
	$(TARGET)/debug/lab run -- $(SERVICE)/test-schema
	cd $(SERVICE)/page && SERVER_MANAGER=$(abspath $(TARGET))/server-manager $(abspath $(TARGET))/debug/lab run -- npm run -s test:e2e

test-go-cross: ## programs for musl and for arm64, built from their archives and run; two releases are built for it
	$(NEED) rust c go
	command -v qemu-aarch64-static > /dev/null || apt-get -qq install -y --no-install-recommends qemu-user-static libc6-dev-arm64-cross > /dev/null
	# The tests themselves are linked with the debug build.
	cargo test -q --test abi --no-run
	$(MAKE) go REFIT_BUILT=$(or $(REFIT_BUILT),$(TARGET)/debug/deps)
	$(MAKE) go MUSL=1
	GOARCH=arm64 $(MAKE) go
	$(LAB) sh -c 'cd bindings/go && REFIT_GO_CROSS=1 go test -run "TestAStaticProgram|TestAProgramForArm64" .'

demo: ## an update of a running container, seen from the outside
	$(NEED) rust c demo
	$(LAB) examples/demo

matrix: ## the tests on every engine there is: make matrix SUITE=name
	$(NEED) rust c
	tests/lab/matrix $(SUITE)

# Docker's own Go client is in a module of its own, so that the binding needs nothing.
bench-go: ## the Go binding beside Docker's own Go client, with the release of the archive
	$(NEED) rust c go
	$(MAKE) go
	$(LAB) sh -c 'cd benches/go && go run .'

bench-%: ## a measurement of benches/: make bench-pull
	$(NEED) rust c
	$(LAB) cargo bench --bench $*

lint: ## formatting, lints and documentation, as .ci/run wants them
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

header: ## writes include/refit.h from src/ffi
	REFIT_WRITE=1 cargo test -q --test abi header

schema: ## writes include/refit.schema.json from the documents' structs
	REFIT_WRITE=1 cargo test -q --test abi schema

# REFIT_BUILT is a folder with rustc's librefit.so and librefit.a that are to be packaged as they are (the tests take the debug build). Without
# it they are built, both at once and without an rlib, which would switch LTO off without a word. TRIPLE is another platform, of which there is the
# archive alone; TOOLS are its binutils.
LIBRARIES := $(or $(REFIT_BUILT),$(TARGET)/$(if $(TRIPLE),$(TRIPLE)/)dist)
PACKAGE := $(LIBRARIES)/package
comma := ,
build:
ifndef REFIT_BUILT
	$(NEED) rust c $(if $(TRIPLE),$(TRIPLE))
	cargo rustc --lib --profile dist --crate-type $(if $(TRIPLE),staticlib --target $(TRIPLE),cdylib$(comma)staticlib)
endif

archive: build
	mkdir -p $(PACKAGE)
	# One object in which only the symbols of the list are global: two Rust archives side by side would define the same names. Rust's musl has an
	# unwinder of its own, where the others use gcc's.
	$(TOOLS)objcopy --remove-section=.llvmbc --remove-section=.llvmcmd $(LIBRARIES)/librefit.a $(PACKAGE)/all.a
	$(TOOLS)ld -r --force-group-allocation --gc-sections $$(sed 's/^/-u /' tests/c/symbols.txt) --whole-archive $(PACKAGE)/all.a \
	  --no-whole-archive $(if $(findstring musl,$(TRIPLE)),$$(rustc --print sysroot)/lib/rustlib/$(TRIPLE)/lib/self-contained/libunwind.a) -o $(PACKAGE)/refit.o
	$(TOOLS)objcopy --strip-debug --keep-global-symbols=tests/c/symbols.txt $(PACKAGE)/refit.o
	rm -f $(PACKAGE)/librefit.a
	$(TOOLS)ar rcsD $(PACKAGE)/librefit.a $(PACKAGE)/refit.o
	rm $(PACKAGE)/all.a $(PACKAGE)/refit.o

dist: archive ## the release: shared library, static library, refit.pc, in target/dist/package
	objcopy --strip-unneeded $(LIBRARIES)/librefit.so $(PACKAGE)/librefit.so.$(VERSION)

install: dist ## library, header and refit.pc: make install PREFIX=/usr/local
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(PACKAGE)/librefit.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib
	ln -sf librefit.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/librefit.so.0
	ln -sf librefit.so.0 $(DESTDIR)$(PREFIX)/lib/librefit.so
	install -m 644 $(PACKAGE)/librefit.a $(DESTDIR)$(PREFIX)/lib
	install -m 644 include/refit.h include/refit.schema.json $(DESTDIR)$(PREFIX)/include
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' 'includedir=$${prefix}/include' '' 'Name: refit' \
	  'Description: Docker images and the containers made from them, managed by hand' 'Version: $(VERSION)' \
	  'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lrefit' 'Libs.private: -lutil -lrt -lpthread -lm -ldl' \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/refit.pc

# The platform of the archive for Go: GOARCH=arm64 make go, make go MUSL=1. One that is not this machine's has a triple.
GO_PLATFORM = linux_$(or $(GOARCH),$(shell go env GOARCH))$(if $(MUSL),_musl)
ifeq ($(shell uname -m),aarch64)
TRIPLE_linux_amd64 := x86_64-unknown-linux-gnu
TOOLS_linux_amd64 := x86_64-linux-gnu-
else
TRIPLE_linux_arm64 := aarch64-unknown-linux-gnu
TOOLS_linux_arm64 := aarch64-linux-gnu-
endif
TRIPLE_linux_amd64_musl := x86_64-unknown-linux-musl

go: ## header and archive where the Go binding looks for them; GOARCH=arm64 and MUSL=1 for other platforms
	@[ -d bindings/go/lib/$(GO_PLATFORM) ] || { echo "there are archives for $$(ls bindings/go/lib | xargs), not for $(GO_PLATFORM)" >&2; exit 1; }
	$(MAKE) go-archive TRIPLE=$(TRIPLE_$(GO_PLATFORM)) TOOLS=$(TOOLS_$(GO_PLATFORM))

go-archive: archive
	install -D -m 644 $(PACKAGE)/librefit.a bindings/go/lib/$(GO_PLATFORM)/librefit.a
	install -D -m 644 include/refit.h bindings/go/include/refit.h
	sha256sum < bindings/go/lib/$(GO_PLATFORM)/librefit.a | sed 's|.*|/* & */|' > bindings/go/lib/$(GO_PLATFORM)/built.h
	# Go's build cache sees neither the header nor the archives in the other folders; this header in the package is a part of its key.
	cat include/refit.h bindings/go/lib/*/built.h | sha256sum | sed 's|.*|/* & */|' > bindings/go/built.h

go-module: ## the Go module, ready to be tagged or vendored, with the archives that there are: make go-module OUT=dir
	[ -n "$(OUT)" ] || { echo "make go-module OUT=dir: where is it to be written?" >&2; exit 1; }
	[ -e bindings/go/built.h ] || { echo "there is no archive yet: make go, GOARCH=arm64 make go, make go MUSL=1" >&2; exit 1; }
	[ ! -e "$(OUT)" ] || [ -z "$$(ls -A "$(OUT)")" ] || { echo "$(OUT) is there and not empty" >&2; exit 1; }
	mkdir -p "$(OUT)"
	tar -C bindings/go --exclude='*_test.go' --exclude=./internal --exclude=.gitignore -c . | tar -C "$(OUT)" -x
	cp LICENSE-APACHE "$(OUT)"/LICENSE

clean: ## takes the lab down, then everything that was built
	-cargo build -q --workspace --bin lab && $(TARGET)/debug/lab down
	cargo clean
	find $(SERVICE)/service/internal/page/dist -mindepth 1 ! -name about.txt -delete
	rm -rf $(SERVICE)/page/node_modules $(SERVICE)/page/dist
	rm -f bindings/go/lib/*/librefit.a bindings/go/lib/*/built.h bindings/go/include/refit.h bindings/go/built.h

.PHONY: help test test-rust test-kills test-swarm test-c test-go test-go-stress test-go-oldest test-go-cross bench-go demo matrix lint header schema build archive dist install go go-archive go-module clean service-build service test-service
