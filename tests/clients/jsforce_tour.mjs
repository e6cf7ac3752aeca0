// A tour of a Salesforce org by npm jsforce: every capability is used, what it answers is asserted, and one line printed.
//   SF_URL= SF_TOKEN= SF_CLIENT= SF_SECRET= node jsforce_tour.mjs <package.zip>
// The org is bare; the token is its admin's; the package holds fields, rules and permission sets. Ends at the first
// answer that is not as the vendor documents it. What the org holds afterwards is for the caller to judge.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// A module finds NODE_PATH only by the older way.
const { Connection, SfDate } = createRequire(import.meta.url)("jsforce");

const { SF_URL, SF_TOKEN, SF_CLIENT, SF_SECRET } = process.env;
const VERSION = "67.0";
const POLL_MS = 20;
const WAIT_MS = 20_000;
const BULK_ROWS = 450;
const PAGE = 200;
const GRANTED = ["Handoff_Sales", "Handoff_Override_Approver", "Handoff_Integration"];

const org = new Connection({ instanceUrl: SF_URL, accessToken: SF_TOKEN, version: VERSION });
org.metadata.pollInterval = POLL_MS;
org.metadata.pollTimeout = WAIT_MS;
const zip = readFileSync(process.argv[2]);
const kept = {};

const fieldNames = async () => (await org.sobject("Opportunity").describe()).fields.map((field) => field.name);
const ours = (names) => names.filter((name) => name.startsWith("Handoff_"));
const count = async (soql) => (await org.query(soql)).totalSize;

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the org took what it should have refused");
}

