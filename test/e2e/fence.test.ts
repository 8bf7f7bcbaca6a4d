// limit: 120 s
// A real site whose host has a simulated service processor over HTTPS: fenced, its guest's QEMU is
// gone and that is proven; by one that cannot be believed nothing is proven and nothing ends.
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { processes } from "../../agent/qemu/find.ts";
import type { Fleet } from "../../cli/demo/fleet.ts";
import { counterGuest } from "../../cli/demo/guests.ts";
import { serverFolders } from "../../firmware-sim/config.ts";
import { SystemError } from "../../protocol/error.ts";
import type { OffProof } from "../../protocol/fence.ts";
import { hostId, serverId, vmId } from "../../protocol/ids.ts";
import { askControl } from "../../runtime/control-socket.ts";
import { openRedfish } from "../../runtime/redfish.ts";
import { CERTIFICATE, KEY } from "../unit/runtime/certificate.ts";
import { makeFleet, runGuest, status, until, vmOf } from "./site.ts";

const UUID = "6f1c2a44-1111-4222-8333-444455556666";
const VM = vmId.parse("0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e09");
const ALPHA = "alpha";
const LOGIN = { username: "admin", password: "s:cret" };
const FINGERPRINT = new X509Certificate(CERTIFICATE).fingerprint256;
const RESET = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
const ANSWER_MS = 30_000;

interface World {
  fleet: Fleet;
  url: string;
}

const fencing = suite<World>("fence");

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

fencing.before(async (world) => {
  const fleet = makeFleet();
  const file = (name: string, content: string): string => {
    const path = join(fleet.folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  Object.assign(world, { fleet, url });
  const passwordFile = file("password", `${LOGIN.password}\n`);
  const { username } = LOGIN;
  const redfish = { url, username, passwordFile, fingerprint: FINGERPRINT };
  const fence = { holdMs: 500, deadlineMs: 8_000 };
  const coordinator = { fence, servers: { alpha: { uuid: UUID.toUpperCase(), redfish } } };
  const state = join(fleet.folder, "site");
  const where = ["--config", file("coordinator.yaml", JSON.stringify({ coordinator }))];
  const run = ["--state", state, "--listen", "127.0.0.1:0", "--with-parent"];
  await fleet.run("coordinator", "coordinator/main.ts", [...where, ...run]);
  await fleet.startManagement();
  const tls = { key: file("key.pem", KEY), certificate: file("certificate.pem", CERTIFICATE) };
  const agentState = fleet.stateOf(ALPHA);
  const agentConfig = join(fleet.folder, "agent-alpha.yaml");
  const machine = { port, uuid: UUID, username, passwordFile, tls, agentState, agentConfig };
  const management = `ws://${fleet.listeningOf("management")}`;
  const server = { serverId: ALPHA, state, management, serviceProcessor: machine };
  const config = file("firmware.yaml", JSON.stringify(server));
  await fleet.run("firmware-alpha", "firmware-sim/main.ts", ["--config", config, "--with-parent"]);
  await fleet.startAgent(ALPHA);
  await runGuest(fleet, ALPHA, await counterGuest(join(fleet.folder, "guests"), VM));
});

fencing.after(({ fleet }) => fleet.close());

/** Guests of this site's alpha, as the kernel has them. */
async function guests({ fleet }: World): Promise<number[]> {
  const socket = `socket,id=qmp,path=${fleet.stateOf(ALPHA)}/`;
  const found = await processes();
  return found
    .filter(({ args }) => args.some((arg) => arg.startsWith(socket)))
    .map(({ pid }) => pid);
}

async function fence({ fleet }: World): Promise<OffProof> {
  const ids = { hostId: hostId.parse(ALPHA), serverId: serverId.parse(ALPHA) };
  const how = { evenIfConnected: true, guestsWillStop: true, dryRun: false };
  const client = await fleet.operator();
  return client.ask<OffProof>({ method: "fence", ...ids, ...how }, ANSWER_MS);
}

async function control({ fleet }: World, request: object): Promise<void> {
  const { control: path } = serverFolders(join(fleet.folder, "site"), serverId.parse(ALPHA));
  const answer = await askControl(path, JSON.stringify(request), ANSWER_MS);
  assert.match(answer, /"ok":true/);
}

/** The firmware of its adapter is linked: its silence would be seen. */
async function watched({ fleet }: World): Promise<void> {
  await until(
    "NIC firmware",
    () => status(fleet),
    ({ connected }) => connected.includes("nic:alpha"),
  );
}

const offOf = async ({ fleet }: World) =>
  (await status(fleet)).hosts.find((host) => host.hostId === ALPHA)?.off;

fencing(
  "a fenced server's guests are gone, its proof is kept, and void once it is back",
  async (world) => {
    const { fleet, url } = world;
    await watched(world);
    assert.is((await guests(world)).length, 1);
    const proof = await fence(world);
    assert.equal(await guests(world), []);
    assert.equal([proof.uuid, proof.reads.length], [UUID, 3]);
    assert.equal(proof.signs, ["agent-silent", "nic-firmware-silent"]);
    assert.equal((await offOf(world))?.by, "fence");
    const { events } = await (await fleet.operator()).ask<{
      events: readonly { detail?: unknown }[];
    }>({
      method: "events",
      after: 0,
      follow: false,
    });
    assert.ok(events.some(({ detail }) => JSON.stringify(detail) === JSON.stringify(proof)));

    const redfish = openRedfish({ url, ...LOGIN, fingerprint: FINGERPRINT.replaceAll(":", "") });
    await redfish.post(RESET, { ResetType: "On" });
    redfish.close();
    await fleet.startAgent(ALPHA);
    await until(
      "the host's return",
      () => status(fleet),
      ({ hosts }) => hosts.some((host) => host.hostId === ALPHA && host.connected),
    );
    await until(
      "the guest to run again",
      () => status(fleet),
      (seen) => vmOf(seen, VM)?.guest === "running",
    );
    assert.is((await guests(world)).length, 1);
    assert.is(await offOf(world), undefined);
  },
);

const FAULTS: readonly (readonly [string, RegExp])[] = [
  ["wrong-machine", /another machine: UUID 00000000-0000-4000-8000-0badc0ffee00/],
  ["dead", /8000 ms, while identifying/],
  ["lying", /8000 ms, though its service processor says Off: its agent is heard/],
  ["slow", /PoweringOff after ForceOff|8000 ms/],
];

for (const [fault, reason] of FAULTS) {
  fencing(`a service processor that is ${fault} proves nothing`, async (world) => {
    await watched(world);
    const before = await guests(world);
    assert.is(before.length, 1);
    await control(world, { type: "service-processor", fault });
    const failure = await fence(world).then(
      () => new Error("It was proven"),
      (thrown: unknown) => thrown,
    );
    assert.instance(failure, SystemError);
    assert.is((failure as SystemError).code, "FENCE_FAILED");
    assert.match((failure as SystemError).message, reason);
    assert.equal(await guests(world), before);
    assert.is(await offOf(world), undefined);
    await control(world, { type: "reset" });
  });
}

fencing.run();
