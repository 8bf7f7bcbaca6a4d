import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { VmReport } from "../../../protocol/authority.ts";
import type { BootId, HostId } from "../../../protocol/ids.ts";
import {
  type HostName,
  order,
  running,
  type Session,
  sent,
  session,
  VM,
  vmRecord,
} from "./session.ts";

const assignment = suite("assignment");
const BOOT_2 = "b0070002" as BootId;

const vm = (at: Session) => at.state.vms[VM];

assignment(
  "step() grants nothing while the VM's host is unheard, and holds it with a reason",
  () => {
    const at = session([vmRecord()]);
    at.connects("bravo");
    for (let minute = 0; minute < 60; minute++) assert.equal(sent(at.wait(60_000)), []);
    assert.match(vm(at)?.held ?? "", /alpha has not been heard/);
  },
);

const COMPARISONS: readonly (readonly [
  string,
  readonly (readonly [HostName, Partial<VmReport>])[],
  Partial<{ term: number; termMax: number; hostId: string; desired: string }>,
])[] = [
  [
    "keeps its own term against a lower one",
    [["bravo", { phase: "stopped", term: 1 }]],
    { term: 2, hostId: "alpha", termMax: 2 },
  ],
  ["takes a higher active term", [["bravo", { term: 7 }]], { term: 7, hostId: "bravo" }],
  [
    "takes a higher term whose guest is at its end, and does not start it",
    [["bravo", { phase: "void", term: 7 }]],
    { term: 7, hostId: "bravo", desired: "stopped" },
  ],
  [
    "takes the highest of all, in any order",
    [
      ["charlie", { term: 9 }],
      ["bravo", { phase: "stopped", term: 7 }],
    ],
    { term: 9, termMax: 9, hostId: "charlie", desired: "running" },
  ],
  [
    "counts terms only heard of",
    [["bravo", { phase: "burnt", term: 5, termSeen: 8 }]],
    { termMax: 8 },
  ],
  ["counts terms only refused", [["alpha", { term: 2, refusedTerm: 6 }]], { termMax: 6, term: 2 }],
  ["counts terms only offered", [["alpha", { term: 2, outgoingTerm: 6 }]], { termMax: 6, term: 2 }],
  [
    "counts terms released to",
    [["alpha", { phase: "released", term: 2, termSeen: 2, toTerm: 4 }]],
    { termMax: 4, term: 2 },
  ],
];

for (const [what, reports, expected] of COMPARISONS) {
  assignment(`step() compares terms at start: ${what}`, () => {
    const at = session([vmRecord({ term: 2, termMax: 2 })]);
    for (const [host, patch] of reports) at.connects(host, [patch]);
    const { term, termMax, hostId, desired } = vm(at)!;
    const actual: Record<string, unknown> = { term, termMax, hostId, desired };
    for (const [key, value] of Object.entries(expected)) assert.is(actual[key], value, key);
  });
}

assignment("step() holds a VM that its host gave up to a higher term", () => {
  for (const phase of ["none", "burnt", "released", "incoming"] as const) {
    const at = session([vmRecord()]);
    const asked = at.connects("alpha", [{ phase, term: 1, termSeen: 4 }]);
    assert.equal(sent(asked), [], phase);
    assert.equal(sent(at.wait(60_000)), [], phase);
    assert.type(vm(at)?.held, "string");
  }
});

assignment("step() adopts a VM it has no record of, above every term heard", () => {
  const at = session();
  at.connects("charlie", [{ phase: "burnt", term: 6 }]);
  assert.equal(order(at.connects("alpha", [{ term: 3 }])), ["save-vm", "note"]);
  const { term, termMax, hostId, desired } = vm(at)!;
  assert.equal(
    { term, termMax, hostId, desired },
    {
      term: 3,
      termMax: 6,
      hostId: "alpha" as HostId,
      desired: "running",
    },
  );
});

assignment(
  "step() starts no adopted VM that does not run: another host may hold a higher term",
  () => {
    for (const phase of ["stopped", "void"] as const) {
      const at = session();
      assert.equal(sent(at.connects("alpha", [{ phase, term: 3 }])), []);
      assert.equal(sent(at.wait(60_000)), []);
      const asked = at.connects("bravo", [{ term: 4 }]);
      assert.equal(sent(asked), []);
      assert.is(vm(at)?.desired, "running");
    }
  },
);

