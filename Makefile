# Keelson's verbs. `make` alone lists them. Each does its own set-up, packages included.

SHELL := /bin/bash
PRESET ?= release
BUILD := build/$(PRESET)
TARGETS ?= keelson keelctl keelson-shim
JOBS ?= $(shell nproc)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PACKAGES := $(shell sed -e 's/#.*//' systemd/packages.list)
DESTDIR ?=

.PHONY: help deps build images demo demo-cluster test bench lint format sanitize install package clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 18

deps: ## install the Debian packages of systemd/packages.list that are missing
	@missing=$$(for p in $(PACKAGES); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then echo "== installing:" $$missing; $(SUDO) apt-get update -q && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; fi

$(BUILD)/build.ninja: CMakePresets.json
	cmake --preset $(PRESET)

build: deps $(BUILD)/build.ninja ## build the programs (PRESET=release|dev|asan|tsan; TARGETS=all for tests too)
	cmake --build $(BUILD) -j $(JOBS) --target $(TARGETS)

images: deps ## the small nginx and alpine images that demo, tests and benchmarks run
	@tests/images/make_images.sh build/images

demo: build images ## run a pod from a manifest, in namespaces of its own, and show it
	@$(SUDO) python3 tests/e2e/demo.py $(BUILD) build/images

demo-cluster: TARGETS += fake-api-server
demo-cluster: build images ## a node joins a stand-in API server, and kubectl runs pods on it
	@command -v kubectl >/dev/null || $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends kubernetes-client
	@$(SUDO) python3 tests/e2e/demo_cluster.py $(BUILD) build/images

test: PRESET = dev
test: ## build and run every test
	@$(MAKE) --no-print-directory build images PRESET=dev TARGETS=all
	$(SUDO) ctest --test-dir build/dev --output-on-failure

bench: TARGETS += unpack_bench fake-api-server
bench: build images ## the budget of DESIGN.md, in ratios beside peers -> build/bench/report.json
	@$(SUDO) python3 tests/bench/bench.py $(BUILD) build/images

lint: deps ## layers and format
	@python3 tests/lint/layers.py . && git ls-files '*.h' '*.cc' | xargs clang-format-14 --dry-run -Werror

format: ## clang-format over all sources
	@git ls-files '*.h' '*.cc' | xargs clang-format-14 -i

sanitize: deps ## unit and component tests under ASan+UBSan, then TSan
	@for p in asan tsan; do cmake --preset $$p && cmake --build build/$$p -j $(JOBS) && \
	  $(SUDO) ctest --test-dir build/$$p --output-on-failure -L 'unit|component' || exit 1; done

install: build ## binaries, unit, sysctl.d, tmpfiles and default configuration below DESTDIR
	DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix /usr

package: build ## build/release/keelson_<version>_<arch>.deb
	cd $(BUILD) && cpack -G DEB

clean: ## remove build/
	rm -rf build
