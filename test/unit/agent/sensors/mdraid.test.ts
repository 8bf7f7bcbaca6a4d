import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseMdstat, mdraid as source } from "../../../../agent/sensors/mdraid.ts";
import { readingsOf, told } from "./told.ts";

const mdraid = suite("mdraid");

const DEGRADED = `Personalities : [raid1]

md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]
      195310144 blocks [2/1] [U_]
      [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min

unused devices: <none>
`;

mdraid("parseMdstat() reads what an array has, has lost and is at", () => {
  const cases: readonly [text: string, expected: object][] = [
    [DEGRADED, { state: "recovering", required: 2, active: 1, down: 1, failed: 1, spare: 1 }],
    [
      "md10 : active raid0 sda1[0] sdb1[1]\n      314159265 blocks 64k chunks\n",
      { state: "active", required: 2, active: 2, down: 0, blocks: 314159265n },
    ],
    [
      "md4 : inactive raid1 sda3[0](F) sdb3[1](S)\n      4883648 blocks [2/2] [UU]\n",
      { state: "inactive", active: 0, failed: 1, spare: 1 },
    ],
    [
      "md9 : active raid1 sda[0] sdb[1]\n      5 blocks [2/2] [UU]\n      resync=DELAYED\n",
      { state: "resync", blocksSynced: 0n },
    ],
    [
      "md201 : active raid1 sda3[0] sdb3[1]\n      1993728 blocks [2/2] [UU]\n" +
        "      [=>...]  check =  5.7% (114176/1993728) finish=0.2min\n",
      { state: "check", blocksSynced: 114176n },
    ],
    ["md1 : active raid1\n", { required: 0, blocks: 0n }],
  ];
  for (const [text, expected] of cases) {
    const [array] = parseMdstat(text);
    assert.equal({ ...array, ...expected }, array, text);
  }
  assert.equal(parseMdstat("Personalities :\nunused devices: <none>\n"), []);
});

mdraid("mdraid tells a lost disk, by sysfs where it counts them", () => {
  const files = { "/proc/mdstat": DEGRADED };
  const expected = {
    "md6 array-state": "recovering",
    "md6 array-degraded": "1",
    "md6 array-disks-failed": "1",
  };
  assert.equal(told(readingsOf(source, files)), expected);
  const counted = { ...files, "/sys/block/md6/md/degraded": "2\n" };
  const both = readingsOf(source, counted).filter(({ signal }) => signal === "array-degraded");
  assert.equal(told(both), { "md6 array-degraded": "2 disks" });
  assert.is(both.length, 1);
});

mdraid.run();
