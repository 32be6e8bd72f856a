#!/bin/sh
# Makes node_modules/.bin/bun usable in a fresh checkout on a machine that has only node and npm.
#
# Run it (`scripts/bootstrap.sh`) or source it from another script of this directory; sourced, it
# leaves BUN (the interpreter) and NODELET_ROOT (the checkout) set. It speaks on standard error
# only, and only when there was something to do.
#
# In a sourcing script $0 is that script; both live in scripts/, so its directory serves for both.

NODELET_ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
BUN=$NODELET_ROOT/node_modules/.bin/bun

nodelet_bootstrap_fail() {
	printf 'Cannot prepare "%s": %s\n' "$NODELET_ROOT" "$1" >&2
	exit 1
}

# npm writes this file at the end of every complete install, so its age is the install's age.
nodelet_modules_fresh() {
	stamp=$NODELET_ROOT/node_modules/.package-lock.json
	[ -f "$stamp" ] && [ ! "$NODELET_ROOT/package-lock.json" -nt "$stamp" ]
}

# The npm package "bun" places its executable in a postinstall step, which a machine with
# ignore-scripts skips; the step can be repeated by hand.
nodelet_bun_works() {
	"$BUN" --version >/dev/null 2>&1
}

nodelet_bootstrap() {
	command -v node >/dev/null 2>&1 || nodelet_bootstrap_fail "node is not in PATH; install Node.js 20 or newer"
	command -v npm >/dev/null 2>&1 || nodelet_bootstrap_fail "npm is not in PATH; install npm"
	if nodelet_modules_fresh && nodelet_bun_works; then
		return 0
	fi
	started=$(date +%s)
	if ! nodelet_modules_fresh; then
		printf 'npm packages: installing from package-lock.json …\n' >&2
		(cd "$NODELET_ROOT" && npm ci --no-audit --no-fund --loglevel=error >&2) ||
			nodelet_bootstrap_fail "npm ci failed; its messages are above"
		touch "$NODELET_ROOT/node_modules/.package-lock.json"
	fi
	if ! nodelet_bun_works; then
		printf 'bun: placing the executable …\n' >&2
		(cd "$NODELET_ROOT/node_modules/bun" && node install.js >&2) ||
			nodelet_bootstrap_fail "node_modules/bun/install.js failed; its messages are above"
		nodelet_bun_works || nodelet_bootstrap_fail "$BUN does not start; remove node_modules and try again"
	fi
	printf 'npm packages and bun %s ready after %s s\n' "$("$BUN" --version)" "$(($(date +%s) - started))" >&2
}

nodelet_bootstrap
