#!/bin/sh
# Guards one refund over HTTP, with nothing but curl.
#   ANDON_URL=http://127.0.0.1:8470 ANDON_TOKEN=andon_... sh examples/curl.sh
set -eu

URL=${ANDON_URL:-http://127.0.0.1:8470}
AUTH="Authorization: Bearer ${ANDON_TOKEN:-}"
JSON="Content-Type: application/json"
WORKFLOW=${ANDON_WORKFLOW:-refunds}
ACTION='"workflow": "'$WORKFLOW'", "automation": "shell", "capability": "transact",
  "action": "refund.create", "target": "ch_8821", "value": 42.5, "currency": "USD"'

# 1. May it run?
PERMIT=$(curl -sS --fail-with-body "$URL/v1/permits" -H "$AUTH" -H "$JSON" -d "{$ACTION}")
case $PERMIT in
  *'"allow":true'*) ;;
  *) echo "refused: $PERMIT"; exit 1 ;;
esac
ID=$(printf %s "$PERMIT" | sed 's/.*"permit":"\([^"]*\)".*/\1/')

# 2. Do it here.

# 3. Tell what came of it, under the permit's id.
NOW=$(date -u +%Y-%m-%dT%H:%M:%SZ)
curl -sS --fail-with-body "$URL/v1/events" -H "$AUTH" -H "$JSON" \
  -d "{$ACTION, \"event_id\": \"$ID\", \"ts\": \"$NOW\", \"outcome\": \"success\"}"
echo
