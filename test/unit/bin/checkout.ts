/**
 * A scratch checkout whose apt, npm, compiler and QEMU are small scripts that write down that they
 * were called, so that the set-up can be tried anywhere, in any order of accidents.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = new URL("../../..", import.meta.url).pathname;
/** Who `nobody` is on Linux. */
const NOBODY = 65_534;
const COMPILER = `import { writeFileSync } from "node:fs";
writeFileSync("assembly/build/release.wasm", "");
`;
const RECIPE = `import { appendFileSync } from "node:fs";
export async function fetchGuestAssets() { appendFileSync("calls", "guests\\n"); }
`;
const NPM = `echo "npm begins" >> calls
sleep "\${NPM_SECONDS:-0}"
mkdir -p node_modules/assemblyscript/bin
echo '{"type": "module"}' > node_modules/assemblyscript/package.json
cp asc.js node_modules/assemblyscript/bin/asc.js
echo "npm ends" >> calls
`;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Checkout implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "lifeboat-setup-"));

  constructor() {
    cpSync(`${ROOT}bin`, `${this.root}/bin`, { recursive: true });
    cpSync(`${ROOT}package-lock.json`, `${this.root}/package-lock.json`);
    this.write("bin/guests.mjs", RECIPE);
    this.write("asc.js", COMPILER);
    this.write("asconfig.json", "{}");
    this.write("assembly/index.ts", "");
    this.script("npm", NPM);
    chmodSync(this.root, 0o777);
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  write(path: string, text: string): void {
    mkdirSync(join(this.root, path, ".."), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  /** Puts a shell script on the set-up's PATH, which holds nothing else. */
  script(name: string, text = ""): void {
    this.write(`programs/${name}`, `#!/bin/sh\nPATH=/usr/bin:/bin\n${text}`);
    chmodSync(join(this.root, "programs", name), 0o755);
  }

  /** Programs of the system as if installed, and an apt that has nothing to do. */
  installPrograms(): void {
    for (const name of ["qemu-system-x86_64", "qemu-img", "cpio"]) this.script(name);
    this.script("apt-get", "exit 100");
  }

  /** What the scripts wrote, in order. */
  get calls(): string[] {
    const path = join(this.root, "calls");
    return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
  }

  start(env: Readonly<Record<string, string>> = {}, asNobody = false): ChildProcess {
    const other = asNobody && process.getuid?.() === 0;
    return spawn(other ? this.nodeForAll() : process.execPath, ["bin/setup.mjs"], {
      cwd: this.root,
      env: { PATH: join(this.root, "programs"), ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(other ? { uid: NOBODY } : {}),
    });
  }

  /** This Node where everybody may run it: the repository may be below a closed folder. */
  private nodeForAll(): string {
    const path = join(this.root, "node");
    if (!existsSync(path)) copyFileSync(process.execPath, path);
    return path;
  }

  run(env: Readonly<Record<string, string>> = {}, asNobody = false): Promise<Ended> {
    return ended(this.start(env, asNobody));
  }
}

/** How a child ended, and all it said. */
export async function ended(child: ChildProcess): Promise<Ended> {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => {
    child.on("exit", (status) => resolve(status));
  });
  return { code, ...texts };
}