assignment("step() adopts nothing from a host that never ran the VM", () => {
  for (const phase of ["none", "incoming", "released", "burnt"] as const) {
    const at = session();
    at.connects("alpha", [{ phase, term: 3 }]);
    assert.is(vm(at), undefined);
  }
});

assignment(
  "step() grants a new term, durable first, when the host's boot voided the old one",
  () => {
    const at = running();
    const asked = at.connects("alpha", [{ phase: "void" }], BOOT_2);
    assert.equal(sent(asked), ["alpha grant 2"]);
    const kinds = order(asked);
    assert.ok(kinds.indexOf("save-vm") < kinds.indexOf("agent grant"));
    const grant = asked.find((effect) => effect.type === "send-agent")?.message;
    assert.is(grant?.type === "grant" && grant.bootId, BOOT_2);
    assert.is(grant?.type === "grant" && grant.start, "again");
  },
);

assignment("step() drops a report of an earlier boot, and an older one of this boot", () => {
  const at = running();
  at.connects("alpha", [{ version: 50, verified: true }], BOOT_2);
  const before = at.state.hosts["alpha" as HostId]?.reports;
  const { capacity } = at.state.hosts["alpha" as HostId]!;
  const late = { type: "vm-report", hostId: "alpha" as HostId, capacity: capacity! } as const;
  const report = { ...before![VM]!, version: 60, phase: "stopped" } as const;
  assert.equal(sent(at.take({ ...late, bootId: "b0070001" as BootId, report })), []);
  const older = { ...report, version: 49 };
  assert.equal(sent(at.take({ ...late, bootId: BOOT_2, report: older })), []);
  assert.equal(at.state.hosts["alpha" as HostId]?.reports, before);
});

assignment("step() starts a dying guest at doubled intervals, then holds it", () => {
  const at = running();
  const pauses: number[] = [];
  let since = 0;
  let asked = at.reports("alpha", { phase: "stopped", reason: "It panicked" });
  for (let ms = 0; ms < 120_000; ms += 500) {
    const [grant] = sent(asked);
    if (grant !== undefined) {
      pauses.push(since);
      since = 0;
      const term = vm(at)!.term;
      at.reports("alpha", { term, guest: "starting" });
      at.reports("alpha", { phase: "stopped", term, reason: "It panicked" });
    }
    asked = at.wait(500);
    since += 500;
  }
  assert.equal(pauses, [0, 1_000, 2_000, 4_000, 8_000]);
  assert.match(vm(at)?.held ?? "", /Started 5 times: It panicked/);
});

assignment("step() counts starts anew once the guest was seen to run", () => {
  const at = running();
  for (let time = 0; time < 20; time++) {
    assert.equal(sent(at.reports("alpha", { phase: "stopped", term: vm(at)!.term })).length, 1);
    at.reports("alpha", { term: vm(at)!.term, verified: true });
    at.wait(20_000);
  }
  assert.is(vm(at)?.held, undefined);
});

assignment("step() sends an unanswered grant again under the same term", () => {
  const at = running();
  assert.equal(sent(at.reports("alpha", { phase: "stopped" })), ["alpha grant 2"]);
  assert.equal(sent(at.wait(1_000)), ["alpha grant 2"]);
  assert.is(vm(at)?.termMax, 2);
});

assignment("step() ends an old primary that comes back at a lower term", () => {
  const at = session([vmRecord({ hostId: "bravo" as HostId, term: 4, termMax: 4 })]);
  at.connects("bravo", [{ term: 4, guest: "starting" }]);
  assert.equal(sent(at.connects("alpha", [{ term: 1 }])), ["alpha retire 4"]);
});

assignment("step() keeps released and stopped copies until the VM is seen to run elsewhere", () => {
  for (const phase of ["released", "stopped", "void"] as const) {
    const at = session([vmRecord({ hostId: "bravo" as HostId, term: 4, termMax: 4 })]);
    at.connects("bravo", [{ term: 4 }]);
    assert.equal(sent(at.connects("alpha", [{ phase, term: 1 }])), []);
    assert.equal(sent(at.reports("bravo", { term: 4, verified: true })), ["alpha retire 4"]);
  }
});

assignment("step() burns what is incoming without a saga", () => {
  const at = running();
  assert.equal(sent(at.reports("bravo", { phase: "incoming", term: 2 })), ["bravo burn 2"]);
});

assignment.run();
