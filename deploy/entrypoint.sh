#!/bin/sh
# What a container starts: `nats`, or a command of vito such as `worker`.
set -eu

config=${NATS_CONFIG:-/etc/nats/nats.conf}
ready_file=${READY_FILE:-/tmp/ready}

# nats-server reads a password from the environment as if it stood in the file: a number or a sign
# in front changes its type, and an empty one lets everybody in.
check_passwords() {
    for name in $(sed -n 's/.*password: \$\([A-Z0-9_]*\).*/\1/p' "$config"); do
        if ! printenv "$name" | grep -Eqx '[A-Za-z][A-Za-z0-9_-]{19,127}'; then
            echo "error: $name must have 20 to 128 of A-Z a-z 0-9 _ -, beginning with a letter" >&2
            exit 1
        fi
    done
}

# The servers believe whatever the keys of these two sign: nothing else may stand there.
check_callout() {
    for name in $(sed -n -E 's/^ *(issuer|xkey): \$([A-Z0-9_]*)$/\2/p' "$config"); do
        if ! printenv "$name" | grep -Eqx '[AX][A-Z2-7]{55}'; then
            echo "error: $name must be a public key from deploy.credentials" >&2
            exit 1
        fi
    done
}

case "${1:-}" in
nats)
    check_passwords
    check_callout
    exec nats-server --config "$config"
    ;;
worker | callout | projector | ingest | prover | api | gateway | reconcile | agent)
    # They say that they are ready on this descriptor; the health check reads the file.
    rm -f "$ready_file"
    export VITO_READY_FD=3
    exec vito "$@" 3>"$ready_file"
    ;;
*)
    exec vito "$@"
    ;;
esac
