# transport.mk - builds and installs a transport of your own against an installed
# zenith-sync.  A whole Makefile:
#
#     TRANSPORT = spawn
#     SOURCES = spawn.c
#     include $(shell pkg-config --variable=transport_mk zenith-sync)
#
# gives `make`, `make install [DESTDIR=]`, `make clean`.  LDLIBS, CFLAGS and CPPFLAGS are
# yours.  The shared object exports zenith_sync_transport_v1 and nothing else, and does not
# link with a symbol missing.
ZENITH_SYNC_MK := $(lastword $(MAKEFILE_LIST))
ZENITH_SYNC_CFLAGS := $(shell pkg-config --cflags zenith-sync)
ZENITH_SYNC_DIR := $(shell pkg-config --variable=transportdir zenith-sync)
CFLAGS ?= -O2 -g -Wall -Wextra

.PHONY: all install clean
all: $(TRANSPORT).so

$(TRANSPORT).so: $(SOURCES) $(dir $(ZENITH_SYNC_MK))transport.map
	$(CC) -std=c11 -shared -fPIC -fvisibility=hidden -pthread $(ZENITH_SYNC_CFLAGS) \
		$(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -Wl,-z,defs \
		-Wl,--version-script=$(filter %.map,$^) -o $@ $(SOURCES) $(LDLIBS)

install: $(TRANSPORT).so
	install -d $(DESTDIR)$(ZENITH_SYNC_DIR)
	install -m 755 $(TRANSPORT).so $(DESTDIR)$(ZENITH_SYNC_DIR)

clean:
	rm -f $(TRANSPORT).so
