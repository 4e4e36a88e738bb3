# plugin.mk - the build of zenith-sync.  GNU make, pkg-config, no network.
#
#   make -f plugin.mk deps        install what is missing from Debian's packages
#   make -f plugin.mk [all]       build/zenith build/pageserver build/zenith_sync.so build/transports/
#   make -f plugin.mk demo        a branch travels, on screen
#   make -f plugin.mk check       every test
#   make -f plugin.mk help        the other targets
#
# A folder of sources (a room) becomes one archive in $(BUILD)/lib; programs and
# modules are linked from archives, so a room's tests build without the rooms above.

BUILD ?= build
CC ?= gcc
CXX ?= g++
OPT ?= -O2 -g
SAN ?=
comma := ,

MODULE_ROOMS := command sync wire transport store model base
ROOMS := $(MODULE_ROOMS) cli stub pageserver kv pgdata

dir_base := plugin/base
dir_model := plugin/model
dir_store := plugin/store
dir_wire := plugin/wire
dir_sync := plugin/sync
dir_command := plugin/command
dir_transport := plugin/transport
dir_cli := plugin/cli
dir_stub := host-stubs/stub
dir_pageserver := host-stubs/pageserver
dir_kv := host-stubs/kv
dir_pgdata := host-stubs/pgdata

# What a room's unit tests link: the room, and what it stands on.
uses_base := base
uses_model := model base
uses_store := store stub model base
uses_wire := wire store stub model base
uses_sync := sync wire store stub model base
uses_transport := transport stub model base
uses_command := command sync wire transport store stub model base
uses_cli := cli transport model base
uses_stub := stub store model base
uses_kv := kv store model base
uses_pgdata := pgdata kv store stub model base
uses_pageserver := pageserver pgdata kv store model base

PACKAGES := libpq libcjson libxxhash liblz4 libzstd openssl rocksdb tomlplusplus cunit
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
CWARN := $(WARN) -Wstrict-prototypes -Wmissing-prototypes
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
CPPFLAGS_ALL := -Iplugin/include -Iplugin -Ihost-stubs -D_GNU_SOURCE \
	$(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(CPPFLAGS)
CFLAGS_ALL := -std=c11 $(OPT) $(CWARN) -fPIC -fvisibility=hidden -pthread $(SANFLAGS) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 $(OPT) $(WARN) -fPIC -fvisibility=hidden $(SANFLAGS) $(CXXFLAGS)
LDFLAGS_ALL := -pthread $(SANFLAGS) $(LDFLAGS)
# A module refuses to link with a symbol missing; a sanitizer's own come from the program.
SOFLAGS := -shared $(if $(SAN),,-Wl$(comma)-z$(comma)defs)

libs = $(shell pkg-config --libs $(1) 2>/dev/null)
LIBS_MODULE := $(call libs,libcjson libxxhash liblz4 libzstd) -ldl -lm
LIBS_PROGRAM := $(LIBS_MODULE) $(call libs,libpq openssl rocksdb tomlplusplus) -lstdc++

# ---- rooms ------------------------------------------------------------------------

define room
src_$(1) := $(filter-out %/main.c,$(wildcard $(dir_$(1))/*.c $(dir_$(1))/*.cc))
obj_$(1) := $$(patsubst %,$(BUILD)/obj/%.o,$$(basename $$(src_$(1))))
$(BUILD)/lib/$(1).a: $$(obj_$(1))
	@mkdir -p $$(@D) && rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

archives = $(foreach r,$(1),$(if $(src_$(r)),$(BUILD)/lib/$(r).a))

.PHONY: all
all: $(BUILD)/zenith $(BUILD)/pageserver $(BUILD)/zenith_sync.so $(BUILD)/transports/libpq.so

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/zenith_sync.so: $(BUILD)/obj/plugin/plugin.o $(call archives,$(MODULE_ROOMS)) plugin/module.map
	$(CC) $(LDFLAGS_ALL) $(SOFLAGS) -Wl,--version-script=plugin/module.map -o $@ \
		$< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_MODULE)

$(BUILD)/transports/libpq.so: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugin/transport/libpq/*.c)) \
		$(call archives,model base) plugin/transport/transport.map
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $(SOFLAGS) -Wl,--version-script=plugin/transport/transport.map -o $@ \
		$(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(LIBS_MODULE) $(call libs,libpq)

$(BUILD)/pageserver: $(BUILD)/obj/host-stubs/pageserver/main.o \
		$(call archives,pageserver pgdata kv store model base)
	$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_PROGRAM)

$(BUILD)/zenith: $(BUILD)/obj/plugin/cli/main.o $(call archives,cli transport model base)
	$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_PROGRAM)

# ---- tests -----------------------------------------------------------------------

UNIT := $(foreach r,$(ROOMS),$(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/$(r)/test_*.c)))
CONTRACT := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/contract/test_*.c))

define unit_rule
$(BUILD)/tests/unit/$(1)/%: $(BUILD)/obj/tests/unit/$(1)/%.o $(BUILD)/obj/tests/support/suite.o \
		$(call archives,$(uses_$(1)))
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS_ALL) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) \
		-Wl,--end-group $(LIBS_PROGRAM) $(call libs,cunit)
.PHONY: unit-$(1)
unit-$(1): $(filter $(BUILD)/tests/unit/$(1)/%,$(UNIT))
	tests/run unit-$(1) $$^
endef
$(foreach r,$(ROOMS),$(eval $(call unit_rule,$(r))))

$(BUILD)/tests/contract/%: $(BUILD)/obj/tests/contract/%.o $(BUILD)/obj/tests/support/suite.o \
		$(patsubst tests/%.c,$(BUILD)/obj/tests/%.o,$(filter-out tests/contract/test_%,$(wildcard tests/contract/*.c))) \
		$(call archives,kv stub transport store model base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LIBS_PROGRAM) $(call libs,cunit)

.PHONY: unit contract
unit: $(UNIT)
	tests/run unit $^
contract: $(CONTRACT)
	tests/run contract $^

.PRECIOUS: $(BUILD)/obj/%.o
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
