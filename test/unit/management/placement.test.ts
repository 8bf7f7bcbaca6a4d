import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { place, type Wanted } from "../../../management/placement.ts";
import { hostsAtOnce } from "../../../management/policy.ts";
import { DEFAULTS } from "../../../management/state.ts";
import type { HostSummary, VmSummary } from "../../../protocol/evacuation.ts";
import type { HostId, ServerId } from "../../../protocol/ids.ts";
import { host, hostId, MIB, session, vm } from "./session.ts";

const placement = suite("placement");

const { capabilities } = host("alpha");
const DISK = { id: "disk0", sizeBytes: MIB, originPath: "/srv/a.img", pciAddress: "02.0" } as const;

function want(patch: Partial<Wanted> = {}, wanted: VmSummary = vm(1)): Wanted {
  return { vm: wanted, from: hostId("alpha"), promised: new Map(), risk: () => 0, ...patch };
}

function choose(hosts: readonly HostSummary[], wanted: Wanted = want()) {
  const alpha = host("alpha", {
    capabilities: { ...capabilities!, cpuFlags: ["avx2", "sse4_2"] },
  });
  return place({ type: "fleet", hosts: [alpha, ...hosts], vms: [] }, wanted);
}

function withDefinition(patch: Partial<VmSummary["definition"]>): VmSummary {
  const one = vm(1);
  return { ...one, definition: { ...one.definition, ...patch } };
}

const capacityOf = (memory: number, used = 0, disk = 1_024) => ({
  memoryBytes: memory * MIB,
  memoryUsedBytes: used * MIB,
  diskFreeBytes: disk * MIB,
});

const KVM = { ...capabilities!, accelerator: "kvm" } as const;
const REFUSALS: readonly (readonly [RegExp, Partial<HostSummary>, Wanted?])[] = [
  [/on the same server/, { serverId: "server-alpha" as ServerId }],
  [/agent is not connected/, { connected: false }],
  [/cordoned/, { cordoned: true }],
  [/failure of its server is predicted/, {}, want({ risk: () => 0.01 })],
  [/has kvm, the VM needs tcg/, { capabilities: KVM }],
  [/QEMU 7.1.9 is older than 7.2.0/, { capabilities: { ...capabilities!, qemuVersion: "7.1.9" } }],
  [
    /CPU lacks avx2$|CPU lacks avx2\)/,
    { capabilities: { ...KVM, cpuFlags: ["sse4_2"] } },
    want({}, withDefinition({ accelerator: "kvm" })),
  ],
  [/too little memory/, { capacity: capacityOf(255) }],
  [/too little memory/, { capacity: capacityOf(512, 257) }],
  [/too little memory/, {}, want({ promised: new Map([[hostId("bravo"), 769 * MIB]]) })],
  [
    /too little disk space/,
    { capacity: capacityOf(1_024, 0, 0) },
    want({}, withDefinition({ disks: [{ ...DISK, originFormat: "raw" }] })),
  ],
];

for (const [why, patch, wanted] of REFUSALS) {
  placement(`place() refuses a host and says why: ${why.source}`, () => {
    const { target, reason } = choose([host("bravo", patch)], wanted);
    assert.is(target, undefined);
    assert.match(reason, why);
    assert.match(reason, /bravo: /);
  });
}

placement("place() refuses a host that nobody has heard of since the coordinator started", () => {
  const { capabilities: _capabilities, capacity: _capacity, ...bare } = host("bravo");
  assert.match(choose([bare]).reason, /capabilities are unknown/);
});

placement("place() takes a host with exactly the room, and a newer QEMU", () => {
  const exact = host("bravo", {
    capacity: capacityOf(256),
    capabilities: { ...capabilities!, qemuVersion: "10.0.0" },
  });
  assert.is(choose([exact]).target, "bravo");
});

placement("place() takes the emptiest host, and the first by name among equals", () => {
  const charlie = host("charlie", { capacity: capacityOf(2_048) });
  assert.is(choose([host("bravo"), charlie]).target, "charlie");
  assert.is(choose([host("delta"), host("bravo")]).target, "bravo");
});

placement("place() goes back to where it failed only if nothing else fits", () => {
  const failed = want({ failedAt: hostId("bravo") });
  const roomy = host("bravo", { capacity: capacityOf(4_096) });
  assert.is(choose([roomy, host("charlie")], failed).target, "charlie");
  assert.is(choose([roomy], failed).target, "bravo");
});

placement("place() holds an operator's choice to the same rules", () => {
  const hosts = [host("bravo", { cordoned: true }), host("charlie")];
  assert.match(choose(hosts, want({ only: hostId("bravo") })).reason, /bravo: it is cordoned/);
  assert.is(choose(hosts, want({ only: hostId("charlie") })).target, "charlie");
  assert.match(choose(hosts, want({ only: hostId("echo") })).reason, /no such host/);
});

placement("place() never chooses the source, its server or a host without room", () => {
  const server = fc.constantFrom("server-alpha", "server-b", "server-c");
  const anyHost = fc.record({
    serverId: server,
    connected: fc.boolean(),
    cordoned: fc.boolean(),
    memory: fc.nat(600),
    used: fc.nat(600),
  });
  const property = fc.property(
    fc.array(anyHost, { maxLength: 8 }),
    fc.nat(300),
    (any, promised) => {
      const hosts = any.map(({ serverId, memory, used, ...rest }, at) =>
        host(`host-${at}`, {
          ...rest,
          serverId: serverId as ServerId,
          capacity: capacityOf(memory, used),
        }),
      );
      const all = new Map(hosts.map((one) => [one.hostId, promised * MIB]));
      const { target } = choose(hosts, want({ promised: all }));
      const fits = (one: (typeof any)[number]): boolean =>
        one.serverId !== "server-alpha" &&
        one.connected &&
        !one.cordoned &&
        one.memory - one.used - promised >= 256;
      const index = hosts.findIndex((one) => one.hostId === (target as HostId | undefined));
      if (index >= 0) assert.ok(fits(any[index]!));
      else assert.not.ok(any.some(fits));
    },
  );
  fc.assert(property, { seed: 5, numRuns: 500 });
});

for (const [hosts, limit] of [
  [0, 1],
  [3, 1],
  [39, 1],
  [40, 2],
  [200, 10],
] as const) {
  placement(`hostsAtOnce() allows ${limit} of ${hosts} hosts`, () => {
    const at = session();
    at.fleet(Array.from({ length: hosts }, (_, number) => host(`host-${number}`)));
    assert.is(hostsAtOnce(at.state, DEFAULTS), limit);
  });
}

placement.run();
