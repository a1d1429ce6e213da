# The targets that check, measure and show; included by the root Makefile.
.PHONY: setup check unit lint clean help

setup:
	$(Q)deploy/setup.sh

unit: $(UNIT)
	$(Q)for t in $(UNIT); do echo "unit $${t##*/}"; $$t || exit 1; done

check: all unit

clean:
	rm -rf build

help:
	@echo "make | setup | demo | check | unit | bench | clean"
