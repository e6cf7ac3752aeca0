// A tour of a HubSpot portal by npm @hubspot/api-client: every capability is used, what it answers is asserted, and
// one line printed.
//   HS_URL= HS_TOKEN= HS_CLIENT= HS_SECRET= HS_REFRESH= node hubspot_tour.mjs
// The portal is bare but for its people. Ends at the first answer that is not as the vendor documents it. What the
// portal holds afterwards is for the caller to judge.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// A module finds NODE_PATH only by the older way.
const { Client, AssociationTypes } = createRequire(import.meta.url)("@hubspot/api-client");

const { HS_URL, HS_TOKEN, HS_CLIENT, HS_SECRET, HS_REFRESH } = process.env;
const BATCH = 100;
const DEALS = 230;
const DATED = "2026-09";
const WHEN = "2026-12-01T09:00:00Z";
const UNHURRIED = { minTime: 0, maxConcurrent: 8 };

const connect = (accessToken) =>
  new Client({ accessToken, basePath: HS_URL, numberOfApiCallRetries: 0, limiterOptions: UNHURRIED });
const hub = connect(HS_TOKEN);
const { crm } = hub;
const kept = {};

const defined = (associationTypeId) => ({ associationCategory: "HUBSPOT_DEFINED", associationTypeId });
const search = (request) => ({ filterGroups: [], sorts: [], properties: [], limit: 10, after: "0", ...request });

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the portal took what it should have refused");
}

async function inBatches(names, make) {
  const made = [];
  for (let from = 0; from < names.length; from += BATCH) {
    const inputs = names.slice(from, from + BATCH).map((name) => ({ properties: make(name), associations: [] }));
    made.push(...(await crm.deals.batchApi.create({ inputs })).results);
  }
  return made;
}

