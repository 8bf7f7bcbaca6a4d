import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Deliver, type Reliable, reliable } from "../../../protocol/message.ts";
import { silentLog } from "../../../runtime/log.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { openSpool } from "../../../runtime/spool.ts";
import { makeFolder } from "./folder.ts";

const folder = makeFolder();
const random = seededRandom(3);
const spool = suite("openSpool");
let files = 0;

const body = (sensor: number): Reliable =>
  reliable.parse({
    type: "sensor-fault",
    serverId: "alpha",
    sensor: `${sensor}`,
    status: "stuck",
    reason: "same value for a day",
  });

const newPath = (): string => join(folder, `${files++}`);
const open = (path: string, messagesMax = 200) =>
  openSpool({ path, random, log: silentLog, messagesMax });

/** A link that takes `room` messages, and what it took. */
function link(room = Number.POSITIVE_INFINITY) {
  const taken: Deliver[] = [];
  const send = (message: Deliver): boolean => taken.length < room && taken.push(message) > 0;
  return { taken, send, sequences: () => taken.map(({ sequence }) => sequence) };
}

spool("add() sends at once on a link, and keeps the message until it is acknowledged", () => {
  const out = open(newPath());
  const first = link();
  out.linkUp(first.send);
  out.add(body(1));
  assert.equal(first.taken, [{ type: "deliver", spool: out.id, sequence: 1, body: body(1) }]);
  assert.is(out.pending, 1);
  out.delivered(out.id, 1);
  assert.is(out.pending, 0);
  out.close();
});

spool("linkUp() sends again from the first that is not acknowledged", () => {
  const out = open(newPath());
  for (let each = 1; each <= 4; each++) out.add(body(each));
  const first = link();
  out.linkUp(first.send);
  out.delivered(out.id, 2);
  out.linkDown();
  out.add(body(5));
  const second = link();
  out.linkUp(second.send);
  assert.equal(first.sequences(), [1, 2, 3, 4]);
  assert.equal(second.sequences(), [3, 4, 5]);
  out.close();
});

spool("openSpool() goes on after a restart with the same id, sequence and messages", () => {
  const path = newPath();
  const before = open(path);
  for (let each = 1; each <= 3; each++) before.add(body(each));
  before.linkUp(link().send);
  before.delivered(before.id, 1);
  before.close();
  const after = open(path);
  after.add(body(4));
  const out = link();
  after.linkUp(out.send);
  assert.is(after.id, before.id);
  assert.equal(out.sequences(), [2, 3, 4]);
  assert.equal(out.taken[0]?.body, body(2));
  after.close();
});

spool("delivered() takes an acknowledgement beyond what this link sent: an earlier one did", () => {
  const out = open(newPath());
  for (let each = 1; each <= 150; each++) out.add(body(each));
  const second = link();
  out.linkUp(second.send);
  assert.is(second.taken.length, 64);
  out.delivered(out.id, 100);
  assert.is(out.pending, 50);
  assert.equal(
    second.sequences().slice(64),
    Array.from({ length: 50 }, (_, at) => 101 + at),
  );
  out.close();
});

spool("delivered() learns nothing from another spool, a repeat or the future", () => {
  const out = open(newPath());
  out.linkUp(link().send);
  out.add(body(1));
  out.add(body(2));
  out.delivered("0".repeat(16), 2);
  out.delivered(out.id, 3);
  out.delivered(out.id, 0);
  assert.is(out.pending, 2);
  out.delivered(out.id, 1);
  out.delivered(out.id, 1);
  assert.is(out.pending, 1);
  out.close();
});

spool("add() to a full spool drops the oldest and counts it, over a restart", () => {
  const path = newPath();
  const before = open(path, 3);
  for (let each = 1; each <= 10; each++) before.add(body(each));
  assert.is(before.dropped, 7);
  before.close();
  const after = open(path, 3);
  const out = link();
  after.linkUp(out.send);
  assert.is(after.dropped, 7);
  assert.equal(out.sequences(), [8, 9, 10]);
  after.close();
});

spool("add() keeps the file small, however many come and go", () => {
  const path = newPath();
  const out = open(path, 10);
  out.linkUp(link().send);
  for (let each = 1; each <= 300; each++) {
    out.add(body(each));
    out.delivered(out.id, each);
  }
  assert.ok(readFileSync(path, "utf8").split("\n").length < 25);
  out.close();
  const again = open(path, 10);
  again.add(body(301));
  const last = link();
  again.linkUp(last.send);
  assert.equal(last.sequences(), [301]);
  again.close();
});

spool("add() waits with the next when a link takes no more", () => {
  const out = open(newPath());
  const narrow = link(1);
  out.linkUp(narrow.send);
  out.add(body(1));
  out.add(body(2));
  assert.equal(narrow.sequences(), [1]);
  const wide = link();
  out.linkUp(wide.send);
  assert.equal(wide.sequences(), [1, 2]);
  out.close();
});

spool("openSpool() puts a damaged file aside and begins another spool", () => {
  const path = newPath();
  const before = open(path);
  before.add(body(1));
  before.add(body(2));
  before.close();
  writeFileSync(path, readFileSync(path, "utf8").replace("stuck", "stack"));
  const after = open(path);
  assert.is.not(after.id, before.id);
  assert.is(after.pending, 0);
  assert.ok(existsSync(`${path}.damaged`));
  after.close();
});

spool.run();
