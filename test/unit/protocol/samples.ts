// One valid message of every type, for the tests and the fuzz seeds of the protocol.
import { type Message, type MessageType, message } from "../../../protocol/message.ts";

export const VM = "0f0e9a52-5c3e-4b8e-9d59-3f3f6f0c1a11";
const STREAM = "ab".repeat(16);
const TOKEN = "cd".repeat(32);
const BOOT = "11111111-2222-3333-4444-555555555555";

const definition = {
  id: VM,
  name: "Counter 1",
  machine: "pc-q35-7.2",
  cpu: "qemu64",
  accelerator: "tcg",
  qemuVersion: "7.2.0",
  memoryBytes: 16 * 1024 * 1024,
  vcpus: 1,
  boot: { disk: "vda" },
  disks: [
    { id: "vda", sizeBytes: 512, originPath: "/d.img", originFormat: "raw", pciAddress: "02.0" },
  ],
  network: [],
};
const guest = {
  id: VM,
  name: "Counter 1",
  memoryMiB: 16,
  vcpus: 1,
  boot: { disk: "vda" },
  disks: [{ id: "vda", path: "/d.img", format: "raw" }],
  network: [],
  channel: false,
};
const capacity = { memoryBytes: 1_000, memoryUsedBytes: 10, diskFreeBytes: 5 };
const report = {
  vmId: VM,
  version: 3,
  phase: "active",
  term: 2,
  termSeen: 2,
  refusedTerm: 0,
  guest: "running",
  definition,
  verified: true,
};
const limits = { pauseMsMax: 500, roundsMax: 20 };
const operationId = "op-1";

