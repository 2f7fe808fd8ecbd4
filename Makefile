# SPDX-License-Identifier: MIT
# make            the server, ./server
# make check      every test;  make bench  every model under wrk;  make bench-floor  the speed goals
# Variants (release, asan, tsan) build into build/<variant>/ and never mix.

VERSION   := $(shell cat VERSION)$(shell git describe --always --dirty --exclude='*' 2>/dev/null | sed 's/^/+g/')
VARIANT   ?= release
B         := build/$(VARIANT)
PREFIX    ?= /usr/local
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -I. -Isrc -O2 -g -fno-plt -MMD -MP \
               -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
               -Wpointer-arith -Wvla
LIBS      := -lhttp_parser -lev -lpthread -lm

ifeq ($(VARIANT),asan)
BASE_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
else ifeq ($(VARIANT),tsan)
BASE_CFLAGS += -fsanitize=thread -fno-omit-frame-pointer -O1
endif
ifneq ($(WERROR),)
BASE_CFLAGS += -Werror
endif

# Three archives, so that the direction of dependencies is also the link order.
CORO_SRC  := $(wildcard src/coro/*.c)
CORE_SRC  := $(filter-out src/main.c,$(wildcard models/*.c src/*.c src/config/*.c src/http/*.c src/handler/*.c))
UNIT_SRC  := $(wildcard tests/unit/*.c tests/unit/*/*.c)
EX_SRC    := $(wildcard examples/*.c)
obj        = $(patsubst %.c,$(B)/%.o,$(1))
UNITS     := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
EXAMPLES  := $(patsubst examples/%.c,build/examples/%,$(EX_SRC))

.PHONY: all deps check check-asan check-tsan units lint format bench bench-floor bench-coro examples floor install uninstall clean
all: server

server: $(B)/server
	@ln -f $< $@ 2>/dev/null || cp $< $@

$(B)/server: $(call obj,src/main.c) $(B)/libserver.a $(B)/libcoro.a
	$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/libserver.a: $(call obj,$(CORE_SRC))
$(B)/libcoro.a: $(call obj,$(CORO_SRC))
$(B)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/src/version.o: private CPPFLAGS += -DSERVER_VERSION='"$(VERSION)"'
$(B)/src/version.o: $(B)/version
$(B)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@

# Rebuild when the compiler or its flags change.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS)' > $@
FORCE:

# One program per unit test; those of the coroutine library link that library alone.
$(B)/tests/unit/coro/%: $(B)/tests/unit/coro/%.o $(B)/libcoro.a
	$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -lev -lpthread -lm
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libserver.a $(B)/libcoro.a
	$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)
units: $(UNITS)

examples: $(EXAMPLES)
build/examples/%: $(B)/examples/%.o $(B)/libcoro.a
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lev -lpthread -lm

# The floor: a bare epoll loop that answers a fixed string (see scripts/floor.c).
floor: build/floor
build/floor: scripts/floor.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra $(CFLAGS) $(LDFLAGS) -o $@ $<

deps:
	@scripts/deps

# Every recipe below works from a bare checkout: it installs, builds, then runs.
check: deps
	@$(MAKE) --no-print-directory -j2 all units examples
	@tests/run --build $(B)
check-asan check-tsan: deps
	@$(MAKE) --no-print-directory -j2 VARIANT=$(@:check-%=%) build/$(@:check-%=%)/server units
	@tests/run --build build/$(@:check-%=%)
bench: deps
	@$(MAKE) --no-print-directory -j2 all floor
	@scripts/bench --quick
bench-floor: deps
	@scripts/deps --peers || echo "bench-floor: without other servers" >&2
	@$(MAKE) --no-print-directory -j2 all floor
	@scripts/bench --floor
bench-coro: deps
	@$(MAKE) --no-print-directory -j2 all
	@scripts/bench-coro

lint: deps
	@scripts/lint
format: deps
	clang-format -i $$(git ls-files '*.c' '*.h')

install: server
	install -D -m 755 server $(DESTDIR)$(PREFIX)/bin/server
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/server
clean:
	rm -rf build server

-include $(shell find build -name '*.d' 2>/dev/null)
.SECONDARY:
