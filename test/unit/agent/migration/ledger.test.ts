import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Ledger } from "../../../../agent/migration/ledger.ts";
import { type MigrationProgress, migrationProgress } from "../../../../protocol/authority.ts";
import type { OperationId, VmId } from "../../../../protocol/ids.ts";
import { memoryClock } from "../../runtime/memory-clock.ts";

const ledgers = suite("Ledger");
const subject = {
  vmId: "6f1c2a44-1111-4222-8333-444455556666" as VmId,
  sagaId: "saga-1" as OperationId,
  memoryBytes: 1_000,
};

function make() {
  const clock = memoryClock();
  const told: MigrationProgress[] = [];
  const tell = (one: MigrationProgress): void => void told.push(migrationProgress.parse(one));
  return { clock, told, ledger: new Ledger(subject, clock, () => 77, tell) };
}

ledgers("note() tells a round with what the next pause is expected to take", () => {
  const { clock, told, ledger } = make();
  clock.advanceTo(200);
  ledger.note({ kind: "cut", changedBytes: 400, scanMs: 30, fixedMs: 20, startedMs: 50 });
  assert.equal(ledger.rounds, [
    { kind: "cut", changedBytes: 400, scanMs: 30, fixedMs: 20, tookMs: 150, carryMs: 100 },
  ]);
  const [one] = told;
  assert.is(one?.round, 1);
  assert.is(one?.bytesRaw, 400);
  assert.is(one?.bytesSent, 77);
  assert.is(one?.expectedPauseMs, 150);
});

ledgers("at() tells no more often than ten times a second, and rounds always", () => {
  const { clock, told, ledger } = make();
  for (let ms = 0; ms < 1_000; ms++) {
    clock.advanceTo(ms);
    ledger.at("full", ms);
  }
  assert.is(told.length, 10);
  ledger.note({ kind: "fuzzy", changedBytes: 1, scanMs: 1, startedMs: 0 });
  assert.is(told.length, 11);
});

ledgers("pauseEnds() tells the whole pause, and parts that do not exceed it", () => {
  const { clock, told, ledger } = make();
  clock.advanceTo(100);
  ledger.pauseBegins();
  ledger.parts.stop = 5;
  clock.advanceTo(147);
  ledger.lastCarried(64);
  ledger.ackedNow();
  clock.advanceTo(150);
  ledger.releasedNow();
  clock.advanceTo(160);
  ledger.pauseEnds(4);
  const done = told.at(-1)!;
  assert.is(done.stage, "done");
  assert.is(done.lastPauseMs, 60);
  assert.is(done.bytesRaw, 64);
  assert.is(done.pauseParts!.release, 3);
  assert.is(done.pauseParts!.activate, 4);
  assert.is(done.pauseParts!.send, 6);
});

ledgers("pauseEnds() tells no pause of a guest that died before its last epoch", () => {
  const { clock, told, ledger } = make();
  clock.advanceTo(5_000);
  ledger.releasedNow();
  ledger.pauseEnds(3);
  assert.equal(told, []);
});

ledgers.run();
