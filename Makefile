# SPDX-License-Identifier: MIT
# make            the server, ./server, and the load generator, scripts/load
# make check      every test;  make fuzz   the parsers under libFuzzer
# make bench      prefork, threads and coro under wrk;  make bench-floor  the speed goals
# Variants (release, asan, tsan, fuzz) build into build/<variant>/ and never mix.
# V=1 prints each command whole.

# Of a checkout git knows the commit; in an archive git wrote it into that file; else make COMMIT=...
COMMIT    := $(or $(if $(wildcard .git),$(shell git describe --always --dirty --exclude='*' 2>/dev/null)),\
                  $(filter-out $$Format:%,$(shell cat share/commit)))
VERSION   := $(shell cat VERSION)$(addprefix +g,$(COMMIT))
VARIANT   ?= release
B         := build/$(VARIANT)
PREFIX    ?= /usr/local
UNITDIR   ?= $(PREFIX)/lib/systemd/system
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -I. -Isrc -O2 -g -fno-plt -MMD -MP \
               -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
               -Wpointer-arith -Wvla -Wdeclaration-after-statement
LIBS      := -lhttp_parser -lev -lpq -lsqlite3 -lhiredis -lpthread -lm
LOAD_LIBS := -lhttp_parser -lev -lz -lpthread -lm

ifeq ($(VARIANT),asan)
BASE_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
else ifeq ($(VARIANT),tsan)
BASE_CFLAGS += -fsanitize=thread -fno-omit-frame-pointer -O1
endif
ifeq ($(VARIANT),fuzz)
CC := clang
BASE_CFLAGS += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
               -fno-omit-frame-pointer -O1
endif
ifneq ($(WERROR),)
BASE_CFLAGS += -Werror
endif

# What a recipe line makes, in place of the line itself: $(call quiet,CC)$(CC) ...
quiet = $(if $(V),,@$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,printf '  %-4s %s\n' $(1) $@;))

