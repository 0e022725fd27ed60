# Read by run.sh. The tools, and the two images that a registry would give elsewhere: on a machine that reaches only package
# mirrors they are made from Debian's packages and carry the names that Dockerfile and compose.yaml use. They live in a storage
# of our own under $CACHE, so the machine's other images never meet them.

BASE_IMAGE=docker.io/library/python:3.13-slim-trixie
POSTGRES_IMAGE=docker.io/library/postgres:17-trixie
PREVIOUS_BUILDS_KEPT_HOURS=168

install_tools() {
    local tool missing=()
    for tool in podman buildah runc debootstrap; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || fail "${missing[*]} must be installed first: there is no apt-get on this machine"
    step "installing ${missing[*]} from the machine's package mirror"
    apt_get update
    apt_get install --yes --no-install-recommends "${missing[@]}"
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >"$WORK/apt.log" 2>&1 </dev/null || fail_with_log "apt-get $1 failed" "$WORK/apt.log"
}

# Overlay where the file system can carry it, full copies (vfs) where it cannot: there every layer costs the whole image again, so
# the build keeps none between its steps.
configure_storage() {
    local driver=vfs probe="$CACHE/probe"
    LAYERS=false
    mkdir -p "$probe"/{lower,upper,work,merged}
    if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2>/dev/null; then
        umount "$probe/merged"
        driver=overlay
        LAYERS=true
    fi
    rm -rf "$probe"
    printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' "$driver" "$CACHE/$driver" "$CACHE/$driver-running" >"$WORK/storage.conf"
    export CONTAINERS_STORAGE_CONF="$WORK/storage.conf"
}

# The mirror is whatever this machine's apt uses for Debian itself; it is kept in no file and no image.
find_mirror() {
    command -v apt-get >/dev/null || fail "the base images are made from the mirror that apt uses, and there is no apt-get on this machine"
    read_mirror
    [ -n "$MIRROR" ] || { apt_get update && read_mirror; }
    case "$MIRROR" in
        http://* | https://*) ;;
        *) fail "apt on this machine names no http(s) mirror of Debian to make the base images from" ;;
    esac
}

read_mirror() {
    MIRROR=$(apt-get indextargets --format '$(LABEL) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "Debian" && $2 == "main" && !seen++ { print $3 }')
}

make_base_images() {
    local base=true postgres=true
    podman image exists "$BASE_IMAGE" || base=false
    podman image exists "$POSTGRES_IMAGE" || postgres=false
    if $base && $postgres; then return; fi
    find_mirror
    if ! $postgres; then
        step "making the PostgreSQL image from Debian packages, beside the next steps (about 80 s, once)"
        set -m # a process group of its own, to end it with its children
        bootstrap "$POSTGRES_IMAGE" postgresql &
        POSTGRES_MAKER=$!
        set +m
    fi
    if ! $base; then
        step "making a stand-in for $BASE_IMAGE (about 80 s, once)"
        bootstrap "$BASE_IMAGE" python3,python3-venv,ca-certificates
    fi
}

postgres_image_made() {
    [ -z "$POSTGRES_MAKER" ] && return
    step "waiting for the PostgreSQL image"
    wait "$POSTGRES_MAKER" || fail "the PostgreSQL image could not be made"
    POSTGRES_MAKER=
}

bootstrap() {
    local image=$1 packages=$2 root log proxy
    root=$(mktemp -d "$WORK/root.XXXXXX")
    log="$root.log"
    proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
    [ -n "$proxy" ] && export http_proxy="$proxy" https_proxy="$proxy"
    debootstrap --variant=minbase --include="$packages" trixie "$root" "$MIRROR" >"$log" 2>&1 </dev/null || fail_with_log "debootstrap for $image failed" "$log"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc "$root"/usr/share/man "$root"/etc/apt/sources.list
    chmod 0755 "$root"
    tar -C "$root" -c . | podman import - "$image" >"$log" 2>&1 || fail_with_log "importing $image failed" "$log"
    rm -rf "$root"
}

build_image() {
    local mounts=(-v /etc/ssl/certs:/etc/ssl/certs:ro)
    [ -f /etc/pip.conf ] && mounts+=(-v /etc/pip.conf:/etc/pip.conf:ro)
    buildah bud --isolation chroot --pull-never --layers="$LAYERS" --format docker "${mounts[@]}" \
        --build-arg VERSION="$("$PYTHON" -c 'from importlib.metadata import version; print(version("setpoint"))')" \
        --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
        -t "$IMAGE" . >"$WORK/build.log" 2>&1 </dev/null || fail_with_log "the image does not build" "$WORK/build.log"
    podman image prune --force --filter "until=${PREVIOUS_BUILDS_KEPT_HOURS}h" >/dev/null 2>&1 || true
}