/** By type, so that a new message without a sample does not compile. */
const SAMPLES: Record<MessageType, object> = {
  deliver: {
    spool: "0123456789abcdef",
    sequence: 1,
    body: {
      type: "prediction",
      predictionId: "p-1",
      serverId: "alpha",
      source: "agent",
      component: "disk",
      device: "sda",
      probability: 0.9,
      horizonMs: 60_000,
      evidence: [{ signal: "smart/187", value: 4, threshold: 1, text: "uncorrectable errors" }],
    },
  },
  delivered: { spool: "0123456789abcdef", sequence: 1 },
  telemetry: { serverId: "alpha", risk: 0.1, sensors: 9, sensorFaults: 1, residentBytes: 7 },
  baselines: {
    serverId: "alpha",
    baselines: [
      { baselineId: "b-1", component: "disk", device: "sda", signal: "smart-5", value: 3 },
    ],
  },
  "baselines-taken": { serverId: "alpha", taken: ["b-1"], lapsed: [] },
  "server-components": {
    serverId: "alpha",
    model: "X1",
    disks: [{ device: "sda", model: "ST4000" }],
  },
  inventory: {
    hostId: "alpha",
    serverId: "alpha",
    bootId: BOOT,
    agentVersion: "0.1.0",
    capabilities: {
      qemuVersion: "7.2.0",
      accelerator: "tcg",
      acceleratorReason: "no /dev/kvm",
      cpuFlags: ["sse2"],
    },
    capacity,
    vms: [report],
  },
  "vm-report": { hostId: "alpha", bootId: BOOT, capacity, report },
  refusal: {
    hostId: "alpha",
    vmId: VM,
    command: "grant",
    term: 2,
    code: "TERM_STALE",
    reason: "term 3 was seen",
  },
  freeze: { operationId, definition: guest },
  frozen: { operationId, definition },
  grant: { vmId: VM, term: 2, hostId: "alpha", bootId: BOOT, definition, start: "first" },
  prepare: {
    sagaId: operationId,
    vmId: VM,
    term: 3,
    stream: STREAM,
    source: "alpha",
    token: TOKEN,
    definition,
  },
  "migrate-out": {
    sagaId: operationId,
    vmId: VM,
    term: 2,
    toTerm: 3,
    stream: STREAM,
    target: "bravo",
    address: "127.0.0.1:7000",
    token: TOKEN,
    limits,
  },
  "cancel-migration": { vmId: VM, term: 2, toTerm: 3, reason: "asked" },
  released: { vmId: VM, term: 2, toTerm: 3, stream: STREAM, reason: "moved", epoch: 4 },
  burn: { vmId: VM, term: 3, reason: "cancelled" },
  retire: { vmId: VM, term: 3 },
  "hold-replica": {
    vmId: VM,
    term: 3,
    stream: STREAM,
    primary: "alpha",
    token: "c".repeat(64),
    definition,
  },
  "seal-replica": { vmId: VM, term: 4 },
  "drop-replica": { vmId: VM, term: 4, stream: STREAM },
  protect: {
    vmId: VM,
    term: 3,
    version: 1,
    intervalMs: 1_000,
    secondaries: [
      { hostId: "bravo", stream: STREAM, address: "bravo:7000", token: "c".repeat(64) },
    ],
  },
  "replica-status": {
    hostId: "alpha",
    vmId: VM,
    stream: STREAM,
    newest: { epoch: 3, cut: 2 },
    lagMs: 900,
    standby: "cold",
    diskBytes: 7,
    logBytes: 3,
    memoryBytes: 1,
  },
  "protection-status": {
    hostId: "alpha",
    vmId: VM,
    term: 3,
    cuts: 2,
    secondaries: [
      {
        hostId: "bravo",
        stream: STREAM,
        state: "protected",
        pendingBytes: 0,
        totalBytes: 7,
        sentBytes: 7,
        bytesPerSecond: 1,
      },
    ],
  },
  "protect-vm": {
    operationId,
    vmId: VM,
    policy: { mode: "async", intervalMs: 1_000, secondaries: 1, apart: "server" },
    dryRun: false,
  },
  failover: { operationId, vmId: VM, allowStale: false, dryRun: true },
  "switch-over": { operationId, vmId: VM, target: "bravo" },
  "stop-vm": { vmId: VM, term: 3 },
  "migration-progress": {
    vmId: VM,
    sagaId: operationId,
    round: 1,
    stage: "round",
    bytesRaw: 10,
    bytesSent: 5,
    memoryBytes: 100,
    doneBytes: 3,
  },
  observe: { operationId, hostId: "bravo", address: "192.0.2.7:7412" },
  observed: { operationId, hostId: "bravo", seen: "silent" },
  "identify-host": { operationId, hostId: "alpha" },
  "host-vms": { operationId, hostId: "alpha", known: true, vms: [] },
  migrate: { operationId, vmId: VM, target: "bravo", limits },
  "cancel-saga": { operationId, reason: "asked" },
  "migration-result": {
    operationId,
    vmId: VM,
    outcome: "moved",
    reason: "done",
    from: "alpha",
    to: "bravo",
    term: 3,
  },
  cordon: { operationId, hostId: "alpha", cordoned: true },
  "declare-off": { operationId, hostId: "alpha", serverId: "alpha", reason: "It has no power" },
  fence: {
    operationId,
    hostId: "alpha",
    serverId: "alpha",
    evenIfConnected: false,
    guestsWillStop: true,
    dryRun: false,
  },
  "nic-links": { version: 3, up: ["alpha"] },
  "run-vm": { operationId, hostId: "alpha", definition: guest },
  "end-vm": { operationId, vmId: VM },
  "read-console": { operationId, vmId: VM, offset: -100 },
  "console-text": { operationId, vmId: VM, offset: 0, size: 2, base64: "aGk=" },
  "operation-result": { operationId, ok: true },
  fleet: { hosts: [], vms: [] },
  trace: { message: "prepare", from: "coordinator", to: "agent:bravo" },
  request: { operationId, ask: { method: "status" } },
  response: { operationId, ok: true, result: { hosts: [1, "two", null] } },
  event: {
    id: 1,
    wallTime: "2026-01-01T00:00:00Z",
    atMs: 5,
    message: "prediction",
    from: "agent:alpha",
    to: "management",
  },
};

/** A message of each type, in the order of the schema. */
export const samples: readonly Message[] = Object.entries(SAMPLES).map(([type, body]) =>
  message.parse({ type, ...body }),
);