# Archives, so that the direction of dependencies is also the link order.
CORO_SRC  := $(wildcard src/coro/*.c)
LOAD_SRC  := $(filter-out %/main.c,$(wildcard src/load/*.c))
CORE_SRC  := $(filter-out src/main.c,$(wildcard models/*.c models/*/*.c src/*.c $(filter-out src/coro/% src/load/%,$(wildcard src/*/*.c))))
UNIT_SRC  := $(wildcard tests/unit/*.c tests/unit/*/*.c tests/unit/*/*/*.c)
EX_SRC    := $(wildcard examples/*.c)
obj        = $(patsubst %.c,$(B)/%.o,$(1))
UNITS     := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
FUZZ_SRC  := $(wildcard tests/fuzz/target_*.c)
FUZZ_REF  := $(wildcard tests/fuzz/reference*.c)
FUZZERS   := $(patsubst tests/fuzz/target_%.c,$(B)/tests/fuzz/%,$(FUZZ_SRC))
EXAMPLES  := $(patsubst examples/%.c,build/examples/%,$(EX_SRC))

.PHONY: all deps check check-asan check-tsan check-trixie units lint format fuzz fuzzers bench bench-floor bench-coro examples floor install uninstall clean
all: server scripts/load floor

server: $(B)/server
scripts/load: $(B)/load
server scripts/load: FORCE # they may be another variant's
	@[ $(B)/$(@F) -ef $@ ] || ln -f $(B)/$(@F) $@ 2>/dev/null || cmp -s $(B)/$(@F) $@ || cp $(B)/$(@F) $@

$(B)/server: $(call obj,src/main.c) $(B)/libserver.a $(B)/libcoro.a
	$(call quiet,LINK)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# The load generator: see src/load.
$(B)/load: $(call obj,src/load/main.c) $(B)/libload.a $(B)/libcoro.a
	$(call quiet,LINK)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LOAD_LIBS)

$(B)/libserver.a: $(call obj,$(CORE_SRC))
$(B)/libload.a: $(call obj,$(LOAD_SRC))
$(B)/libcoro.a: $(call obj,$(CORO_SRC))
$(B)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call quiet,AR)$(AR) rcs $@ $^

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

VERSIONED := $(call obj,src/version.c src/load/main.c)
$(VERSIONED): private CPPFLAGS += -DSERVER_VERSION='"$(VERSION)"'
$(VERSIONED): $(B)/version
$(B)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@

# Rebuild when the compiler or its flags change. Before the first time: is all there that is built of?
HEADERS := stdio.h ev.h http_parser.h zlib.h postgresql/libpq-fe.h sqlite3.h hiredis/hiredis.h
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS)' | cmp -s - $@ || { \
		for header in $(HEADERS); do \
			echo "#include <$$header>" | $(CC) $(CPPFLAGS) $(CFLAGS) -E - >/dev/null 2>&1 || missing="$$missing $$header"; \
		done; \
		[ -z "$$missing" ] || { echo "make: $(CC) finds no$$missing: scripts/deps build installs what is missing" >&2; exit 1; }; \
		echo '$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS)' > $@; }
.PHONY: FORCE # or .SECONDARY would let it pass for made
FORCE:

# One program per unit test; those of the coroutine library link that library alone, those of the load
# generator no more than it does.
$(B)/tests/unit/coro/%: $(B)/tests/unit/coro/%.o $(B)/libcoro.a
	$(call quiet,LINK)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -lev -lpthread -lm
$(B)/tests/unit/load/%: $(B)/tests/unit/load/%.o $(B)/libload.a $(B)/libcoro.a
	$(call quiet,LINK)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LOAD_LIBS)
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libserver.a $(B)/libcoro.a
	$(call quiet,LINK)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LIBS)
# That one calls every fuzz target; make fuzz links each of them with libFuzzer as well.
$(B)/tests/unit/fuzz/test_replay: $(call obj,$(FUZZ_SRC) $(FUZZ_REF)) $(B)/libload.a
$(B)/tests/unit/fuzz/test_replay $(FUZZERS): private LIBS += -lz
units: $(UNITS)
$(B)/tests/fuzz/%: tests/fuzz/libfuzzer.c $(call obj,tests/fuzz/target_%.c $(FUZZ_REF)) \
                   $(B)/libserver.a $(B)/libload.a $(B)/libcoro.a
	$(call quiet,LINK)$(CC) $(BASE_CFLAGS) -fsanitize=fuzzer -DFUZZ_TARGET=fuzz_$* $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out %.h,$^) $(LIBS)
fuzzers: $(FUZZERS)

examples: $(EXAMPLES)
build/examples/%: $(B)/examples/%.o $(B)/libcoro.a
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lev -lpthread -lm

# The floor: a bare epoll loop that answers a fixed string (see scripts/floor.c).
floor: build/floor
build/floor: scripts/floor.c | $(B)/flags
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra $(CFLAGS) $(LDFLAGS) -o $@ $<

# What switches cost, beside Boost's; scripts/bench-coro and scripts/claims make it when they need it.
build/coro-bench: scripts/coro-bench/bench.c $(B)/libcoro.a
	$(call quiet,LINK)$(CC) -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Isrc -o $@ $^ -lboost_context -lev -lpthread

deps:
	@scripts/deps
# deps-bench: only what that takes; see scripts/deps.
deps-%: FORCE
	@scripts/deps $*

# Every recipe below works from a bare checkout: it installs, builds, then runs.
check: deps-check
	@$(MAKE) --no-print-directory -j2 all units examples
	@tests/run --build $(B)
check-asan check-tsan: deps-check
	@$(MAKE) --no-print-directory -j2 VARIANT=$(@:check-%=%) build/$(@:check-%=%)/server build/$(@:check-%=%)/load units
	@tests/run --build build/$(@:check-%=%)
# As root: the tests in a Debian 13 root (see scripts/check-trixie).
check-trixie:
	@scripts/check-trixie check
fuzz: deps-fuzz
	@$(MAKE) --no-print-directory -j2 VARIANT=fuzz fuzzers
	@scripts/fuzz
bench: deps-bench
	@$(MAKE) --no-print-directory -j2 all
	@scripts/bench --quick
bench-floor: deps-lab
	@scripts/deps --peers || echo "bench-floor: without other servers" >&2
	@$(MAKE) --no-print-directory -j2 all
	@scripts/bench --floor
	@scripts/bench-coro
	@scripts/idle-connections
bench-coro: deps-lab
	@$(MAKE) --no-print-directory -j2 all
	@scripts/bench-coro

lint: deps-lint
	@scripts/lint
format: deps-lint
	clang-format -i $$(git ls-files '*.c' '*.h')

# PREFIX is where the files will be, DESTDIR what to put before that now (for packages).
install: server
	install -D -m 755 server $(DESTDIR)$(PREFIX)/bin/server
	install -D -m 644 share/man/server.1 $(DESTDIR)$(PREFIX)/share/man/man1/server.1
	install -D -m 644 share/completion/server.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/server
	install -D -m 644 share/systemd/server.socket $(DESTDIR)$(UNITDIR)/server.socket
	for unit in server server@; do \
		sed 's|@PREFIX@|$(PREFIX)|' share/systemd/$$unit.service | \
			install -D -m 644 /dev/stdin $(DESTDIR)$(UNITDIR)/$$unit.service; done
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/server $(DESTDIR)$(PREFIX)/share/man/man1/server.1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/server \
		$(DESTDIR)$(UNITDIR)/server.socket $(DESTDIR)$(UNITDIR)/server.service \
		$(DESTDIR)$(UNITDIR)/server@.service
clean:
	rm -rf build server scripts/load

-include $(shell find build -name '*.d' 2>/dev/null)
.SECONDARY:
