import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { ensureSecret, readPassword, readSecret, secretPath } from "../../../runtime/secrets.ts";
import { makeFolder } from "./folder.ts";

const folder = join(makeFolder(), "secrets");
const secrets = suite("secrets");

/** Asserts the refusal and that it says what to do. */
function refuses(path: string, remedy: RegExp): void {
  assert.throws(
    () => readSecret(path, "agent:alpha"),
    (error: unknown) =>
      error instanceof SystemError &&
      error.code === "SECRET_UNUSABLE" &&
      remedy.test(error.message),
  );
}

secrets("ensureSecret() makes 256 bits once, in a file 0600 of a folder 0700", () => {
  const secret = ensureSecret(folder, "agent:alpha", seededRandom(1));
  assert.match(secret, /^[0-9a-f]{64}$/);
  assert.is(ensureSecret(folder, "agent:alpha", seededRandom(2)), secret);
  assert.is(readSecret(folder, "agent:alpha"), secret);
  assert.is(statSync(folder).mode & 0o777, 0o700);
  assert.is(statSync(secretPath(folder, "agent:alpha")).mode & 0o777, 0o600);
  assert.is.not(ensureSecret(folder, "nic:alpha", seededRandom(3)), secret);
});

secrets("readSecret() of a principal without one is undefined", () => {
  assert.is(readSecret(folder, "agent:nobody"), undefined);
  assert.is(readSecret(join(folder, "none"), "agent:nobody"), undefined);
});

secrets("readSecret() refuses what others may read, and says what to do", () => {
  const path = secretPath(folder, "agent:alpha");
  for (const mode of [0o640, 0o604, 0o660]) {
    chmodSync(path, mode);
    refuses(folder, /chmod 600/);
  }
  chmodSync(path, 0o600);
  chmodSync(folder, 0o750);
  refuses(folder, /chmod 700/);
  chmodSync(folder, 0o700);
  assert.match(readSecret(folder, "agent:alpha")!, /^[0-9a-f]{64}$/);
});

secrets("readSecret() refuses what is no secret", () => {
  const cases: Record<string, (path: string) => void> = {
    empty: (path) => writeFileSync(path, "", { mode: 0o600 }),
    short: (path) => writeFileSync(path, "abcd\n", { mode: 0o600 }),
    long: (path) => writeFileSync(path, "a".repeat(1_000_000), { mode: 0o600 }),
    folder: (path) => mkdirSync(path, { mode: 0o700 }),
    link: (path) => symlinkSync(secretPath(folder, "agent:alpha"), path),
  };
  for (const [name, make] of Object.entries(cases)) {
    const own = join(folder, name);
    mkdirSync(own, { mode: 0o700 });
    make(secretPath(own, "agent:alpha"));
    refuses(own, /Remove it|Make it a file/);
  }
});

secrets("readPassword() gives the first line of a file that only its owner can read", () => {
  const path = join(folder, "redfish.password");
  writeFileSync(path, "s:cret word\nnot this\n", { mode: 0o600 });
  assert.is(readPassword(path), "s:cret word");
  chmodSync(path, 0o644);
  assert.throws(() => readPassword(path), /chmod 600/);
  chmodSync(path, 0o600);
  writeFileSync(path, "\nsecond line");
  assert.throws(() => readPassword(path), /holds no password/);
  assert.throws(() => readPassword(join(folder, "none")), /cannot be read/);
});

secrets.run();
