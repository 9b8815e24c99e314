#!/bin/sh
# Installs what `make test-all` drives: the real clients, where their kit lies beside the project. Needs Debian, or node and npm.
# What cannot be had is named here, and the tests that need it are skipped by name. Into CLIENTS_HOME (~/.cache/gateway-clients).
set -eu
kit="$(dirname "$0")/../../shared/clients/install.sh"
clients="${CLIENTS_HOME:-$HOME/.cache/gateway-clients}"

# The servers that tests start for themselves.
debian() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] && return 0
    if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
        echo "$1 is missing and only root on Debian can be helped: its tests are skipped by name" >&2
        return 0
    fi
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null ||
        echo "$2 could not be installed: its tests are skipped by name" >&2
}
debian redis-server redis-server
debian valkey-server valkey-server

if [ ! -f "$kit" ]; then
    echo "shared/clients is not beside the project: tests with real clients are skipped by name" >&2
    exit 0
fi
if ! command -v npm >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm
fi
if ! command -v npm >/dev/null 2>&1; then
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

missing() {
    echo "$1 could not be installed: its tests are skipped by name" >&2
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
