#!/usr/bin/env bash
# Builds the image and runs it, hardened, against PostgreSQL and the sandbox EHR until a person's story has gone through the wire
# and SIGTERM has ended it cleanly. Needs root on a Debian machine that reaches a package mirror; no daemon, no image registry.
# `make container-test` calls it. Base images are cached under ${XDG_CACHE_HOME:-~/.cache}/setpoint-container.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

PYTHON="$PWD/.venv/bin/python"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/setpoint-container"
IMAGE="localhost/setpoint-test:$$"
STOP_WITHIN_S=20
MIRROR=
POSTGRES_MAKER=
CONTAINERS=()
WORK=
OURS=

step() { printf '[%3d s] %s\n' "$SECONDS" "$*" >&2; }
fail() {
    printf 'container-test FAILED after %d s: %s\n' "$SECONDS" "$*" >&2
    exit 1
}
fail_with_log() {
    tail -n 40 "$2" >&2
    fail "$1"
}

. tests/container/images.sh

# Hardened as docs/deploy.md asks. The two ulimits and runc are what a container inside a restricted machine needs to start at all.
NOFILE_HARD=$(ulimit -Hn)
{ [ "$NOFILE_HARD" != unlimited ] && [ "$NOFILE_HARD" -le 20000 ]; } || NOFILE_HARD=20000
RUNTIME=(podman --runtime runc --cgroup-manager cgroupfs)
HARDENED=(--network host --ulimit "nofile=1024:$NOFILE_HARD" --ulimit nproc=1024:1024 --read-only --tmpfs /tmp
    --cap-drop ALL --security-opt no-new-privileges --no-healthcheck --pull never)

