# What the test scripts share: where things are built, and how the programs they need get there. Sourced.

export LC_ALL=C.UTF-8
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=$(cd "$project" && realpath -m "${CARGO_TARGET_DIR:-target}")
venv=$target/test-venv
swift_version=2.38.3

# Where Debian puts servers, which a user's path may leave out.
PATH=$PATH:/usr/sbin:/sbin

# The packages with MariaDB's programs. Debian's service lies in another, which nobody here wants: the tests start a
# server of their own.
mariadb_packages=(mariadbd=mariadb-server-core mariadb-install-db=mariadb-server-core my_print_defaults=mariadb-client-core)

# install COMMAND=PACKAGE...: installs Debian's packages for the commands that are missing, or says which those are.
install_missing() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || [[ " ${missing[*]} " == *" ${pair#*=} "* ]] || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "These packages are missing; install them and try again: ${missing[*]}" >&2
        return 1
    fi
    echo "Installing ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"$target/apt.log" 2>&1 && return
    # The lists of a young machine are old or absent.
    apt-get update >>"$target/apt.log" 2>&1
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >>"$target/apt.log" 2>&1 && return
    echo "apt-get could not install ${missing[*]}; see $target/apt.log" >&2
    return 1
}

# python_packages IMPORT PACKAGE...: makes the virtual environment and installs the packages unless IMPORT works there.
python_packages() {
    local import=$1
    shift
    "$venv/bin/python" -c "import $import" 2>/dev/null && return
    # Without ensurepip there is no pip in the environment: Debian keeps it in a package of its own.
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        install_missing "python3-without-venv=python3-venv" || return 1
    fi
    [ -x "$venv/bin/pip" ] || python3 -m venv --clear "$venv" || return 1
    echo "Installing $* for Python"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@" >"$target/pip.log" 2>&1 && return
    echo "pip could not install $*; see $target/pip.log" >&2
    return 1
}

# Settings of the server that the developer has in the environment are not the tests'.
unset "${!STOBJ_@}"
