import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ServicePowers } from "../../../coordinator/power.ts";
import { type Coordinator, startCoordinator } from "../../../coordinator/shell.ts";
import { DEFAULTS } from "../../../coordinator/state.ts";
import { openCoordinatorStore } from "../../../coordinator/store.ts";
import type { HostId, ServerId } from "../../../protocol/ids.ts";
import { dialEnd, type End } from "../runtime/ends.ts";
import { ports, SECRET, until } from "../runtime/ports.ts";
import { ALPHA, BRAVO, inventoryOf } from "../runtime/samples.ts";

const suspicion = { silentMs: 300, togetherMs: 60_000, lookMs: 200, standstillMs: 60_000 };
const UUID = "6f1c2a44-1111-4222-8333-444455556666";
const ADDRESS = "192.0.2.1:7412";

const shell = suite("startCoordinator");

/** Alpha's service processor, which says that it has power. */
function powered(asked: string[]): ServicePowers {
  return {
    async ask({ serverId, command }) {
      asked.push(`${serverId} ${command}`);
      return { type: "state", uuid: UUID, power: "On" };
    },
    close() {},
  };
}

async function agent({ port }: Coordinator, host: HostId): Promise<End> {
  const end = await dialEnd(`agent:${host}`, "coordinator", port);
  end.send({ ...inventoryOf(host, []), address: ADDRESS });
  return end;
}

shell("has another host look at one whose agent is gone, and tells what it sees", async () => {
  const asked: string[] = [];
  const store = openCoordinatorStore(":memory:");
  const alphas = inventoryOf(ALPHA, []).serverId;
  const servers = { [alphas as ServerId]: { uuid: UUID } };
  const coordinator = await startCoordinator({
    ...ports,
    listen: { host: "127.0.0.1", port: 0 },
    insecureNetwork: false,
    config: { ...DEFAULTS, suspicion, servers },
    powers: powered(asked),
    store,
    secretOf: () => SECRET,
  });
  const alpha = await agent(coordinator, ALPHA);
  const bravo = await agent(coordinator, BRAVO);
  const known = (): boolean => Object.keys(coordinator.state().hosts).length === 2;
  await until(known, "both hosts to be heard");
  const management = await dialEnd("management", "coordinator", coordinator.port);
  await alpha.close();
  const { operationId, hostId, address } = await bravo.take("observe");
  assert.equal([hostId, address], [ALPHA, ADDRESS]);
  bravo.send({ type: "observed", operationId, hostId, seen: "refused" });
  const phase = () => coordinator.state().suspicion.silences[ALPHA]?.phase;
  await until(() => phase() === "agent-dead", "the answer to be taken");
  assert.equal(asked[0], `${alphas} read`);
  const lives = (): boolean =>
    management.received.some(
      (one) =>
        one.type === "trace" &&
        /its guests may run: .*agent:bravo \(refused\)/.test(one.text ?? ""),
    );
  await until(lives, "the time line to have it");
  const silent = bravo.received.filter(({ type }) => type === "observe").length;
  assert.ok(silent >= 1 && asked.every((one) => one.endsWith("read")), "nothing is switched off");
  await Promise.all([bravo.close(), management.close()]);
  await coordinator.close();
  store.close();
});

shell.run();