clean_up() {
    local status=$?
    trap - EXIT
    set +e
    if [ "$status" != 0 ] && [ ${#CONTAINERS[@]} != 0 ]; then
        show_logs
    fi
    [ -n "$POSTGRES_MAKER" ] && kill -- "-$POSTGRES_MAKER" 2>/dev/null && wait "$POSTGRES_MAKER" 2>/dev/null
    [ ${#CONTAINERS[@]} = 0 ] || podman rm --force --time 0 "${CONTAINERS[@]}" >/dev/null 2>&1
    [ -n "${CONTAINERS_STORAGE_CONF:-}" ] && podman untag "$IMAGE" >/dev/null 2>&1
    [ -n "$OURS" ] && unmount_below "$CACHE"
    [ -n "$WORK" ] && unmount_below "$WORK" && rm -rf --one-file-system "$WORK"
    exit "$status"
}

# The storage keeps a mount of its own directory; a build or debootstrap that was interrupted may leave more.
unmount_below() {
    awk -v dir="$1/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | while read -r point; do umount "$point" || umount -l "$point"; done
}

show_logs() {
    local id
    for id in "${CONTAINERS[@]}"; do
        printf -- '--- last lines of %s\n' "$(podman inspect --format '{{.Name}}' "$id")" >&2
        podman logs --tail 40 "$id" >&2 2>&1 || true
    done
}

free_ports() {
    "$PYTHON" - "$1" <<'PY'
import socket
import sys

probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(probe.getsockname()[1] for probe in probes))
PY
}

# start NAME [podman options] IMAGE WORDS...: puts the id into STARTED
start() {
    local name=$1
    shift
    STARTED=$("${RUNTIME[@]}" run --detach --name "setpoint-test-$$-$name" "${HARDENED[@]}" "$@") || fail "the $name container does not start"
    CONTAINERS+=("$STARTED")
}

running() { [ "$(podman inspect --format '{{.State.Running}}' "$1")" = true ]; }

wait_until() {
    local what=$1 id=$2 seconds=$3 end
    shift 3
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        running "$id" || fail "$what ended instead of getting ready"
        [ "$SECONDS" -lt "$end" ] || fail "$what is not ready after $seconds s"
        sleep 0.2
    done
}

# The image's own health check; run by hand, for podman would leave that to systemd.
healthy() { "${RUNTIME[@]}" exec "$1" "${HEALTH[@]}"; }

write_secrets() {
    mkdir -p "$WORK/secrets" "$WORK/story"
    chmod 0755 "$WORK/secrets" "$WORK/story"
    "$PYTHON" -c 'import secrets; print(secrets.token_urlsafe(24))' >"$WORK/secrets/database_password"
    "$PYTHON" -c 'import secrets; print(secrets.token_urlsafe(48))' >"$WORK/secrets/secret"
    printf 'postgresql://setpoint:%s@127.0.0.1:%s/setpoint\n' "$(cat "$WORK/secrets/database_password")" "$DATABASE_PORT" >"$WORK/secrets/database_url"
    chmod 0444 "$WORK"/secrets/*
}

# An ordinary cluster in memory: the service's role owns its database and nothing else.
start_postgres() {
    start postgres --user postgres --tmpfs /cluster:mode=1777 --volume "$WORK/secrets:/run/secrets:ro" "$POSTGRES_IMAGE" sh -euc '
        PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
        initdb --username=postgres --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --no-sync -D /cluster/data
        printf "CREATE ROLE setpoint LOGIN PASSWORD '\''%s'\''\nCREATE DATABASE setpoint OWNER setpoint\n" "$(cat /run/secrets/database_password)" |
            postgres --single -D /cluster/data postgres
        exec postgres -D /cluster/data -k /tmp -c listen_addresses=127.0.0.1 -p '"$DATABASE_PORT"
    DATABASE=$STARTED
    wait_until PostgreSQL "$DATABASE" 60 "${RUNTIME[@]}" exec "$DATABASE" sh -c "/usr/lib/postgresql/*/bin/pg_isready -q -h 127.0.0.1 -p $DATABASE_PORT"
}

start_ours() {
    local settings=(--volume "$WORK/secrets:/run/secrets:ro" --volume "$WORK/story:/run/story:ro" --env SETPOINT_SECRET_FILE=/run/secrets/secret
        --env SETPOINT_DATABASE_URL_FILE=/run/secrets/database_url --env "SETPOINT_PUBLIC_URL=$SERVICE" --env SETPOINT_WORKER_POLL_S=0.2)
    start sandbox "$IMAGE" sandbox --host 127.0.0.1 --port "$SANDBOX_PORT"
    SANDBOX_ID=$STARTED
    start serve "${settings[@]}" "$IMAGE" serve --host 127.0.0.1 --port "$SERVICE_PORT"
    SERVE_ID=$STARTED
    wait_until "the sandbox EHR" "$SANDBOX_ID" 30 healthy "$SANDBOX_ID"
    wait_until "setpoint serve" "$SERVE_ID" 60 healthy "$SERVE_ID"
    start worker "${settings[@]}" "$IMAGE" worker
    WORKER_ID=$STARTED
    wait_until "setpoint worker" "$WORKER_ID" 30 healthy "$WORKER_ID"
}

# Says what the kernel says about the running process, not what was asked for.
check_confined() {
    local name=$1 id=$2 status
    status="/proc/$(podman inspect --format '{{.State.Pid}}' "$id")/status"
    grep -Eq '^Uid:\s+10001\s+10001\s+10001\s+10001$' "$status" || fail "$name does not run as its own user"
    grep -Eq '^Gid:\s+10001\s' "$status" || fail "$name does not run as its own group"
    ! grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' "$status" | grep -vq '0000000000000000$' || fail "$name holds capabilities"
    grep -Eq '^NoNewPrivs:\s+1$' "$status" || fail "$name may gain privileges"
    "${RUNTIME[@]}" exec "$id" sh -c 'touch /tmp/x && rm /tmp/x' || fail "$name cannot write to /tmp"
    "${RUNTIME[@]}" exec --user 0 "$id" sh -c 'for each in /x /opt/setpoint/x /usr/local/bin/x; do ! touch "$each" 2>/dev/null || exit 1; done' ||
        fail "$name can write to its root file system"
}

check_refuses_without_secret() {
    local status=0
    "${RUNTIME[@]}" run --rm "${HARDENED[@]}" --env SETPOINT_MIGRATE=no --env SETPOINT_DATABASE_URL=sqlite:////tmp/x.sqlite "$IMAGE" serve \
        >"$WORK/refusal.log" 2>&1 || status=$?
    if [ "$status" != 2 ] || ! grep -q SETPOINT_SECRET "$WORK/refusal.log"; then
        fail_with_log "without a secret the image must refuse to start (exit code 2), it ended with $status" "$WORK/refusal.log"
    fi
}

check_image_clean() {
    podman history --no-trunc --format '{{.CreatedBy}}' "$IMAGE" >"$WORK/image.txt"
    podman image inspect "$IMAGE" >>"$WORK/image.txt"
    ! sed 's#http://127\.0\.0\.1##g' "$WORK/image.txt" | grep -Ei 'https?://|password|index.url' >&2 || fail "the image carries an address or a password"
    "${RUNTIME[@]}" run --rm "${HARDENED[@]}" --entrypoint sh "$IMAGE" -c '
        [ ! -s /etc/pip.conf ] || { echo "the builder'\''s pip settings are in the image"; exit 1; }
        for each in /src /dist /opt/build /opt/setpoint/bin/pip ~root/.cache ~root/.config; do
            [ ! -e "$each" ] || { echo "left in the image: $each"; exit 1; }
        done' >&2 || fail "the image carries what only its build needs"
}

# ends_cleanly NAME ID: SIGTERM, then exit code 0 in time
ends_cleanly() {
    local name=$1 id=$2 began ended status
    began=$(date +%s%3N)
    podman kill --signal TERM "$id" >/dev/null
    while running "$id"; do
        [ $(($(date +%s%3N) - began)) -lt $((STOP_WITHIN_S * 1000)) ] || fail "$name still runs $STOP_WITHIN_S s after SIGTERM"
        sleep 0.1
    done
    ended=$(date +%s%3N)
    status=$(podman wait "$id")
    [ "$status" = 0 ] || fail "$name ended with exit code $status on SIGTERM"
    step "$name ended by SIGTERM after $((ended - began)) ms with exit code 0"
}

logs_are_silent() {
    local id
    for id in "$SERVE_ID" "$WORKER_ID"; do
        podman logs "$id" >"$WORK/service.log" 2>&1
        ! grep -qi -f "$WORK/story/never-in-a-log" "$WORK/service.log" || fail "a log names the person or holds a secret"
        ! grep -q 'Traceback' "$WORK/service.log" || fail_with_log "a log holds a traceback" "$WORK/service.log"
    done
}

[ "$(id -u)" = 0 ] || fail "building and running images here needs root: sudo make container-test"
[ -x "$PYTHON" ] || fail "there is no .venv: run make setup"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$CACHE"
WORK=$(mktemp -d "$CACHE/run.XXXXXX")

install_tools
exec 9>"$CACHE/lock"
flock -n 9 || { step "waiting for another run on this machine" && flock 9; }
OURS=yes
configure_storage
make_base_images
step "building the image"
build_image
postgres_image_made
step "image: $(($(podman image inspect --format '{{.Size}}' "$IMAGE") / 1000000)) MB, of it base $(($(podman image inspect --format '{{.Size}}' "$BASE_IMAGE") / 1000000)) MB"
check_image_clean
check_refuses_without_secret

read -r DATABASE_PORT SANDBOX_PORT SERVICE_PORT <<<"$(free_ports 3)"
SERVICE="http://127.0.0.1:$SERVICE_PORT"
SANDBOX="http://127.0.0.1:$SANDBOX_PORT"
mapfile -t HEALTH < <(podman image inspect --format '{{range .Config.Healthcheck.Test}}{{println .}}{{end}}' "$IMAGE" | sed '1d;/^$/d')
[ ${#HEALTH[@]} != 0 ] || fail "the image has no health check"
write_secrets
step "starting PostgreSQL"
start_postgres
step "starting sandbox, serve and worker: read-only, no capabilities, not root"
start_ours
for each in "sandbox $SANDBOX_ID" "serve $SERVE_ID" "worker $WORKER_ID"; do
    check_confined ${each}
done
step "all three are healthy and confined; telling the story"
"$PYTHON" tests/container/story.py --service "$SERVICE" --sandbox "$SANDBOX" --folder "$WORK/story" --seen-as /run/story -- \
    "${RUNTIME[@]}" exec "$SERVE_ID" setpoint || fail "the story did not go through"
cat "$WORK/secrets/secret" "$WORK/secrets/database_password" >>"$WORK/story/never-in-a-log"
step "SIGTERM"
ends_cleanly worker "$WORKER_ID"
ends_cleanly serve "$SERVE_ID"
ends_cleanly sandbox "$SANDBOX_ID"
logs_are_silent
step "container-test passed"
