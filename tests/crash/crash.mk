# crash.mk - what makes things fail: part of plugin.mk.
#   CRASH          programs, in `check` and under the sanitizers
#   CRASH_SCRIPTS  in `check`: samples of what `torture` and `faults` do to the end
#   FLIPS, FAULTS  what flips and faults.sh run

# Every byte of a small repository's files, changed one at a time (tests/crash/test_flips.c);
# `check` tries a sample.
FLIPS := $(BUILD)/tests/crash/test_flips
$(FLIPS): $(call objects_of,tests/crash/test_flips.c) $(SUPPORT) \
		$(call archives,sync wire kv store model base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_TEST)
.PHONY: flips
flips: $(FLIPS)
	@FLIPS_STEP=1 $(FLIPS)

# Programs that make things fail: the module whole, two hosts in memory, import, the store.
CRASH := $(patsubst %,$(BUILD)/tests/crash/test_%,memory commands changes store)
CRASH_SCRIPTS := tests/crash/kill.sh tests/crash/faults.sh
$(BUILD)/obj/tests/crash/alloc.o: CFLAGS_ALL += -fno-sanitize=all
$(CRASH): $(BUILD)/tests/crash/%: $(BUILD)/obj/tests/crash/%.o $(BUILD)/obj/tests/crash/alloc.o \
		$(BUILD)/obj/plugin/plugin.o $(SUPPORT) \
		$(call archives,pgdata command sync wire transport kv store stub model base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_TEST)
# The transport alone, against the contract's far side.
CRASH_TRANSPORT := $(BUILD)/tests/crash/test_transport
CRASH += $(CRASH_TRANSPORT)
$(CRASH_TRANSPORT): $(call objects_of,$(addprefix tests/,crash/test_transport.c crash/alloc.c \
		contract/pg_peer.c contract/pg_peer_tls.c contract/transport_contract.c \
		contract/transport_far.c)) $(SUPPORT) \
		$(call archives,transport libpq stub store model base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_TEST)

# Every call of a server's that can fail does so once (tests/crash/fault.h); `check` tries some.
FAULTS := $(BUILD)/tests/crash/fault.so $(BUILD)/tests/crash/faults
$(BUILD)/tests/crash/fault.so: $(BUILD)/obj/tests/crash/fault.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -shared -o $@ $< -ldl
$(BUILD)/tests/crash/faults: $(call objects_of,tests/crash/faults.c tests/crash/fault_server.c) $(SUPPORT) \
		$(call archives,pgdata store model base)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(call grouped,$^) $(LIBS_TEST)

# ---- the long runs, of which `check` has samples ------------------------------------------

TORTURE_KILLS ?= 500
.PHONY: torture run-torture
run-torture: all
	@TORTURE_KILLS=$(TORTURE_KILLS) tests/crash/kill.sh
torture: deps
	$(again) run-torture

.PHONY: faults run-faults
run-faults: all $(FAULTS)
	@FAULTS_BUDGET=0 tests/crash/faults.sh
faults: deps
	$(again) run-faults
