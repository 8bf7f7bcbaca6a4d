import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Checkout, ended } from "./checkout.ts";

const setup = suite("bin/setup");
const isDebian = /^ID="?debian"?$/m.test(readFileSync("/etc/os-release", "utf8"));
const mayInstall = isDebian && process.getuid?.() === 0;
/** What a complete set-up calls where apt has nothing to do. */
const ALL =
  isDebian && process.arch === "x64"
    ? ["npm begins", "npm ends", "guests"]
    : ["npm begins", "npm ends"];

setup("installs all that is missing, and is silent the second time", async () => {
  using checkout = new Checkout();
  checkout.installPrograms();
  const first = await checkout.run();
  assert.is(first.code, 0, first.stderr);
  assert.is(first.stdout, "");
  assert.match(first.stderr, /^set-up: installing packages/);
  assert.equal(checkout.calls, ALL);
  if (ALL.length < 3) return;
  assert.equal(await checkout.run(), { code: 0, stdout: "", stderr: "" });
  assert.equal(checkout.calls, ALL);
});

setup("does again only what has changed", async () => {
  using checkout = new Checkout();
  checkout.installPrograms();
  await checkout.run();
  checkout.write("assembly/index.ts", "// changed");
  const { stderr } = await checkout.run();
  assert.match(stderr, /building the WASM core/);
  assert.equal(checkout.calls, ALL);
  checkout.write("package-lock.json", "{}");
  await checkout.run();
  assert.equal(checkout.calls, [...ALL, "npm begins", "npm ends"]);
});

setup("tells who is not root what to install, before anything else", async () => {
  using checkout = new Checkout();
  checkout.script("apt-get", "echo apt >> calls");
  checkout.script("cpio");
  const { code, stdout, stderr } = await checkout.run({}, true);
  assert.is(code, 78);
  assert.is(stdout, "");
  assert.match(
    stderr,
    /^set-up failed: Lifeboat needs qemu-system-x86_64, qemu-img, not found on PATH\.$/m,
  );
  const command = /^ {2}sudo apt-get install --no-install-recommends qemu-system-x86 qemu-utils$/m;
  assert.match(stderr, isDebian ? command : /on Debian: qemu-system-x86 qemu-utils/);
  assert.equal(checkout.calls, []);
});

setup("tells what to install where there is no apt", async () => {
  using checkout = new Checkout();
  const { code, stderr } = await checkout.run();
  assert.is(code, 78);
  assert.match(stderr, /This is not Debian.*\n.*qemu-system-x86 qemu-utils cpio/);
});

setup("fetches the package lists when apt knows no such package", async () => {
  if (!mayInstall) {
    console.log("skipped: installing with apt is tried as root on Debian only");
    return;
  }
  using checkout = new Checkout();
  checkout.script("dpkg", 'echo "dpkg $1" >> calls');
  const programs =
    "for name in qemu-system-x86_64 qemu-img cpio; do cp /bin/true programs/$name; done";
  const apt = `echo "apt $1" >> calls; [ "$1" = update ] && touch lists; [ -f lists ] || exit 100`;
  checkout.script("apt-get", `${apt}\n${programs}`);
  const { code, stderr } = await checkout.run();
  assert.is(code, 0, stderr);
  const calls = ["dpkg --configure", "apt install", "apt update", "apt install"];
  assert.equal(checkout.calls.slice(0, 4), calls);
});

setup("shows what a failed installer said, and tries again the next time", async () => {
  using checkout = new Checkout();
  checkout.installPrograms();
  checkout.script("npm", "echo to stdout; echo to stderr >&2; exit 3");
  const { code, stdout, stderr } = await checkout.run();
  assert.is(code, 1);
  assert.is(stdout, "");
  assert.match(
    stderr,
    /`npm ci .*` failed \(exit status 3\):\n(to stdout\nto stderr|to stderr\nto stdout)$/m,
  );
  assert.is((await checkout.run()).code, 1);
});

setup("waits for the other of two at once, which does the work for both", async () => {
  using checkout = new Checkout();
  checkout.installPrograms();
  const env = { NPM_SECONDS: "0.5" };
  const both = await Promise.all([checkout.run(env), checkout.run(env)]);
  assert.equal(
    both.map(({ code }) => code),
    [0, 0],
  );
  assert.equal(checkout.calls.slice(0, 3), ALL);
  assert.is(both.filter(({ stderr }) => stderr.includes("waiting for another set-up")).length, 1);
});

setup("repairs one that was killed, once the npm it left behind has ended", async () => {
  using checkout = new Checkout();
  checkout.installPrograms();
  const first = checkout.start({ NPM_SECONDS: "1" });
  while (checkout.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  first.kill("SIGKILL");
  await ended(first);
  const { code, stderr } = await checkout.run();
  assert.is(code, 0, stderr);
  assert.equal(checkout.calls, ["npm begins", "npm ends", ...ALL]);
});

setup("passes a signal on to its installer and ends by it", async () => {
  using checkout = new Checkout();
  checkout.installPrograms();
  // exec: a shell would wait for its sleep and keep the pipe open.
  checkout.script("npm", 'echo "npm begins" >> calls\nexec sleep 60');
  const child = checkout.start();
  while (checkout.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGTERM");
  assert.is((await ended(child)).code, 143);
});

setup.run();
