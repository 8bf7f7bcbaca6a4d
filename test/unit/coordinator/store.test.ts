import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type SagaRecord, sagaRecord } from "../../../coordinator/state.ts";
import { openCoordinatorStore } from "../../../coordinator/store.ts";
import { SystemError } from "../../../protocol/error.ts";
import { openDatabase } from "../../../runtime/database.ts";
import { makeFolder } from "../runtime/folder.ts";
import { ALPHA, BRAVO, frozen, VM } from "../runtime/samples.ts";

const openCoordinator = suite("openCoordinatorStore");

function sagaOf(number: number, more: Partial<SagaRecord> = {}): SagaRecord {
  return sagaRecord.parse({
    sagaId: `saga-${number}`,
    vmId: VM,
    source: ALPHA,
    target: BRAVO,
    term: 1,
    toTerm: 2,
    stream: "0".repeat(32),
    token: "0".repeat(64),
    limits: { pauseMsMax: 1_000, roundsMax: 20 },
    phase: "preparing",
    ...more,
  });
}

openCoordinator("gives back what another life saved, the newest of each", () => {
  const path = join(makeFolder(), "coordinator", "coordinator.db");
  const first = openCoordinatorStore(path);
  const host = { hostId: ALPHA, serverId: "alpha" as never, cordoned: false };
  const vm = { vmId: VM, definition: frozen, term: 1, hostId: ALPHA, termMax: 1, ran: true };
  first.saveHost(host);
  first.saveHost({ ...host, cordoned: true });
  first.saveVm({ ...vm, desired: "running" });
  first.saveSaga(sagaOf(1));
  first.saveSaga(sagaOf(2));
  first.saveSaga(sagaOf(1, { phase: "moving" }));
  first.close();
  const second = openCoordinatorStore(path);
  const { hosts, vms, sagas } = second.load();
  second.close();
  assert.equal(hosts, [{ ...host, cordoned: true }]);
  assert.equal(vms, [{ ...vm, desired: "running" }]);
  assert.equal(sagas, [sagaOf(1, { phase: "moving" }), sagaOf(2)]);
});

openCoordinator("gives back how a VM is protected, and its last failover", () => {
  const path = join(makeFolder(), "coordinator.db");
  const stream = "1".repeat(32) as never;
  const copy = { hostId: BRAVO, stream, token: "2".repeat(64), term: 1, primary: ALPHA };
  const protection = { vmId: VM, version: 2, copies: [{ ...copy, leaving: false }] };
  const failover = {
    failoverId: "failover-1" as never,
    vmId: VM,
    primary: ALPHA,
    term: 2,
    phase: "sealing" as const,
    automatic: true,
    allowStale: true,
    tried: [],
    granted: [],
    unheard: [],
  };
  const first = openCoordinatorStore(path);
  first.saveProtection({ ...protection, version: 1 });
  first.saveProtection(protection);
  first.saveFailover(failover);
  first.saveFailover({ ...failover, phase: "held", reason: "No replica" });
  first.close();
  const second = openCoordinatorStore(path);
  const { protections, failovers } = second.load();
  second.close();
  assert.equal(protections, [protection]);
  assert.equal(failovers, [{ ...failover, phase: "held", reason: "No replica" }]);
});

openCoordinator("reads an operator's word as older versions wrote it", () => {
  const path = join(makeFolder(), "coordinator.db");
  const older = { hostId: ALPHA, serverId: "alpha", cordoned: false, declaredOff: "No power" };
  const first = openCoordinatorStore(path);
  first.saveHost(older as never);
  const [host] = first.load().hosts;
  first.close();
  assert.equal(host?.off, { by: "operator", reason: "No power" });
  assert.not("declaredOff" in host!);
});

openCoordinator("drops the oldest finished sagas, and never an unfinished one", () => {
  const store = openCoordinatorStore(":memory:");
  store.saveSaga(sagaOf(0));
  store.transaction(() => {
    for (let number = 1; number <= 1_005; number++) {
      store.saveSaga(sagaOf(number, { phase: "done", outcome: "moved" }));
    }
  });
  const ids = store.load().sagas.map((saga) => saga.sagaId as string);
  assert.is(ids[0], "saga-0");
  assert.is(ids[1], "saga-6");
  assert.is(ids.length, 1_001);
  store.close();
});

openCoordinator("saves all of a transaction or nothing", () => {
  const store = openCoordinatorStore(":memory:");
  assert.throws(() =>
    store.transaction(() => {
      store.saveSaga(sagaOf(1));
      throw new Error("no");
    }),
  );
  assert.equal(store.load().sagas, []);
  store.close();
});

openCoordinator("refuses a record that is not what it wrote", () => {
  const path = join(makeFolder(), "coordinator.db");
  openCoordinatorStore(path).close();
  // The same schema version, so that nothing is migrated.
  const raw = openDatabase(path, ["SELECT 1", "SELECT 1"]);
  raw.run("INSERT INTO vms (id, record) VALUES (?, ?)", VM, '{"term":-1}');
  raw.close();
  const store = openCoordinatorStore(path);
  const thrown = errorOf(() => store.load());
  store.close();
  assert.is(thrown.code, "JOURNAL_CORRUPT");
  assert.match(thrown.message, "vms");
});

function errorOf(task: () => unknown): SystemError {
  try {
    task();
  } catch (thrown) {
    assert.instance(thrown, SystemError);
    return thrown as SystemError;
  }
  throw new Error("It did not throw");
}

openCoordinator.run();
