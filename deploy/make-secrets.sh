#!/bin/sh
# Makes the files that compose.secrets.yaml mounts, in ./secrets; what is there already stays.
# Containers run as other users and must be able to read them, so it is the directory that is private.
set -eu
mkdir -p secrets
chmod 0700 secrets
cd secrets

keep() { # FILE, its content on stdin
    if [ -e "$1" ]; then cat >/dev/null; else cat >"$1"; chmod 0644 "$1"; fi
}

openssl rand -base64 32 | keep master_key
openssl rand -hex 24 | keep postgres_password
for login in owner app system; do
    openssl rand -hex 24 | keep "${login}_password"
done
printf 'postgresql://messaging_owner:%s@postgres:5432/messaging\n' "$(cat owner_password)" | keep owner_url
printf 'postgresql://messaging_app_login:%s@postgres:5432/messaging\n' "$(cat app_password)" | keep app_url
printf 'postgresql://messaging_system_login:%s@postgres:5432/messaging\n' "$(cat system_password)" | keep system_url
echo "secrets: $(ls | tr '\n' ' ')" >&2
