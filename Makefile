# `make demo` and `make test` need nothing prepared: they install what is missing and build.
# The programs of this build come before those of the machine.
export PATH := $(CURDIR)/target/debug:$(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
export CARGO_TARGET_DIR := $(CURDIR)/target
export LUA_CPATH := $(CURDIR)/target/lua-dev/5.4/?.so;;
# Of `make -j`, which cargo would take for its own.
unexport LUA_CPATH_5_4 LUA_PATH LUA_PATH_5_4 MAKEFLAGS
GUEST := tests/guest/run
FUZZ_TARGETS := $(basename $(notdir $(wildcard fuzz/targets/*.rs)))

.PHONY: demo test lint bench bench-build bench-debian-kernel setup debian-kernel build test-unit test-guest test-debian-kernel test-kernel test-kernels test-kernel-smoke test-python \
	test-package test-lua test-proxies proxies test-checkers keepalived test-faults test-long fuzz fuzz-setup $(FUZZ_TARGETS:%=fuzz-%) test-fuzz messages deny coverage format clean

demo: build
	@$(GUEST) --timeout 180 -- python demo/story.py

# With `-j2` two parts go on at once, each guest on a processor of its own; the longest begin.
test: test-package test-kernel test-checkers test-faults test-python test-lua test-proxies test-guest test-kernel-smoke test-fuzz test-unit

# Everything below here is a part of the two above.

setup:
	@./setup

build: setup
	cargo build --workspace --exclude ipvs-python --exclude ipvs-lua
	@$(MAKE) --no-print-directory --directory bindings-lua PROFILE=dev
	@rm -rf bindings-py/data && mkdir bindings-py/data && maturin develop >target/maturin.log 2>&1 || { cat target/maturin.log; exit 1; }

test-unit: build
	cargo test --workspace --exclude ipvs-tests --exclude ipvs-python

test-guest: build
	python -m pytest tests/guest

# The harness with the other kernel, which `make test` leaves out: it is large to fetch, and slow.
debian-kernel: setup
	@./setup debian-kernel

test-debian-kernel: debian-kernel
	python -m pytest -m debian_kernel tests/guest

test-kernel: build
	cargo test --config tests/guest/cargo.toml --package ipvs-tests --test kernel --test reload

# The same under the kernel that users run too, on two processors that are emulated: large to fetch, and slow. One test at a time:
# all namespaces share a table in the kernel, and a listing misses what others push aside.
IN_DEBIAN := --config 'target."cfg(all())".runner = ["$(GUEST)", "--kernel", "debian", "--timeout", "3600", "--"]'
test-kernels: test-kernel test-debian-kernel debian-kernel
	cargo test $(IN_DEBIAN) --package ipvs-tests --test kernel --test reload -- --test-threads=1
	cargo test $(IN_DEBIAN) --package ipvs-tests --test faults -- --test-threads=1 fight:: kills::

# Of that, what every change has to pass.
test-kernel-smoke: build debian-kernel
	cargo test $(IN_DEBIAN) --package ipvs-tests --test kernel -- --test-threads=1 batch:: destination:: service:: timeouts::

# What is killed, what runs out, what others do meanwhile.
test-faults: build
	cargo test --config tests/guest/cargo.toml --package ipvs-tests --test faults

test-python: build
	$(GUEST) -- python -m pytest --basetemp=/run/pytest tests/python

# Builds the wheel and the sdist, installs them, and runs the module's tests on the oldest and the newest Python here.
test-package: build
	python -m pytest tests/package

test-lua: build
	$(GUEST) -- tests/lua/run

proxies: setup
	@./setup proxies

# The Lua examples inside HAProxy, nginx and Apache.
test-proxies: build proxies
	$(GUEST) -- python -m pytest --basetemp=/run/pytest tests/proxies

keepalived: setup
	@./setup keepalived

# The examples of health checkers, and keepalived, beside real servers that die and come back.
test-checkers: build keepalived
	$(GUEST) -- python -m pytest --basetemp=/run/pytest tests/checkers

# Checkers and programs that steer the table all the time, for an hour or as long as told: nothing may grow.
LONG_SECONDS ?= 3600
test-long: build
	$(GUEST) --timeout $$(($(LONG_SECONDS) + 600)) -- python tests/checkers/long_run.py $(LONG_SECONDS)

# What comes from outside, in any bytes: a minute for each kind of it, or as long as told: make fuzz FUZZ_SECONDS=3600. What
# was tried stays in target/fuzz and is where the next run begins; what broke something is there too.
FUZZ_SECONDS ?= 60
fuzz: $(FUZZ_TARGETS:%=fuzz-%)

fuzz-setup: setup
	@./setup fuzz

$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: fuzz-setup
	@mkdir -p target/fuzz/$*
	@PATH="$(CURDIR)/target/tools/bin:$$PATH" cargo +nightly fuzz run --fuzz-dir fuzz --target-dir target/fuzz/build $* \
		target/fuzz/$* fuzz/seeds/$* -- -max_total_time=$(FUZZ_SECONDS) \
		-artifact_prefix=target/fuzz/broken-$*- >target/fuzz/$*.log 2>&1 || { cat target/fuzz/$*.log; exit 1; }
	@echo "fuzz: $*: $$(grep '^Done' target/fuzz/$*.log)"

# Long enough to see that it works.
test-fuzz: FUZZ_SECONDS := 5
test-fuzz: fuzz

# Everything that the three faces say to people, on one page: the help, and each message that a test in the guest meets. To be read
# when messages are changed.
messages: export IPVS_MESSAGES := $(CURDIR)/target/messages.txt
messages: build
	rm -f $(IPVS_MESSAGES)
	cargo test --package ipvs-core --lib error::
	cargo test --package ipvs-tests --test kernel --test reload --test faults \
		--config 'target."cfg(all())".runner = ["env", "--chdir=$(CURDIR)", "$(GUEST)", "--timeout", "1800", "--"]'
	$(GUEST) -- env PYTHONPATH=tests/python python -m pytest --basetemp=/run/pytest -p noted tests/python
	$(GUEST) -- env LUA_INIT=@$(CURDIR)/tests/lua/noted.lua tests/lua/run 5.4
	python tests/messages.py $(IPVS_MESSAGES) >target/messages.md

# What of others is built in, by the policy in deny.toml: licences, crates that are there twice, where they are from. The tool is
# long to build, and so no part of the tests. With DENY=advisories it looks for known weaknesses and crates without a maintainer,
# whose database it fetches from GitHub.
DENY ?= bans licenses sources
deny: setup
	@./setup deny
	target/tools/bin/cargo-deny --locked check $(DENY)
	target/tools/bin/cargo-deny --locked --manifest-path fuzz/Cargo.toml --config deny.toml \
		check --allow license-not-encountered $(DENY)

# Which lines the tests run, those of the machine and those of the guest together: half an hour or more. The report by file comes
# last, and target/coverage/html has every line. docs/reliability.md says why what is left of core is left.
coverage: build
	@./setup coverage
	tests/coverage

lint: build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --quiet
	ruff format --check .
	ruff check .
	mypy bindings-py demo examples tests/messages.py tests/bench tests/python tests/guest tests/package
	mypy demo tests/proxies
	mypy tests/checkers
	python -m mypy.stubtest ipvs
	luacheck --quiet --no-color bindings-lua demo tests/checkers tests/lua tests/proxies
	shellcheck setup .ci/run tests/coverage tests/guest/covered tests/guest/run tests/guest/init tests/guest/initrd tests/lua/run

# The figures mean nothing on a machine that does other work meanwhile.
bench: bench-build
	python tests/bench/importing.py target/bench-python
	cargo bench --package ipvs-tests --config 'target."cfg(all())".runner = ["$(GUEST)", "--timeout", "1800", "--"]'

bench-build: setup
	cargo build --release --package ipvsadm --package ipvs-python
	@$(MAKE) --no-print-directory --directory bindings-lua PROFILE=release
	rm -rf target/bench-python && cp -r bindings-py/python target/bench-python
	install target/release/lib_ipvs.so target/bench-python/ipvs/_ipvs.abi3.so

# The same programs under the kernel that users run; the library's own figures need no second one.
bench-debian-kernel: debian-kernel bench-build
	for part in ipvsadm python lua; do cargo bench $(IN_DEBIAN) --package ipvs-tests -- $$part || exit; done

format:
	cargo fmt --all
	ruff format .

clean:
	rm -rf target .venv bindings-py/python/ipvs/*.so