const tour = {
  async "log in with a token"() {
    const who = await org.identity();
    assert.equal(who.user_id.length, 18);
    kept.admin = who.user_id;
    return who.username;
  },

  async "log in with client credentials"() {
    const other = new Connection({
      version: VERSION,
      oauth2: { loginUrl: SF_URL, clientId: SF_CLIENT, clientSecret: SF_SECRET },
    });
    const user = await other.authorize({ grant_type: "client_credentials" });
    assert.equal(other.instanceUrl, SF_URL);
    const who = await other.identity();
    assert.equal(who.user_id, user.id);
    assert.equal(who.organization_id, user.organizationId);
    assert.notEqual(user.id, kept.admin);
    const { accessToken } = other;
    await other.logout();
    const error = await refusal(new Connection({ instanceUrl: SF_URL, accessToken, version: VERSION }).identity());
    assert.equal(error.errorCode, "INVALID_SESSION_ID");
    return `${who.username}, logged out again`;
  },

  async "describe the org and an object"() {
    const all = await org.describeGlobal();
    assert.ok(all.sobjects.some((one) => one.name === "OpportunityTeamMember"));
    const deal = await org.sobject("opportunity").describe();
    assert.equal(deal.name, "Opportunity");
    assert.ok(deal.fields.find((field) => field.name === "StageName").picklistValues.length > 3);
    assert.deepEqual(ours(deal.fields.map((field) => field.name)), []);
    return `${all.sobjects.length} objects, Opportunity with ${deal.fields.length} fields`;
  },

  async "describe, list and read metadata"() {
    const types = await org.metadata.describe(VERSION);
    assert.equal(types.partialSaveAllowed, true);
    assert.ok(types.metadataObjects.find((one) => one.xmlName === "CustomObject").childXmlNames.includes("CustomField"));
    const layouts = await org.metadata.list([{ type: "Layout" }], VERSION);
    const names = layouts.map((one) => one.fullName).filter((name) => name.startsWith("Opportunity-"));
    assert.ok(names.length >= 2);
    const layout = await org.metadata.read("Layout", names[0]);
    assert.equal(layout.fullName, names[0]);
    assert.ok(layout.layoutSections.length >= 1);
    return `${types.metadataObjects.length} types, ${names.join(" and ")}`;
  },

  async "deploy without saving"() {
    const done = await org.metadata.deploy(zip, { checkOnly: true, rollbackOnError: true }).complete(true);
    assert.equal(done.status, "Succeeded", JSON.stringify(done.details.componentFailures));
    assert.equal(done.checkOnly, true);
    assert.deepEqual(ours(await fieldNames()), []);
    return `SOAP, ${done.numberComponentsTotal} components checked, none saved`;
  },

  async "deploy over REST"() {
    const done = await org.metadata.deployRest(zip, { rollbackOnError: true }).complete(true);
    assert.equal(done.status, "Succeeded", JSON.stringify(done.details.componentFailures));
    assert.equal(done.numberComponentsDeployed, done.numberComponentsTotal);
    kept.deployed = done.numberComponentsDeployed;
    return `${kept.deployed} components`;
  },

  async "a new field is hidden until it is granted"() {
    assert.deepEqual(ours(await fieldNames()), []);
    const names = GRANTED.map((name) => `'${name}'`).join(",");
    const sets = await org.query(`SELECT Id FROM PermissionSet WHERE Name IN (${names})`);
    assert.equal(sets.totalSize, GRANTED.length);
    const assigned = await org.create(
      "PermissionSetAssignment",
      sets.records.map((set) => ({ AssigneeId: kept.admin, PermissionSetId: set.Id })),
    );
    assert.ok(assigned.every((one) => one.success), JSON.stringify(assigned));
    const seen = ours(await fieldNames());
    assert.ok(seen.length > 20);
    return `${seen.length} fields seen after ${GRANTED.length} assignments`;
  },

  async "list, read and retrieve what was deployed"() {
    const listed = await org.metadata.list([{ type: "ValidationRule" }, { type: "CustomField" }], VERSION);
    const rules = listed.filter((one) => one.type === "ValidationRule").map((one) => one.fullName);
    const read = await org.metadata.read("ValidationRule", rules.slice(0, 10));
    assert.ok(read.every((rule) => rule.active === true && rule.errorConditionFormula));
    const wanted = [{ members: ["Opportunity"], name: "CustomObject" }, { members: GRANTED, name: "PermissionSet" }];
    const got = await org.metadata.retrieve({ apiVersion: VERSION, unpackaged: { types: wanted, version: VERSION } }).complete();
    assert.equal(got.success, true);
    assert.equal(Buffer.from(got.zipFile, "base64").subarray(0, 2).toString(), "PK");
    kept.rules = rules.filter((name) => name.startsWith("Opportunity.Handoff_"));
    return `${kept.rules.length} rules; ${got.fileProperties.length} files in the zip`;
  },

  async "ask and change the setup by Tooling"() {
    const name = kept.rules[0].split(".")[1];
    const soql = `SELECT Id, FullName, Metadata, Active FROM ValidationRule WHERE ValidationName = '${name}'`;
    const { records } = await org.tooling.query(soql);
    assert.equal(records[0].FullName, kept.rules[0]);
    const set = (active) =>
      org.tooling.sobject("ValidationRule").update({ Id: records[0].Id, Metadata: { ...records[0].Metadata, active } });
    for (const active of [false, true]) {
      assert.equal((await set(active)).success, true);
      assert.equal((await org.tooling.query(soql)).records[0].Active, active);
    }
    return `${name} switched off and on`;
  },

  async "create, read, update and delete one record"() {
    const made = await org.sobject("Account").create({ Name: "Nordwind Logistics" });
    assert.equal(made.success, true);
    await org.sobject("Account").update({ Id: made.id, Website: "nordwind.example" });
    assert.equal((await org.sobject("Account").retrieve(made.id)).Website, "nordwind.example");
    kept.account = made.id;
    const extra = await org.sobject("Account").create({ Name: "To be deleted" });
    assert.equal((await org.sobject("Account").destroy(extra.id)).success, true);
    const error = await refusal(org.sobject("Account").retrieve(extra.id));
    assert.match(error.errorCode, /NOT_FOUND|ENTITY_IS_DELETED/);
    return made.id;
  },

  async "create, read, update and delete in collections"() {
    const names = ["Fleet", "Harbour", "Doomed"];
    const made = await org.create(
      "Opportunity",
      names.map((Name) => ({ Name, StageName: "Prospecting", CloseDate: "2026-12-01", AccountId: kept.account })),
    );
    assert.ok(made.every((one) => one.success), JSON.stringify(made));
    const ids = made.map((one) => one.id);
    const changed = await org.update("Opportunity", [
      { Id: ids[0], NextStep: "Sign" },
      { Id: ids[1], NextStep: "x".repeat(300) },
    ], { allOrNone: false });
    assert.deepEqual(changed.map((one) => one.success), [true, false]);
    assert.equal(changed[1].errors[0].statusCode, "STRING_TOO_LONG");
    const back = await org.retrieve("Opportunity", ids);
    assert.deepEqual(back.map((deal) => deal.Name), names);
    assert.equal(back[0].NextStep, "Sign");
    assert.equal((await org.destroy("Opportunity", [ids[2]]))[0].success, true);
    [kept.deal, kept.other] = ids;
    return `${made.length} created, ${ids.length} read, one row refused, one deleted`;
  },

  async "upsert by an external id"() {
    const key = "Handoff_Key__c";
    const task = (which, more) => ({ Subject: which, WhatId: kept.deal, [key]: `tour:${which}`, ...more });
    const first = await org.upsert("Task", task("one"), key);
    assert.deepEqual([first.success, first.created], [true, true]);
    const many = await org.upsert("Task", [task("one", { Priority: "High" }), task("two")], key);
    assert.deepEqual(many.map((one) => one.created), [false, true]);
    assert.equal(many[0].id, first.id);
    assert.equal(await count(`SELECT COUNT() FROM Task WHERE ${key} LIKE 'tour:%'`), 2);
    return "created once, found again by its key";
  },

  async "a won save is refused field by field, and taken once they are filled"() {
    const deal = org.sobject("Opportunity");
    const types = Object.fromEntries((await deal.describe()).fields.map((field) => [field.name, field.type]));
    const won = { Id: kept.deal, StageName: "Closed Won", Amount: 250_000 };
    const refused = [(await refusal(deal.update(won))).data].flat();
    assert.ok(refused.every((row) => row.errorCode === "FIELD_CUSTOM_VALIDATION_EXCEPTION"), JSON.stringify(refused));
    const asked = refused.flatMap((row) => row.fields);
    assert.equal(asked.length, refused.length);
    assert.notEqual((await deal.retrieve(kept.deal)).StageName, "Closed Won");
    for (const name of asked) won[name] = types[name] === "date" ? "2027-01-15" : "Said in the tour";
    const [last] = asked;
    const error = await refusal(deal.update({ ...won, [last]: null }));
    assert.deepEqual([error.errorCode, error.data.fields], ["FIELD_CUSTOM_VALIDATION_EXCEPTION", [last]]);
    assert.equal((await deal.update(won)).success, true);
    return `${asked.length} fields asked for`;
  },

  async "load by Bulk 2.0"() {
    const input = Array.from({ length: BULK_ROWS }, (_, i) => ({ Name: `Bulk ${i}`, Description: 'a "quoted", line' }));
    input[7].Name = "x".repeat(300);
    const found = await org.bulk2.loadAndWaitForResults({
      object: "Account",
      operation: "insert",
      input,
      pollInterval: POLL_MS,
      pollTimeout: WAIT_MS,
    });
    assert.equal(found.successfulResults.length, BULK_ROWS - 1);
    assert.equal(found.failedResults.length, 1);
    assert.match(found.failedResults[0].sf__Error, /^STRING_TOO_LONG/);
    assert.equal(found.unprocessedRecords.length, 0);
    return `${found.successfulResults.length} rows loaded, ${found.failedResults.length} refused`;
  },

  async "update by a Bulk 2.0 job, step by step"() {
    const { records } = await org.query("SELECT Id FROM Account WHERE Name IN ('Bulk 1', 'Bulk 2')");
    const job = org.bulk2.createJob({ object: "Account", operation: "update" });
    await job.open();
    await job.uploadData(records.map(({ Id }) => ({ Id, Description: "#N/A", Website: "bulk.example" })));
    await job.close();
    await job.poll(POLL_MS, WAIT_MS);
    assert.equal((await job.check()).state, "JobComplete");
    assert.equal((await job.getSuccessfulResults()).length, records.length);
    return `${records.length} rows, one value emptied in each`;
  },

  async "query by Bulk 2.0"() {
    const soql = "SELECT Id, Name, Owner.Name, Website, Description FROM Account WHERE Name LIKE 'Bulk %'";
    const stream = await org.bulk2.query(soql, { pollInterval: POLL_MS, pollTimeout: WAIT_MS });
    const rows = await stream.toArray();
    assert.equal(rows.length, BULK_ROWS - 1);
    assert.equal(new Set(rows.map((row) => row.Id)).size, rows.length);
    assert.equal(rows.filter((row) => row.Website === "bulk.example" && !row.Description).length, 2);
    assert.equal(rows.filter((row) => row.Description === 'a "quoted", line').length, rows.length - 2);
    assert.ok(rows.every((row) => row["Owner.Name"]));
    return `${rows.length} rows`;
  },

  async "query page by page, and more by itself"() {
    const soql = "SELECT Id, Owner.Name FROM Account WHERE Name LIKE 'Bulk %' ORDER BY Name";
    const headers = { "Sforce-Query-Options": `batchSize=${PAGE}` };
    let page = await org.query(soql, { headers });
    const sizes = [page.records.length];
    while (!page.done) sizes.push((page = await org.queryMore(page.nextRecordsUrl)).records.length);
    assert.deepEqual(sizes, [PAGE, PAGE, BULK_ROWS - 1 - 2 * PAGE]);
    const whole = await org.query(soql, { headers, autoFetch: true, maxFetch: 10 * BULK_ROWS });
    assert.equal(whole.records.length, BULK_ROWS - 1);
    assert.equal(whole.totalSize, BULK_ROWS - 1);
    return `${sizes.join(" + ")} rows`;
  },

  async "build a query"() {
    const deals = await org
      .sobject("Opportunity")
      .find({ "Account.Name": "Nordwind Logistics", CloseDate: { $gte: SfDate.toDateLiteral(new Date("2026-01-01")) } }, "Id, Name, IsWon")
      .sort({ Name: 1 })
      .limit(5);
    assert.deepEqual(deals.map((deal) => [deal.Name, deal.IsWon]), [["Fleet", true], ["Harbour", false]]);
    return "parents, dates, order and limit";
  },

  async "ask for what changed and what was deleted"() {
    const day = 86_400_000;
    const [from, to] = [new Date(Date.now() - day), new Date(Date.now() + day)];
    const changed = await org.sobject("Opportunity").updated(from, to);
    assert.ok(changed.ids.includes(kept.deal) && changed.latestDateCovered);
    const gone = await org.sobject("Account").deleted(from, to);
    assert.equal(gone.deletedRecords.length, 1);
    return `${changed.ids.length} deals changed, ${gone.deletedRecords.length} account deleted`;
  },

  async "see the limits"() {
    const limits = await org.limits();
    const { used, limit } = org.limitInfo.apiUsage;
    assert.equal(limits.DailyApiRequests.Max, limit);
    assert.equal(limits.DailyApiRequests.Remaining, limit - used);
    return `${used} of ${limit} requests`;
  },
};

for (const [name, step] of Object.entries(tour)) {
  try {
    console.log(`ok ${name}: ${await step()}`);
  } catch (error) {
    console.error(`FAILED ${name}`);
    throw error;
  }
}
