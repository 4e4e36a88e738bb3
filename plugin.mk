# plugin.mk - the build of zenith-sync.  GNU make, pkg-config, no network but for `deps`.
#
#   make -f plugin.mk demo        a branch travels, on screen
#   make -f plugin.mk check       every test
#   make -f plugin.mk help        the other targets
#
# A folder of sources (a room) becomes one archive in $(BUILD)/lib; programs and
# modules are linked from archives, so a room's tests build without the rooms above.
# $(BUILD)/flags holds the compiler's command lines: when they change, all is rebuilt.

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
VERSION := 0.1.0
BUILD ?= build
OPT ?= -O2 -g
SAN ?=
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=
comma := ,

.PHONY: all
all:

# ---- what is built from what -------------------------------------------------------

MODULE_ROOMS := command sync wire transport store model base
ROOMS := $(MODULE_ROOMS) plugin libpq cli stub pageserver kv pgdata

dir_plugin := plugin
dir_base := plugin/base
dir_model := plugin/model
dir_store := plugin/store
dir_wire := plugin/wire
dir_sync := plugin/sync
dir_command := plugin/command
dir_transport := plugin/transport
dir_libpq := plugin/transport/libpq
dir_cli := plugin/cli
dir_stub := host-stubs/stub
dir_pageserver := host-stubs/pageserver
dir_kv := host-stubs/kv
dir_pgdata := host-stubs/pgdata

# What a room's unit tests link: the room, and what it stands on.
uses_base := base
uses_plugin := plugin $(MODULE_ROOMS) stub
uses_model := model base
uses_store := store stub model base
uses_wire := wire store stub model base
uses_sync := sync wire store stub model base
uses_transport := transport stub model base
uses_libpq := libpq model base
uses_command := command sync wire transport store stub model base
uses_cli := cli transport model base
uses_stub := stub store model base
uses_kv := kv sync wire store model base
uses_pgdata := pgdata kv store stub model base
uses_pageserver := pageserver pgdata kv store model base

# ThreadSanitizer cannot see into RocksDB, which Debian builds without it, and would
# report its locks as races: the tests that open a kv store are left out there.
TSAN_ROOMS := $(filter-out kv pgdata,$(ROOMS))

# Debian 12's packages: to build and test; to benchmark; to format and lint.
DEPS := g++ pkg-config libpq-dev libcjson-dev libcunit1-dev libxxhash-dev libroaring-dev \
	liblz4-dev libzstd-dev libssl-dev openssl librocksdb-dev libtomlplusplus-dev postgresql-15
DEPS_BENCH := rsync gnuplot-nox
DEPS_PROFILE := linux-perf strace
DEPS_LINT := clang clang-format clang-tidy shellcheck

# ---- flags -------------------------------------------------------------------------

PACKAGES := libpq libcjson libxxhash liblz4 libzstd openssl rocksdb tomlplusplus cunit
libs = $(shell pkg-config --libs $(1) 2>/dev/null)
# Instrumented code makes gcc warn of what cannot be: warnings are the plain build's matter.
WARN := $(if $(SAN),-w,-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
CWARN := $(WARN) -Wstrict-prototypes -Wmissing-prototypes
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
CPPFLAGS_ALL := -Iplugin/include -Iplugin -Ihost-stubs -D_GNU_SOURCE \
	-DZENITH_SYNC_VERSION='"$(VERSION)"' \
	$(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(CPPFLAGS)
CFLAGS_ALL := -std=c11 $(OPT) $(CWARN) -fPIC -fvisibility=hidden -pthread $(SANFLAGS) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 $(OPT) $(WARN) -fPIC -fvisibility=hidden $(SANFLAGS) $(CXXFLAGS)
LDFLAGS_ALL := -pthread -Wl,--as-needed $(SANFLAGS) $(LDFLAGS)
# A module refuses to link with a symbol missing; a sanitizer's own come from the program.
SOFLAGS := -shared $(if $(SAN),,-Wl$(comma)-z$(comma)defs)

LIBS_MODULE := $(call libs,libcjson libxxhash liblz4 libzstd) -lroaring -ldl -lm
LIBS_PROGRAM := $(LIBS_MODULE) $(call libs,libpq openssl rocksdb tomlplusplus) -lstdc++
LIBS_TEST := $(LIBS_PROGRAM) $(call libs,cunit)

# What the sanitizers are told, wherever a program of ours runs.  Container overflow is
# off: it needs every library that shares a std::vector with us to be instrumented, and
# Debian's RocksDB and toml++ are not.
ASAN_OPTIONS ?= detect_leaks=1:detect_container_overflow=0:detect_stack_use_after_return=1
UBSAN_OPTIONS ?= halt_on_error=1:print_stacktrace=1
TSAN_OPTIONS ?= halt_on_error=1:second_deadlock_stack=1
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
export BUILD CC CXX SAN

# One line per step on the screen; V=1 shows the whole command.
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2);)

