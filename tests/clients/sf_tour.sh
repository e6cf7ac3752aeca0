#!/usr/bin/env bash
# The vendor's own command line in an org: log in, check and deploy a project, ask, change, load, retrieve.
#   SF_ACCESS_TOKEN= SF_URL= SF_NODE= SF_RUN= SF_WON= SF_FILLED= sf_tour.sh <project> <folder>
# SF_NODE and SF_RUN are a Node of version 22 or later and the CLI's own bin/run.js. SF_WON and SF_FILLED are the values
# of a won save that leaves fields empty and of one that fills them. Each command's answer is written to
# <folder>/<step>.json as the CLI gives it, and one line is printed: its step, exit code and seconds. Nothing is judged
# here. The environment must be its own: a HOME that may be thrown away.
set -euo pipefail
project="$1" answers="$2"
mkdir -p "$answers" "$answers/back/force-app"
cp "$project/sfdx-project.json" "$answers/back/"

# Nothing asks the net, nothing updates itself, and deploys go over REST.
export SF_AUTOUPDATE_DISABLE=true SF_DISABLE_AUTOUPDATE=true SF_SKIP_NEW_VERSION_CHECK=true SF_DISABLE_TELEMETRY=true
export SF_USE_GENERIC_UNIX_KEYCHAIN=true SF_DISABLE_LOG_FILE=true SF_USE_PROGRESS_BAR=false
export SF_ORG_API_VERSION=67.0 SF_ORG_METADATA_REST_DEPLOY=true

rules="SELECT ValidationName, Active FROM ValidationRule WHERE ValidationName LIKE 'Handoff_%'"

now_ms() {
  local at="${EPOCHREALTIME:-$SECONDS.000000}"
  echo $((${at/[.,]/} / 1000))
}

sf() {
  local step="$1" code=0 began
  began="$(now_ms)"
  shift
  "$SF_NODE" --no-deprecation "$SF_RUN" "$@" --json > "$answers/$step.json" 2> "$answers/$step.err" || code=$?
  printf '%-10s exit %d %6d ms  sf %s\n' "$step" "$code" "$(($(now_ms) - began))" "${*:1:3}"
}

made() { "$SF_NODE" -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).result.id' "$answers/$1.json"; }

cd "$project"
sf login org login access-token --instance-url "$SF_URL" --alias org --no-prompt
export SF_TARGET_ORG=org
sf display org display
sf limits org list limits
sf check project deploy start --source-dir force-app --dry-run
sf unchanged data query --use-tooling-api --query "$rules"
sf deploy project deploy start --source-dir force-app
sf rules data query --use-tooling-api --query "$rules"
sf assign org assign permset --name Handoff_Sales --name Handoff_Customer_Success
sf describe sobject describe --sobject Opportunity
sf account data create record --sobject Account --values "Name='Nordwind Logistics'"
sf deal data create record --sobject Opportunity \
  --values "Name=Fleet StageName=Prospecting CloseDate=2026-12-01 AccountId=$(made account)"
sf refused data update record --sobject Opportunity --record-id "$(made deal)" --values "$SF_WON"
sf filled data update record --sobject Opportunity --record-id "$(made deal)" --values "$SF_FILLED"
sf query data query --query "SELECT Id, Name, Account.Name, IsWon, Handoff_Champion__c FROM Opportunity"
printf 'Name,Website\nHarbour Works,harbour.example\nAlpine Foods,alpine.example\n' > "$answers/accounts.csv"
sf load data import bulk --sobject Account --file "$answers/accounts.csv" --line-ending LF --wait 1
sf export data export bulk --query "SELECT Name, Website FROM Account ORDER BY Name" \
  --output-file "$answers/exported.csv" --result-format csv --wait 1
cd "$answers/back"
sf retrieve project retrieve start --metadata ValidationRule --metadata CustomField --metadata PermissionSet \
  --metadata CustomObject:Opportunity
