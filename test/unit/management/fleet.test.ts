import { suite } from "uvu";
import * as assert from "uvu/assert";
import { alarmRecord } from "../../../management/alarm.ts";
import { rackOf } from "../../../management/config.ts";
import { type FleetInput, fleetView, GROUPS_ANSWERED_MAX } from "../../../management/fleet.ts";
import { SystemError } from "../../../protocol/error.ts";
import { riskChange, serverComponents } from "../../../protocol/prediction.ts";

const fleet = suite("fleetView");
const DAY_MS = 86_400_000;
const NOW_MS = Date.parse("2026-06-01T00:00:00.000Z");

/** `count` servers with four disks each, those of the first two of another model. */
function servers(count: number) {
  return Array.from({ length: count }, (_, at) =>
    serverComponents.parse({
      type: "server-components",
      serverId: `s${at}`,
      model: at < 2 ? "Old" : "New",
      disks: ["sda", "sdb", "sdc", "sdd"].map((device) => ({
        device,
        model: at < 2 ? "Bad 4000" : "Good 8000",
      })),
    }),
  );
}

function alarm(server: number, device: string, beforeMs = 0) {
  return alarmRecord.parse({
    alarmId: `p-${server}-${device}-${beforeMs}`,
    joined: [],
    serverId: `s${server}`,
    source: "agent",
    component: "disk",
    device,
    rules: [],
    probability: 0.5,
    horizonMs: 1,
    wallTime: new Date(NOW_MS - beforeMs).toISOString(),
  });
}

function view(patch: Partial<FleetInput> = {}) {
  return fleetView({
    servers: servers(50),
    rackOf: new Map(),
    alarms: [],
    risks: [],
    nowMs: NOW_MS,
    windowMs: 30 * DAY_MS,
    atOnceMs: 600_000,
    ...patch,
  });
}

const groupOf = (of: ReturnType<typeof view>, name: string) =>
  of.groups.find((group) => group.name === name);

fleet("fleetView() finds the model of which more is predicted", () => {
  const alarms = [
    alarm(0, "sda", DAY_MS),
    alarm(0, "sdb", 5 * DAY_MS),
    alarm(1, "sda"),
    alarm(9, "sda"),
  ];
  const seen = view({ alarms });
  const bad = groupOf(seen, "Bad 4000");
  assert.equal([bad?.hits, bad?.all, bad?.restHits, bad?.restAll], [3, 8, 1, 192]);
  assert.ok(bad!.p < 1e-3 && bad!.standsOut, String(bad!.p));
  assert.is(seen.groups[0], bad, "the likeliest to differ first");
  assert.is(groupOf(seen, "Old")?.hits, 2, "a server counts once");
  assert.equal([seen.servers, seen.disks, seen.days], [50, 200, 30]);
});

fleet("fleetView() leaves alone what chance does, and what is long ago", () => {
  const quiet = view({ alarms: [alarm(0, "sda"), alarm(9, "sda"), alarm(10, "sda")] });
  assert.equal(
    quiet.groups.filter(({ standsOut }) => standsOut),
    [],
  );
  const one = [0, 1, 9, 10, 11, 12].map((server) => alarm(server, "sda", server * DAY_MS));
  const odd = groupOf(view({ alarms: one }), "Bad 4000");
  assert.ok(odd!.p < 0.05 && !odd!.standsOut, `one of four groups: ${odd!.p}`);
  const old = view({ alarms: [alarm(0, "sda", 31 * DAY_MS)] });
  assert.is(groupOf(old, "Bad 4000")?.hits, 0);
});

fleet("fleetView() suspects a shared fault when many of a group come at once", () => {
  const racks = rackOf({ r1: ["s10", "s11", "s12"], r2: ["s20"] });
  const minute = 60_000;
  const alarms = [alarm(10, "sda", 5 * minute), alarm(11, "sdb", minute), alarm(12, "sda")];
  const seen = view({ rackOf: racks, alarms });
  assert.match(groupOf(seen, "r1")?.suspicion ?? "", /^3 servers within 10 minutes: rather power/);
  assert.is(groupOf(seen, "r2")?.suspicion, undefined);
  const apart = [alarm(10, "sda", 11 * minute), alarm(11, "sdb", minute), alarm(12, "sda")];
  assert.is(groupOf(view({ rackOf: racks, alarms: apart }), "r1")?.suspicion, undefined);
  const twice = [alarm(10, "sda"), alarm(10, "sdb"), alarm(10, "sdc")];
  assert.is(
    groupOf(view({ rackOf: racks, alarms: twice }), "r1")?.suspicion,
    undefined,
    "one server",
  );
});

fleet("fleetView() shows the suspects, and puts what has no name with the rest", () => {
  const change = riskChange.parse({
    type: "risk-change",
    serverId: "s0",
    source: "agent",
    component: "disk",
    device: "sda",
    from: "healthy",
    to: "suspect",
    evidence: [],
  });
  const nameless = servers(3).map((one) => ({ ...one, model: one.serverId === "s2" ? "" : "Old" }));
  const seen = view({ servers: nameless, risks: [{ change, wallTime: "", earlier: [] }] });
  assert.equal([groupOf(seen, "Bad 4000")?.suspects, groupOf(seen, "Old")?.suspects], [1, 1]);
  assert.equal([groupOf(seen, "Old")?.all, groupOf(seen, "Old")?.restAll], [2, 1]);
});

fleet("fleetView() answers a bounded number of groups", () => {
  const many = servers(GROUPS_ANSWERED_MAX + 10).map((one, at) => ({ ...one, model: `M${at}` }));
  assert.is(view({ servers: many }).groups.length, GROUPS_ANSWERED_MAX);
});

fleet("rackOf() refuses a server in two racks", () => {
  try {
    rackOf({ r1: ["s1"], r2: ["s1"] });
    assert.unreachable();
  } catch (thrown) {
    assert.is(thrown instanceof SystemError && thrown.code, "CONFIG_INVALID");
  }
});

fleet.run();