$(BUILD)/flags: FORCE
	@pkg-config --exists $(PACKAGES) 2>/dev/null || { \
		echo "some libraries are missing; install them with: make -f plugin.mk deps" >&2; exit 1; }
	@mkdir -p $(@D); printf '%s\n' $(call quoted,$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL)) \
		$(call quoted,$(CXX) $(CXXFLAGS_ALL)) $(call quoted,$(LDFLAGS_ALL)) >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@

quoted = '$(subst ','\'',$(1))'

.PHONY: FORCE
FORCE:

# ---- rooms -------------------------------------------------------------------------

# An archive is made anew when its list of sources changes, too (a file that went away).
define room
src_$(1) := $(filter-out %/main.c,$(wildcard $(dir_$(1))/*.c $(dir_$(1))/*.cc))
obj_$(1) := $$(patsubst %,$(BUILD)/obj/%.o,$$(basename $$(src_$(1))))
$(BUILD)/lib/$(1).list: FORCE
	@mkdir -p $$(@D); echo "$$(src_$(1))" | cmp -s - $$@ || echo "$$(src_$(1))" >$$@
$(BUILD)/lib/$(1).a: $$(obj_$(1)) $(BUILD)/lib/$(1).list
	$$(call say,AR,$$@)rm -f $$@ && $(AR) rcs $$@ $$(obj_$(1))
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

archives = $(foreach r,$(1),$(if $(src_$(r)),$(BUILD)/lib/$(r).a))
grouped = -Wl,--start-group $(filter %.a,$(1)) -Wl,--end-group

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.cc $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CXX,$<)$(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -MMD -MP -c -o $@ $<

.PRECIOUS: $(BUILD)/obj/%.o
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- programs and modules ------------------------------------------------------------

# A folder under plugin/transport is a transport of its own, and says what it links.
TRANSPORTS := $(notdir $(patsubst %/,%,$(sort $(dir $(wildcard plugin/transport/*/*.c)))))
packages_libpq := libpq

PROGRAMS := $(BUILD)/zenith $(BUILD)/pageserver
MODULES := $(BUILD)/zenith_sync.so $(TRANSPORTS:%=$(BUILD)/transports/%.so)
all: $(PROGRAMS) $(MODULES)

$(BUILD)/zenith_sync.so: $(BUILD)/obj/plugin/plugin.o $(call archives,$(MODULE_ROOMS)) plugin/module.map
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) $(SOFLAGS) -Wl,--version-script=plugin/module.map -o $@ \
		$< $(call grouped,$^) $(LIBS_MODULE)

