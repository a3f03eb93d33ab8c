#!/usr/bin/env bash
# Exits 0 if a version of MODEL is AVAILABLE, otherwise 1. Usage: timeout 3 bash healthcheck.bash MODEL [PORT]
#
# The image has neither curl nor Python. The HTTP status is 200 in every state, so the body is searched for the whole
# word with its quotes, because the body may contain the error code "UNAVAILABLE".
set -u
model=$1
port=${2:-8501}

exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
printf 'GET /v1/models/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$model" >&3 || exit 1
while IFS= read -r line || [[ -n $line ]]; do
    if [[ $line =~ \"state\":\ *\"AVAILABLE\" ]]; then
        exit 0
    fi
done <&3
exit 1
