# One file builds everything into build/. `make help` lists the targets.
#   make CC=clang           another compiler         make SAN=address,undefined   or SAN=thread
#   make V=1                show the commands
CC = gcc
CXX = $(if $(findstring clang,$(CC)),clang++,g++)
SAN ?=
comma := ,
BUILD := build/$(if $(findstring clang,$(CC)),clang,gcc)$(if $(SAN),-$(subst $(comma),-,$(SAN)))
OPT ?= -O2
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wpointer-arith -Wundef -Werror \
        $(if $(findstring clang,$(CC)),,$(if $(SAN),-Wno-format-truncation -Wno-maybe-uninitialized))
CFLAGS := -std=gnu17 $(OPT) -g -fno-common -fno-omit-frame-pointer -fno-strict-aliasing -D_GNU_SOURCE \
          -I. -I$(BUILD) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -DDROVER_DEBUG)
CXXFLAGS := -std=gnu++17 $(OPT) -g -fno-omit-frame-pointer -D_GNU_SOURCE -I. -I$(BUILD) -Wall -Wextra -Werror \
            $(if $(SAN),-fsanitize=$(SAN))
LDLIBS := -luv -lprotobuf-c -lzstd -llz4 -lsnappy -lz -lbrotlidec -lpcre2-8 -lxxhash -ljansson -lcrypto -lm -lpthread -ldl
Q := $(if $(V),,@)

PROTO := $(wildcard proto/*.proto)
PROTO_C := $(PROTO:%.proto=$(BUILD)/%.pb-c.c)
COMMON := $(shell find common -name '*.c')
DRIVER := $(filter-out driver/web/serve.c,$(shell find driver -name '*.c'))
EXECUTOR := $(shell find executor -name '*.c')
CLI := $(filter-out cli/edit.c,$(wildcard cli/*.c))
CXXSRC := $(shell find common -name '*.cc')
obj = $(patsubst %.c,$(BUILD)/%.o,$(filter %.c,$(1))) $(patsubst %.cc,$(BUILD)/%.o,$(filter %.cc,$(1)))
LIB_OBJ := $(call obj,$(COMMON) $(DRIVER) $(EXECUTOR) $(CXXSRC)) $(PROTO_C:.c=.o)
LIB := $(BUILD)/libdrover.a
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))

.PHONY: all
all: $(BUILD)/drover $(BUILD)/drover-web.so $(BUILD)/drover-edit.so
	$(Q)ln -sfn $(BUILD:build/%=%)/drover build/drover

include tests/targets.mk

$(BUILD)/drover: $(call obj,$(CLI)) $(LIB)
	$(Q)$(CXX) $(CFLAGS:-std=gnu17=) -o $@ $(call obj,$(CLI)) $(LIB) $(LDLIBS)

# Modules: the status page's server, for the first browser that comes, and the shell's line editor.
$(BUILD)/cli/edit.o $(BUILD)/driver/web/serve.o: CFLAGS += -fPIC -fvisibility=hidden
$(BUILD)/driver/web/serve.o: $(wildcard driver/web/assets/*)
$(BUILD)/drover-web.so: $(BUILD)/driver/web/serve.o
	$(Q)$(CC) $(CFLAGS:-std=gnu17=) -shared -o $@ $< -luv -lmicrohttpd
$(BUILD)/drover-edit.so: $(BUILD)/cli/edit.o
	$(Q)$(CC) $(CFLAGS:-std=gnu17=) -shared -o $@ $< -ledit

$(LIB): $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/proto/%.pb-c.c $(BUILD)/proto/%.pb-c.h: proto/%.proto
	$(Q)mkdir -p $(BUILD)/proto && protoc-c --c_out=$(BUILD) $<

$(BUILD)/proto/%.pb-c.o: $(BUILD)/proto/%.pb-c.c
	$(Q)$(CC) $(CFLAGS) -w -c -o $@ $<

$(BUILD)/%.o: %.c | $(PROTO_C)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(WARN) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.cc
	$(Q)mkdir -p $(@D) && $(CXX) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# A unit test file may include the .c it tests; the archive then fills in the rest.
$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(LIB)
	$(Q)$(CXX) $(CFLAGS:-std=gnu17=) -o $@ $< $(LIB) $(LDLIBS) -lcheck -lsubunit -lrt

# For editors and clang's tools.
compile_commands.json: Makefile $(COMMON) $(DRIVER) $(EXECUTOR) $(CLI)
	$(Q)for f in $(COMMON) $(DRIVER) $(EXECUTOR) $(CLI) $(wildcard tests/unit/*.c); do \
		printf ',{"directory":"%s","file":"%s","command":"%s -c %s"}\n' "$(CURDIR)" "$$f" '$(CC) $(CFLAGS) $(WARN)' "$$f"; \
	done | sed '1s/,/[/; $$s/$$/]/' >$@

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