define transport
$(BUILD)/transports/$(1).so: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugin/transport/$(1)/*.c)) \
		$(call archives,model base) plugin/transport/transport.map
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$(CC) $(LDFLAGS_ALL) $(SOFLAGS) \
		-Wl,--version-script=plugin/transport/transport.map -o $$@ \
		$$(filter %.o,$$^) $$(call grouped,$$^) $(LIBS_MODULE) $(call libs,$(packages_$(1)))
endef
$(foreach t,$(TRANSPORTS),$(eval $(call transport,$(t))))

$(BUILD)/pageserver: $(BUILD)/obj/host-stubs/pageserver/main.o \
		$(call archives,pageserver pgdata kv store model base)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call grouped,$^) $(LIBS_PROGRAM)

$(BUILD)/zenith: $(BUILD)/obj/plugin/cli/main.o $(call archives,cli transport model base)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call grouped,$^) $(LIBS_PROGRAM)

# ---- tests -------------------------------------------------------------------------

programs_in = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/$(1)/test_*.c))
objects_of = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
SUPPORT := $(call objects_of,$(wildcard tests/support/*.c))

UNIT := $(foreach r,$(ROOMS),$(call programs_in,unit/$(r)))
UNIT_TSAN := $(foreach r,$(TSAN_ROOMS),$(call programs_in,unit/$(r)))
CONTRACT := $(call programs_in,contract)
CONTRACT_TSAN := $(filter-out $(BUILD)/tests/contract/test_%kv,$(CONTRACT))
ABI := $(sort $(wildcard tests/abi/*.sh))
INTEGRATION := $(filter-out %/lib.sh,$(sort $(wildcard tests/integration/*.sh)))
INTEGRATION_SHORT := $(patsubst %,tests/integration/%.sh,push_pull refusals psql cancel hostile_peer)

define unit_rule
$(BUILD)/tests/unit/$(1)/%: $(BUILD)/obj/tests/unit/$(1)/%.o $(SUPPORT) $(call archives,$(uses_$(1)))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$(CC) $(LDFLAGS_ALL) -o $$@ $$(filter %.o,$$^) $$(call grouped,$$^) $(LIBS_TEST)
.PHONY: unit-$(1)
unit-$(1): $(call programs_in,unit/$(1))
	@tests/run unit-$(1) $$^
endef
$(foreach r,$(ROOMS),$(eval $(call unit_rule,$(r))))

$(BUILD)/tests/contract/%: $(BUILD)/obj/tests/contract/%.o $(SUPPORT) \
		$(call objects_of,$(filter-out tests/contract/test_%,$(wildcard tests/contract/*.c))) \
		$(call archives,kv stub transport libpq store model base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_TEST)

include tests/crash/crash.mk

# What the command line does by itself.
CRASH_CLI := $(BUILD)/tests/crash/test_cli
CRASH += $(CRASH_CLI)
$(CRASH_CLI): $(call objects_of,tests/crash/test_cli.c tests/crash/alloc.c) $(SUPPORT) \
		$(call archives,$(uses_cli))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_TEST)

FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
REPLAY := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/replay_%)
# Plays hostile peers against a running server (tests/integration/hostile_peer.sh).
PEER := $(BUILD)/tests/fuzz/peer/peer

.PHONY: unit contract abi integration run-check run-asan run-tsan
unit: $(UNIT)
	@tests/run -j $(JOBS) unit $^
contract: $(CONTRACT)
	@tests/run -j $(JOBS) contract $^
abi: all
	@tests/run -j $(JOBS) abi $(ABI)
integration: all $(PEER)
	@tests/run -j $(JOBS) integration $(INTEGRATION)
run-check: all $(PEER) $(UNIT) $(CONTRACT) $(CRASH) $(REPLAY) $(FLIPS) $(FAULTS)
	@tests/run -j $(JOBS) check $(CRASH_SCRIPTS) $(INTEGRATION) $(ABI) $(FLIPS) $(CONTRACT) $(CRASH) \
		$(UNIT) $(REPLAY)
run-asan: all $(PEER) $(UNIT) $(CONTRACT) $(CRASH) $(REPLAY) $(BUILD)/tests/load/load
	@SHORT=1 TEST_TIMEOUT=1800 tests/run -j $(JOBS) check-asan tests/load/load.sh $(INTEGRATION_SHORT) $(CONTRACT) \
		$(CRASH) $(UNIT) $(REPLAY)
# The load's server is one without ThreadSanitizer, in PLAIN; its clients are watched.
run-tsan: $(MODULES) $(UNIT_TSAN) $(CONTRACT_TSAN) $(BUILD)/tests/load/load
	@SHORT=1 BUILD=$(PLAIN) LOAD_CLIENT_BUILD=$(abspath $(BUILD)) TEST_TIMEOUT=1800 \
		tests/run -j $(JOBS) check-tsan tests/load/load.sh $(CONTRACT_TSAN) $(UNIT_TSAN)

# ---- for people: these install what is missing first ---------------------------------

# A make of its own, so that flags are computed after pkg-config is there; in parallel
# unless the caller said how.
again = +@$(MAKE) --no-print-directory -f plugin.mk $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: deps deps-bench deps-lint demo check check-asan check-tsan bench profile
deps:
	@.ci/deps $(DEPS)
deps-bench: deps
	@.ci/deps $(DEPS_BENCH)
deps-lint: deps
	@.ci/deps $(DEPS_LINT)
check: deps
	$(again) run-check
check-asan: deps
	$(again) BUILD=$(BUILD)/asan SAN=address,undefined OPT="-O1 -g" run-asan
check-tsan: deps
	$(again) all
	$(again) BUILD=$(BUILD)/tsan PLAIN=$(abspath $(BUILD)) SAN=thread OPT="-O1 -g" run-tsan
demo: deps
	$(again) all
	@tests/demo/demo.sh
$(BUILD)/tests/bench/map_size: $(call objects_of,tests/bench/map_size.c) $(call archives,$(uses_sync))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_TEST)
.PHONY: run-bench-map bench-map
run-bench-map: $(BUILD)/tests/bench/map_size
	@$<
bench-map: deps
	$(again) run-bench-map
bench: deps-bench
	$(again) all bench-tools
	@tests/bench/bench.sh
profile: deps-bench
	@.ci/deps $(DEPS_PROFILE)
	$(again) all
	@tests/bench/profile.sh

BENCH_TOOLS := $(addprefix $(BUILD)/tests/bench/,fill link rate)
.PHONY: bench-tools
bench-tools: $(BENCH_TOOLS)
$(BUILD)/tests/bench/%: $(BUILD)/obj/tests/bench/%.o $(call archives,kv store model base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_PROGRAM)

# Valgrind sees into libraries that no sanitizer was built into.  Threads take turns, or those
# that wait for each other starve; memory that is still reachable at the end is the libraries'.
.PHONY: valgrind run-valgrind
VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full --fair-sched=yes \
	--errors-for-leak-kinds=definite,indirect
# Under valgrind /proc/self/exe is valgrind: a test that runs itself again cannot.
run-valgrind: $(filter-out %/test_kv_kill %/test_kv_changes %/test_kv_disk,$(UNIT))
	@TEST_WRAPPER="$(VALGRIND)" TEST_TIMEOUT=1800 tests/run -j $(JOBS) valgrind $^
valgrind: deps
	@.ci/deps valgrind
	$(again) run-valgrind

# ---- fuzz: decoders of bytes that somebody else chose (tests/fuzz/support.h) -----------

# Each target is two programs: fuzz_NAME searches (clang's libFuzzer), replay_NAME runs the
# committed corpus (any compiler).  `seeds` makes that corpus anew.
FUZZ_SECONDS ?= 60
DEPS_FUZZ := clang libclang-rt-14-dev
FUZZ := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/fuzz_%)
# pageserver stands before wire: both have a conn.o, and no target needs both.
fuzz_archives := $(call archives,pageserver command sync wire transport libpq pgdata kv store model base)
fuzz_link = @mkdir -p $(@D); $(CXX) $(LDFLAGS_ALL) $(1) -o $@ $(filter %.o,$^) $(call grouped,$^) \
	$(LIBS_PROGRAM)

$(BUILD)/tests/fuzz/fuzz_%: $(call objects_of,tests/fuzz/fuzz_%.c tests/fuzz/support.c) $(fuzz_archives)
	$(call fuzz_link,-fsanitize=fuzzer)
$(BUILD)/tests/fuzz/replay_%: $(call objects_of,tests/fuzz/fuzz_%.c tests/fuzz/support.c \
		tests/fuzz/replay.c) $(fuzz_archives)
	$(call fuzz_link)
$(BUILD)/tests/fuzz/seeds: $(call objects_of,tests/fuzz/seeds.c tests/fuzz/seeds_binary.c) \
		$(fuzz_archives)
	$(call fuzz_link,$(call libs,cunit))

$(PEER): $(call objects_of,$(wildcard tests/fuzz/peer/*.c)) $(call archives,wire store stub model base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_PROGRAM)

.PHONY: fuzz fuzz-peer fuzz-replay fuzz-seeds run-fuzz run-fuzz-peer run-fuzz-replay
run-fuzz: $(FUZZ)
	@tests/fuzz/fuzz.sh $(FUZZ_SECONDS) $^
run-fuzz-peer: all $(PEER)
	@PEER_SECONDS=$(FUZZ_SECONDS) PEER_SEED=$${PEER_SEED:-$$(date +%s)} \
		tests/integration/hostile_peer.sh
run-fuzz-replay: $(REPLAY)
	@tests/run -j $(JOBS) fuzz/replay $^
fuzz-seeds: $(BUILD)/tests/fuzz/seeds
	$< tests/fuzz/corpus
fuzz: deps
	@.ci/deps $(DEPS_FUZZ)
	$(again) BUILD=$(BUILD)/fuzz CC=clang CXX=clang++ SAN=fuzzer-no-link,address,undefined \
		OPT="-O1 -g" run-fuzz
fuzz-peer: deps
	$(again) BUILD=$(BUILD)/asan SAN=address,undefined OPT="-O1 -g" run-fuzz-peer
fuzz-replay: deps
	$(again) BUILD=$(BUILD)/asan SAN=address,undefined OPT="-O1 -g" run-fuzz-replay

# ---- coverage: which branches of plugin/ the tests take (tests/coverage/report) -----------

# install.sh is left out: it builds for itself.
DEPS_COVERAGE := python3
COVERAGE = --coverage -fprofile-update=atomic -w
COVERAGE_SCRIPTS := $(filter-out %/install.sh,$(INTEGRATION)) $(filter %/run_modules.sh \
	%/run_transports.sh,$(ABI)) tests/crash/cli_faults.sh

# The command line's every call fails in turn (tests/crash/cli_faults.sh).
FAIL_CALLS := $(BUILD)/tests/crash/fail_calls.so
$(FAIL_CALLS): tests/crash/fail_calls.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=c11 -O1 -g $(CWARN) -fPIC -shared -fvisibility=hidden -D_GNU_SOURCE \
		-o $@ $< -ldl

.PHONY: coverage run-coverage
run-coverage: all $(PEER) $(UNIT) $(CONTRACT) $(CRASH) $(FAIL_CALLS)
	@find $(BUILD)/obj -name '*.gcda' -delete
	@TEST_TIMEOUT=1800 tests/run -j $(JOBS) coverage $(COVERAGE_SCRIPTS) $(CONTRACT) $(CRASH) $(UNIT) || failed=1; \
		tests/coverage/report $(BUILD) && [ -z "$$failed" ]
coverage: deps
	@.ci/deps $(DEPS_COVERAGE)
	$(again) BUILD=$(BUILD)/coverage CC=gcc CXX=g++ OPT="-O0 -g" CFLAGS="$(COVERAGE)" \
		CXXFLAGS="$(COVERAGE)" LDFLAGS=--coverage run-coverage

# ---- load: many clients at once, for ten minutes ---------------------------------------

LOAD_SECONDS ?= 600
$(BUILD)/tests/load/load: $(call objects_of,$(wildcard tests/load/*.c)) \
		$(call archives,wire stub store model base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_PROGRAM)
.PHONY: load run-load
run-load: all $(BUILD)/tests/load/load
	@tests/load/load.sh $(LOAD_SECONDS)
load: deps
	$(again) run-load

# ---- mutation: does a test notice when the plugin is broken (tests/mutation/mutate) ----------

MUTANTS ?= 200
SEED ?= 1
FIRST ?= 1
DEPS_MUTATION := python3

.PHONY: mutation archives test-objects
archives: $(call archives,$(MODULE_ROOMS) stub kv libpq)
test-objects: $(call objects_of,$(wildcard $(patsubst %,tests/unit/%/*.c,store wire sync command) \
	tests/contract/*.c)) $(SUPPORT)
mutation: deps
	@.ci/deps $(DEPS_MUTATION)
	tests/mutation/mutate $(BUILD)/mutation --mutants $(MUTANTS) --seed $(SEED) --first $(FIRST) \
		--jobs $(JOBS)

# ---- install -------------------------------------------------------------------------

bindir := $(PREFIX)/bin
moduledir := $(PREFIX)/lib/zenith-sync
includedir := $(PREFIX)/include
pkgconfigdir := $(PREFIX)/lib/pkgconfig
sharedir := $(PREFIX)/share/zenith-sync

.PHONY: install uninstall
install: all
	install -d $(addprefix $(DESTDIR),$(bindir) $(moduledir)/transports $(includedir)/zenith-sync \
		$(pkgconfigdir) $(sharedir))
	install -m 755 $(PROGRAMS) $(DESTDIR)$(bindir)
	install -m 755 $(BUILD)/zenith_sync.so $(DESTDIR)$(moduledir)
	install -m 755 $(TRANSPORTS:%=$(BUILD)/transports/%.so) $(DESTDIR)$(moduledir)/transports
	install -m 644 plugin/include/zenith-sync/*.h $(DESTDIR)$(includedir)/zenith-sync
	install -m 644 plugin/transport.mk plugin/transport/transport.map $(DESTDIR)$(sharedir)
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' plugin/zenith-sync.pc.in \
		>$(DESTDIR)$(pkgconfigdir)/zenith-sync.pc
	chmod 644 $(DESTDIR)$(pkgconfigdir)/zenith-sync.pc

# Takes away what install put there, and a third party's transport not.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(bindir)/,$(notdir $(PROGRAMS))) \
		$(DESTDIR)$(moduledir)/zenith_sync.so $(TRANSPORTS:%=$(DESTDIR)$(moduledir)/transports/%.so) \
		$(DESTDIR)$(pkgconfigdir)/zenith-sync.pc
	rm -rf $(DESTDIR)$(includedir)/zenith-sync $(DESTDIR)$(sharedir)
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(moduledir)/transports $(DESTDIR)$(moduledir)

# ---- care ----------------------------------------------------------------------------

C_FILES = $(shell find plugin host-stubs tests -name '*.c')
CXX_FILES = $(shell find plugin host-stubs tests -name '*.cc')
HEADERS = $(shell find plugin host-stubs tests -name '*.h')
SCRIPTS = .ci/run .ci/deps tests/run $(shell find tests -name '*.sh')

.PHONY: format format-check tidy clean help
format:
	clang-format -i $(C_FILES) $(CXX_FILES) $(HEADERS)
format-check:
	clang-format --dry-run -Werror $(C_FILES) $(CXX_FILES) $(HEADERS)
tidy:
	@printf '%s\n' $(C_FILES) | xargs -P $(JOBS) -I{} clang-tidy --quiet {} -- -std=c11 $(CPPFLAGS_ALL)
	@clang-tidy --quiet $(CXX_FILES) -- -std=c++17 $(CPPFLAGS_ALL)
	shellcheck -x $(SCRIPTS)
clean:
	rm -rf $(BUILD)

help:
	@echo "make -f plugin.mk TARGET"
	@echo "  all            zenith, pageserver, zenith_sync.so, transports/ in $(BUILD)/ (the default)"
	@echo "  deps           install what is missing from Debian's packages (root or sudo)"
	@echo "  demo           a PostgreSQL database travels between pageservers, on screen"
	@echo "  check          every test; one by one: unit contract abi integration, unit-ROOM"
	@echo "  torture        SIGKILL of each process TORTURE_KILLS=$(TORTURE_KILLS) times, TORTURE_SEED to draw the same again"
	@echo "  faults         each allocation, file and socket operation of two servers fails once"
	@echo "  check-asan     with AddressSanitizer and UndefinedBehaviorSanitizer"
	@echo "  check-tsan     with ThreadSanitizer"
	@echo "  valgrind       the unit tests under valgrind"
	@echo "  fuzz           search the decoders for FUZZ_SECONDS=$(FUZZ_SECONDS) each; fuzz-replay runs the known inputs"
	@echo "  fuzz-peer      play hostile peers against a server for FUZZ_SECONDS; PEER_SEED= repeats a run"
	@echo "  coverage       which branches of plugin/ the tests take, file by file"
	@echo "  mutation       break sync, wire and store in MUTANTS=$(MUTANTS) ways: does a test notice?  SEED=$(SEED) FIRST=$(FIRST)"
	@echo "  load           200 clients against one server for LOAD_SECONDS=$(LOAD_SECONDS)"
	@echo "  flips          change every byte of a small repository's files in turn"
	@echo "  bench          side by side with pg_basebackup, rsync, cp; BENCH_SIZES=\"170 500 1500\" (MB)"
	@echo "  profile        where a push spends its time, stage by stage"
	@echo "  bench-map      what a change map takes in memory and on disk, per TiB"
	@echo "  install        PREFIX=$(PREFIX) DESTDIR=;  uninstall takes it away"
	@echo "  format         clang-format; format-check only looks; tidy lints (deps-lint installs both)"
	@echo "  clean          remove $(BUILD)/"
	@echo "Variables: BUILD CC CXX OPT SAN JOBS CPPFLAGS CFLAGS LDFLAGS; V=1 shows commands."