const tour = {
  async "say which portal this is"() {
    const reply = await hub.apiRequest({ path: "/account-info/v3/details" });
    const { portalId, accountType, timeZone } = await reply.json();
    assert.ok(portalId && timeZone);
    return `${portalId}, ${accountType}`;
  },

  async "renew a token by OAuth, and use it"() {
    const grant = ["refresh_token", undefined, undefined, HS_CLIENT, HS_SECRET, HS_REFRESH];
    const token = await new Client({ basePath: HS_URL }).oauth.tokensApi.create(...grant);
    assert.ok(token.accessToken && token.expiresIn > 0);
    const { results } = await connect(token.accessToken).crm.owners.ownersApi.getPage();
    kept.owner = results[0];
    assert.ok(kept.owner.id !== String(kept.owner.userId));
    return `${results.length} owners for ${token.expiresIn} s`;
  },

  async "know the won stages of the pipelines"() {
    const { results } = await crm.pipelines.pipelinesApi.getAll("deals");
    const stages = results.flatMap((pipeline) => pipeline.stages);
    const won = stages.filter(({ metadata }) => metadata.isClosed === "true" && metadata.probability === "1.0");
    assert.equal(won.length, results.length);
    kept.won = results.find((pipeline) => pipeline.id === "default").stages.find((stage) => won.includes(stage)).id;
    return `${won.length} of ${stages.length} stages`;
  },

  async "make a group and properties of one's own"() {
    const { groupsApi, coreApi, batchApi } = crm.properties;
    await groupsApi.create("deals", { name: "tour", label: "Tour" });
    const base = { groupName: "tour", type: "string", fieldType: "text" };
    await coreApi.create("deals", { ...base, name: "tour_key", label: "Key", hasUniqueValue: true });
    const picker = { type: "enumeration", fieldType: "select", externalOptions: true, referencedObjectType: "OWNER" };
    const size = { type: "enumeration", fieldType: "select", options: [option("small", 0), option("large", 1)] };
    const inputs = [
      { ...base, ...picker, name: "tour_csm", label: "CSM" },
      { ...base, ...size, name: "tour_size", label: "Size" },
    ];
    assert.equal((await batchApi.create("deals", { inputs })).results.length, 2);
    await crm.properties.coreApi.create("tasks", {
      ...base, groupName: "task_information", name: "tour_key", label: "Key", hasUniqueValue: true,
    });
    const patched = await coreApi.update("deals", "tour_size", { options: [option("huge", 0)] });
    assert.deepEqual(patched.options.map(({ value }) => value), ["huge"]);
    const again = await refusal(coreApi.create("deals", { ...base, name: "tour_key", label: "Key" }));
    assert.equal(again.code, 409);
    const busy = await refusal(groupsApi.archive("deals", "tour"));
    assert.equal(busy.code, 400);
    return "a key, an owner picker, a choice";
  },

  async "create, read, update and archive one record"() {
    const { basicApi } = crm.deals;
    const made = await basicApi.create({ properties: { dealname: "Fleet", amount: "1200" }, associations: [] });
    assert.ok(made.createdAt instanceof Date && !made.archived);
    const changed = await basicApi.update(made.id, { properties: { dealstage: kept.won, tour_csm: kept.owner.id } });
    assert.equal(changed.properties.dealstage, kept.won);
    const names = ["dealname", "hs_is_closed_won", "description"];
    const read = await basicApi.getById(made.id, names, ["dealstage"]);
    assert.equal(read.properties.hs_is_closed_won, "true");
    assert.equal(read.properties.description, null);
    assert.equal(read.propertiesWithHistory.dealstage[0].sourceType, "INTEGRATION");
    const gone = await basicApi.create({ properties: { dealname: "Gone" }, associations: [] });
    await basicApi.archive(gone.id);
    assert.equal((await refusal(basicApi.getById(gone.id))).code, 404);
    assert.ok((await basicApi.getById(gone.id, undefined, undefined, undefined, true)).archivedAt);
    kept.deal = made.id;
    return `deal ${made.id}`;
  },

  async "be told what is wrong"() {
    const wrong = await refusal(crm.deals.basicApi.create({ properties: { nope: "1" }, associations: [] }));
    assert.equal(wrong.code, 400);
    assert.equal(wrong.body.category, "VALIDATION_ERROR");
    assert.ok(wrong.body.correlationId && wrong.headers["x-hubspot-ratelimit-max"]);
    const user = { properties: { hubspot_owner_id: String(kept.owner.userId) } };
    assert.equal((await refusal(crm.deals.basicApi.update(kept.deal, user))).code, 400);
    assert.equal((await refusal(connect("pat-none").crm.deals.basicApi.getPage())).code, 401);
    return "400, 401, 404 and 409, each with a body";
  },

  async "create many in batches, and fail alone where asked for"() {
    const names = Array.from({ length: DEALS }, (_, number) => `Batch ${String(number).padStart(3, "0")}`);
    const make = (dealname) => ({ dealname, amount: String(1000 + Number(dealname.slice(-3))), tour_key: dealname });
    kept.many = (await inBatches(names, make)).map(({ id }) => id);
    assert.equal(new Set(kept.many).size, DEALS);
    const inputs = [{ dealname: "Good" }, { nope: "1" }].map((properties, number) => ({
      properties, associations: [], objectWriteTraceId: `row-${number}`,
    }));
    const mixed = await crm.deals.batchApi.create({ inputs });
    assert.equal(mixed.numErrors, 1);
    assert.deepEqual(mixed.results.map(({ properties }) => properties.dealname), ["Good"]);
    assert.deepEqual(mixed.errors[0].context.objectWriteTraceId, ["row-1"]);
    return `${DEALS} deals in ${Math.ceil(DEALS / BATCH)} calls, one row of two refused`;
  },

  async "read, update, upsert and archive in batches"() {
    const { batchApi } = crm.deals;
    const ids = kept.many.slice(0, 3);
    const inputs = [...ids, "1"].map((id) => ({ id }));
    const read = await batchApi.read({ inputs, properties: ["dealname"], propertiesWithHistory: ["amount"] });
    assert.deepEqual(read.results.map(({ id }) => id).sort(), [...ids].sort());
    assert.deepEqual(read.errors[0].context.ids, ["1"]);
    await batchApi.update({ inputs: ids.map((id) => ({ id, properties: { tour_size: "huge" } })) });
    const keyed = ["Batch 000", "Upserted"].map((id) => ({
      id, idProperty: "tour_key", properties: { description: "by key" },
    }));
    const upserted = await batchApi.upsert({ inputs: keyed });
    assert.deepEqual(upserted.results.map((row) => row._new).sort(), [false, true]);
    const made = upserted.results.find((row) => row._new);
    await batchApi.archive({ inputs: [{ id: made.id }] });
    const byKey = { inputs: [{ id: "Batch 001" }], idProperty: "tour_key", properties: ["tour_size"], propertiesWithHistory: [] };
    assert.equal((await batchApi.read(byKey)).results[0].properties.tour_size, "huge");
    return "by id and by key";
  },

  async "search by filters, in order, page by page"() {
    const between = { propertyName: "amount", operator: "BETWEEN", value: "1000", highValue: "1229" };
    const named = { propertyName: "dealname", operator: "CONTAINS_TOKEN", value: "Batch" };
    const asked = { filterGroups: [{ filters: [between, named] }], properties: ["amount"], limit: 100 };
    const found = [];
    let page;
    do {
      const after = page ? page.paging.next.after : "0";
      page = await crm.deals.searchApi.doSearch(search({ ...asked, sorts: ["-amount"], after }));
      found.push(...page.results.map(({ properties }) => Number(properties.amount)));
    } while (page.paging);
    assert.equal(page.total, DEALS);
    assert.deepEqual(found, [...found].sort((one, other) => other - one));
    assert.equal(found.length, DEALS);
    const won = { propertyName: "dealstage", operator: "IN", values: [kept.won] };
    const winners = await crm.deals.searchApi.doSearch(search({ filterGroups: [{ filters: [won] }] }));
    assert.deepEqual(winners.results.map(({ id }) => id), [kept.deal]);
    return `${found.length} of ${page.total}, and the one that is won`;
  },

  async "be kept within the limits of a search"() {
    const late = await refusal(crm.deals.searchApi.doSearch(search({ limit: 200, after: "9900" })));
    const much = await refusal(crm.deals.searchApi.doSearch(search({ limit: 201 })));
    assert.deepEqual([late.code, much.code], [400, 400]);
    return "no further than 10,000, no more than 200 at once";
  },

  async "list every record"() {
    const all = await crm.deals.getAll(undefined, undefined, ["dealname"]);
    assert.equal(new Set(all.map(({ id }) => id)).size, DEALS + 2);
    const archived = await crm.deals.basicApi.getPage(100, undefined, undefined, undefined, undefined, true);
    assert.equal(archived.results.length, 2);
    return `${all.length} deals, ${archived.results.length} in the bin`;
  },

  async "associate, label, read and take apart"() {
    const { basicApi, batchApi } = crm.associations.v4;
    const company = await crm.companies.basicApi.create({ properties: { name: "Nordwind Logistics" }, associations: [] });
    await basicApi.createDefault("deals", kept.deal, "companies", company.id);
    const { results } = await basicApi.getPage("deals", kept.deal, "companies");
    const types = results[0].associationTypes.map(({ typeId }) => typeId).sort();
    assert.deepEqual(types, [AssociationTypes.primaryDealToCompany, AssociationTypes.dealToCompany].sort());
    const pairs = kept.many.slice(0, 5).map((id) => ({ _from: { id }, to: { id: company.id } }));
    assert.equal((await batchApi.createDefault("deals", "companies", { inputs: pairs })).results.length, 10);
    const labelled = pairs.map((pair) => ({ ...pair, types: [defined(AssociationTypes.primaryDealToCompany)] }));
    assert.equal((await batchApi.create("deals", "companies", { inputs: labelled })).results.length, 5);
    const read = await batchApi.getPage("companies", "deals", { inputs: [{ id: company.id }] });
    assert.equal(read.results[0].to.length, 6);
    await batchApi.archive("deals", "companies", { inputs: [{ _from: { id: kept.many[4] }, to: [{ id: company.id }] }] });
    await basicApi.archive("deals", kept.many[3], "companies", company.id);
    assert.equal((await batchApi.getPage("companies", "deals", { inputs: [{ id: company.id }] })).results[0].to.length, 4);
    kept.company = company.id;
    return "six pairs, two taken apart";
  },

  async "hang tasks, notes and meetings on a deal"() {
    const { tasks, notes, meetings } = crm.objects;
    const to = (type) => [{ to: { id: kept.deal }, types: [defined(type)] }];
    const task = { hs_timestamp: WHEN, hs_task_subject: "Welcome", hs_task_status: "NOT_STARTED", tour_key: "tour:1" };
    const upsert = { inputs: [{ id: "tour:1", idProperty: "tour_key", properties: task }] };
    const [first] = (await tasks.batchApi.upsert(upsert)).results;
    const [second] = (await tasks.batchApi.upsert(upsert)).results;
    assert.deepEqual([first._new, second._new, second.id], [true, false, first.id]);
    await crm.associations.v4.basicApi.createDefault("tasks", first.id, "deals", kept.deal);
    const note = { properties: { hs_timestamp: WHEN, hs_note_body: "<p>All of it</p>" }, associations: to(214) };
    const { id } = await notes.basicApi.create(note);
    const meeting = { hs_timestamp: WHEN, hs_meeting_title: "Kickoff", hs_meeting_start_time: WHEN };
    await meetings.basicApi.create({ properties: meeting, associations: to(212) });
    const read = await crm.deals.basicApi.getById(kept.deal, undefined, undefined, ["tasks", "notes", "meetings"]);
    assert.deepEqual(Object.values(read.associations).map(({ results }) => results.length), [1, 1, 1]);
    assert.equal((await refusal(notes.basicApi.create({ properties: { hs_note_body: "x" }, associations: [] }))).code, 400);
    await crm.deals.basicApi.update(kept.deal, { properties: { hs_pinned_engagement_id: id } });
    return "one of each, the note pinned";
  },

  async "merge two deals"() {
    const [one, other] = kept.many.slice(-2);
    const merged = await crm.deals.basicApi.merge({ primaryObjectId: one, objectIdToMerge: other });
    for (const id of [one, other]) assert.equal((await crm.deals.basicApi.getById(id)).id, merged.id);
    return `${one} and ${other} are ${merged.id}`;
  },

  async "use a dated path by hand"() {
    const body = search({ filterGroups: [{ filters: [{ propertyName: "hs_object_id", operator: "EQ", value: kept.deal }] }] });
    const reply = await hub.apiRequest({ method: "POST", path: `/crm/objects/${DATED}/deals/search`, body });
    const { total, results } = await reply.json();
    assert.deepEqual([total, results[0].id], [1, kept.deal]);
    assert.ok(results[0].url);
    return DATED;
  },
};

function option(value, displayOrder) {
  return { value, label: value.toUpperCase(), displayOrder, hidden: false };
}

for (const [name, step] of Object.entries(tour)) {
  try {
    console.log(`ok ${name}: ${await step()}`);
  } catch (error) {
    console.error(`FAILED ${name}`);
    throw error;
  }
}
